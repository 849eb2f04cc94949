#include "cpu.h"
#include "sha256.h"

#if defined(PEERLANE_X64)

#include <immintrin.h>

typedef __m128i words;
/* As the instructions want them: a, b, e, f and c, d, g, h, the first in the highest word. */
typedef struct {
  words abef, cdgh;
} halves;

PL_INLINE words load(const uint32_t *p) { return _mm_loadu_si128((const __m128i *)p); }
PL_INLINE void store(uint32_t *p, words w) { _mm_storeu_si128((__m128i *)p, w); }
PL_INLINE words load_be(const uint8_t *p) {
  const __m128i order = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
  return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)p), order);
}
PL_INLINE words add(words a, words b) { return _mm_add_epi32(a, b); }
PL_INLINE halves add_halves(halves a, halves b) {
  return (halves){add(a.abef, b.abef), add(a.cdgh, b.cdgh)};
}
PL_INLINE halves make(const uint32_t state[8]) {
  const words cdab = _mm_shuffle_epi32(load(state), 0xb1), efgh = _mm_shuffle_epi32(load(state + 4), 0x1b);
  return (halves){_mm_alignr_epi8(cdab, efgh, 8), _mm_blend_epi16(efgh, cdab, 0xf0)};
}
PL_INLINE void take(halves h, uint32_t state[8]) {
  const words feba = _mm_shuffle_epi32(h.abef, 0x1b), dchg = _mm_shuffle_epi32(h.cdgh, 0xb1);
  store(state, _mm_blend_epi16(feba, dchg, 0xf0));
  store(state + 4, _mm_alignr_epi8(dchg, feba, 8));
}
/* Four rounds; `w` has the constants added. */
PL_INLINE halves rounds(halves h, words w) {
  h.cdgh = _mm_sha256rnds2_epu32(h.cdgh, h.abef, w);
  h.abef = _mm_sha256rnds2_epu32(h.abef, h.cdgh, _mm_shuffle_epi32(w, 0x0e));
  return h;
}
/* The four words that follow sixteen. */
PL_INLINE words schedule(words w0, words w1, words w2, words w3) {
  return _mm_sha256msg2_epu32(add(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4)), w3);
}

#elif defined(PEERLANE_ARM64)

#include <arm_neon.h>

typedef uint32x4_t words;
typedef struct {
  words abcd, efgh;
} halves;

PL_INLINE words load(const uint32_t *p) { return vld1q_u32(p); }
PL_INLINE words load_be(const uint8_t *p) { return vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(p))); }
PL_INLINE words add(words a, words b) { return vaddq_u32(a, b); }
PL_INLINE halves add_halves(halves a, halves b) {
  return (halves){add(a.abcd, b.abcd), add(a.efgh, b.efgh)};
}
PL_INLINE halves make(const uint32_t state[8]) { return (halves){load(state), load(state + 4)}; }
PL_INLINE void take(halves h, uint32_t state[8]) {
  vst1q_u32(state, h.abcd);
  vst1q_u32(state + 4, h.efgh);
}
PL_INLINE halves rounds(halves h, words w) {
  return (halves){vsha256hq_u32(h.abcd, h.efgh, w), vsha256h2q_u32(h.efgh, h.abcd, w)};
}
PL_INLINE words schedule(words w0, words w1, words w2, words w3) {
  return vsha256su1q_u32(vsha256su0q_u32(w0, w1), w2, w3);
}

#endif

#if defined(PEERLANE_X64) || defined(PEERLANE_ARM64)

void sha256_compress_hardware(uint32_t state[8], const uint8_t *blocks, size_t count) {
  halves sum = make(state);
  for (size_t block = 0; block < count; block++, blocks += 64) {
    words w0 = load_be(blocks), w1 = load_be(blocks + 16), w2 = load_be(blocks + 32), w3 = load_be(blocks + 48);
    halves h = sum;
    for (const uint32_t *k = sha256_constants;; k += 16) {
      h = rounds(h, add(w0, load(k)));
      h = rounds(h, add(w1, load(k + 4)));
      h = rounds(h, add(w2, load(k + 8)));
      h = rounds(h, add(w3, load(k + 12)));
      if (k == sha256_constants + 48) break;
      w0 = schedule(w0, w1, w2, w3);
      w1 = schedule(w1, w2, w3, w0);
      w2 = schedule(w2, w3, w0, w1);
      w3 = schedule(w3, w0, w1, w2);
    }
    sum = add_halves(sum, h);
  }
  take(sum, state);
}

#else

void sha256_compress_hardware(uint32_t state[8], const uint8_t *blocks, size_t count) {
  sha256_compress_portable(state, blocks, count);
}

#endif
