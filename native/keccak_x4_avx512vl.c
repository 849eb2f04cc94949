#define KERNEL keccak_x4_avx512vl
#define XOR3(a, b, c) _mm256_ternarylogic_epi64(a, b, c, 0x96)
#define XOR5(a, b, c, d, e) XOR3(XOR3(a, b, c), d, e)
#define ROL(a, n) _mm256_rol_epi64(a, n)
#define CHI(a, b, c) _mm256_ternarylogic_epi64(a, b, c, 0xd2)
#define STORE_SOME(words, advance, lane) _mm256_mask_store_epi64(words, (__mmask8)(advance), lane)
#include "keccak_x4.h"
