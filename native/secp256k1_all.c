/* gyp wants sources inside the tree; libsecp256k1 comes from wherever the include path has it. */
#include <src/secp256k1.c>
