/* gyp wants sources inside the tree; libsecp256k1 comes from wherever the include path has it. */
#include <src/secp256k1.c>

#if __has_include(<src/precomputed_ecmult.h>)
#include <src/precomputed_ecmult.c>
#include <src/precomputed_ecmult_gen.c>
#endif
