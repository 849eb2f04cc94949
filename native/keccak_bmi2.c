/* The scalar text, compiled with BMI: `andn` for chi, `rorx` for rho. */
#define KERNEL keccak_bmi2
#include "keccak_words.h"
