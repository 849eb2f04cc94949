/* One state in the low halves of 25 vector registers: AVX-512VL has 32 of them, a rotation, and three-operand
 * logic, which makes it faster than the integer registers even for a single state. */
#include <immintrin.h>

#include "keccak_tier.h"

#define LANE __m128i
#define XOR(a, b) _mm_xor_si128(a, b)
#define XOR3(a, b, c) _mm_ternarylogic_epi64(a, b, c, 0x96)
#define XOR5(a, b, c, d, e) XOR3(XOR3(a, b, c), d, e)
#define ROL(a, n) _mm_rol_epi64(a, n)
#define CHI(a, b, c) _mm_ternarylogic_epi64(a, b, c, 0xd2)
#define RC(word) _mm_loadl_epi64((const __m128i *)&(word))
#include "keccak_permute.h"

#define READ(i, lane) lane = _mm_loadl_epi64((const __m128i *)(state + i));
#define WRITE(i, lane) _mm_storel_epi64((__m128i *)(state + i), lane);
#define MIX(i, lane) lane = XOR(lane, _mm_loadl_epi64((const __m128i *)(input + 8 * i)));

void keccak_absorb_avx512vl(uint64_t state[25], const uint8_t *input, size_t blocks) {
  KECCAK_LANES(a);
  KECCAK_LANES(e);
  KECCAK_EACH(READ, a)
  for (; blocks > 0; blocks--, input += 136) {
    KECCAK_EACH_RATE(MIX, a)
    KECCAK_ROUNDS(a, e)
  }
  KECCAK_EACH(WRITE, a)
}
