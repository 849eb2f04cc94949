#define ABSORB keccak_absorb_scalar
#include "keccak_words.h"
