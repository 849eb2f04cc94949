/* One state in the low halves of 25 vector registers: AVX-512VL has 32 of them, a rotation, and three-operand
 * logic, which makes it faster than the integer registers even for a single state. */
#include <immintrin.h>

#define KERNEL keccak_avx512vl
#define WIDTH 1
#define LANE __m128i
#define XOR(a, b) _mm_xor_si128(a, b)
#define XOR3(a, b, c) _mm_ternarylogic_epi64(a, b, c, 0x96)
#define XOR5(a, b, c, d, e) XOR3(XOR3(a, b, c), d, e)
#define ROL(a, n) _mm_rol_epi64(a, n)
#define CHI(a, b, c) _mm_ternarylogic_epi64(a, b, c, 0xd2)
#define RC(word) _mm_loadl_epi64((const __m128i *)&(word))
#define LOAD(words) _mm_loadl_epi64((const __m128i *)(words))
#define STORE(words, lane) _mm_storel_epi64((__m128i *)(words), lane)
#define STORE_SOME(words, advance, lane) ((void)(advance), STORE(words, lane))
#define MIX_WORD(i, lane) lane = XOR(lane, _mm_loadl_epi64((const __m128i *)(at[0] + 8 * (i))));
#define MIX_BLOCK(at) KECCAK_EACH_RATE(MIX_WORD, a)
#include "keccak_kernel_body.h"
