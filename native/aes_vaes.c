/* CTR mode with four blocks to an instruction. */
#include <immintrin.h>

#include "aes.h"

/* Registers under way at once, each with four blocks. */
#define WIDE 8

static __m512i load_key(const aes_key *key, int round) {
  return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)key->round_keys[round]));
}

#define EACH for (int i = 0; i < count; i++)

PL_INLINE __m512i run(const aes_key *key, __m512i counters, const uint8_t *input, uint8_t *output, int count,
                      int rounds) {
  const __m512i reverse = _mm512_broadcast_i32x4(_mm_set_epi8(8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  const __m512i four = _mm512_set_epi64(4, 0, 4, 0, 4, 0, 4, 0);
  __m512i b[WIDE];
  __m512i k = load_key(key, 0);
  EACH {
    b[i] = _mm512_xor_si512(_mm512_shuffle_epi8(counters, reverse), k);
    counters = _mm512_add_epi64(counters, four);
  }
  for (int r = 1; r < rounds; r++) {
    k = load_key(key, r);
    EACH b[i] = _mm512_aesenc_epi128(b[i], k);
  }
  k = load_key(key, rounds);
  EACH b[i] = _mm512_aesenclast_epi128(b[i], k);
  EACH _mm512_storeu_si512(output + 64 * i, _mm512_xor_si512(b[i], _mm512_loadu_si512(input + 64 * i)));
  return counters;
}

PL_INLINE size_t ctr(const aes_key *key, aes_counter *counter, const uint8_t *input, uint8_t *output, size_t length,
                     int rounds) {
  const long long high = (long long)counter->high, low = (long long)counter->low;
  __m512i counters = _mm512_set_epi64(low + 3, high, low + 2, high, low + 1, high, low, high);
  size_t done = 0;
  for (; length - done >= 64 * WIDE; done += 64 * WIDE) {
    counters = run(key, counters, input + done, output + done, WIDE, rounds);
  }
  for (; length - done >= 64; done += 64) counters = run(key, counters, input + done, output + done, 1, rounds);
  counter->low += done / 16;
  return done;
}

size_t aes_ctr_vaes(const aes_key *key, aes_counter *counter, const uint8_t *input, uint8_t *output, size_t length) {
  /* A carry between the halves is left to the other path: it comes once in 2^64 blocks. */
  if (counter->low > UINT64_MAX - (length / 16 + 4)) return 0;
  return key->rounds == 14 ? ctr(key, counter, input, output, length, 14)
                           : ctr(key, counter, input, output, length, 10);
}
