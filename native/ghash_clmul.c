#include "cpu.h"
#include "ghash.h"

#if defined(PEERLANE_X64)

#include <immintrin.h>

typedef __m128i block;
PL_INLINE block make(const ghash_block *words) { return _mm_loadu_si128((const __m128i *)words->words); }
PL_INLINE void take(block b, ghash_block *words) { _mm_storeu_si128((__m128i *)words->words, b); }
PL_INLINE block load_reversed(const uint8_t *p) {
  const block reverse = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)p), reverse);
}
PL_INLINE block add(block a, block b) { return _mm_xor_si128(a, b); }
PL_INLINE block swap(block b) { return _mm_shuffle_epi32(b, 0x4e); }
PL_INLINE block up(block b) { return _mm_slli_si128(b, 8); }
PL_INLINE block down(block b) { return _mm_srli_si128(b, 8); }
/* The words have to be constants. */
#define multiply(a, i, b, j) _mm_clmulepi64_si128(a, b, (i) | (j) << 4)

#elif defined(PEERLANE_ARM64)

#include <arm_neon.h>

typedef uint64x2_t block;
PL_INLINE block make(const ghash_block *words) { return vld1q_u64(words->words); }
PL_INLINE void take(block b, ghash_block *words) { vst1q_u64(words->words, b); }
PL_INLINE block swap(block b) { return vextq_u64(b, b, 1); }
PL_INLINE block load_reversed(const uint8_t *p) { return swap(vreinterpretq_u64_u8(vrev64q_u8(vld1q_u8(p)))); }
PL_INLINE block add(block a, block b) { return veorq_u64(a, b); }
PL_INLINE block up(block b) { return vextq_u64(vdupq_n_u64(0), b, 1); }
PL_INLINE block down(block b) { return vextq_u64(b, vdupq_n_u64(0), 1); }
#define multiply(a, i, b, j) \
  vreinterpretq_u64_p128(vmull_p64((poly64_t)vgetq_lane_u64(a, i), (poly64_t)vgetq_lane_u64(b, j)))

#endif

#if defined(PEERLANE_X64) || defined(PEERLANE_ARM64)

#include "ghash_body.h"

void ghash_update_clmul(const ghash_block *key, ghash_block *hash, const uint8_t *data, size_t length) {
  update(key, hash, data, length);
}

#else

#include <stdlib.h>

void ghash_update_clmul(const ghash_block *key, ghash_block *hash, const uint8_t *data, size_t length) {
  (void)key, (void)hash, (void)data, (void)length;
  abort();
}

#endif
