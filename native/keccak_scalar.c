#define KERNEL keccak_scalar
#include "keccak_words.h"
