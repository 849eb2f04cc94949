/* The scalar text, compiled with BMI: `andn` for chi, `rorx` for rho. */
#define ABSORB keccak_absorb_bmi2
#include "keccak_words.h"
