#include "aes.h"

#include "cpu.h"

/* How many blocks are under way at once: an AES instruction takes several cycles, but one or two start in each. */
#define WIDE 8
#define NARROW 2
/* Bytes from which the wider registers are worth it. */
#define VAES_FROM 64

#if defined(PEERLANE_X64)

#include <immintrin.h>

typedef __m128i block;
PL_INLINE block load(const uint8_t *p) { return _mm_loadu_si128((const __m128i *)p); }
PL_INLINE void store(uint8_t *p, block b) { _mm_storeu_si128((__m128i *)p, b); }
PL_INLINE block xor_blocks(block a, block b) { return _mm_xor_si128(a, b); }
PL_INLINE uint32_t sub_word(uint32_t w) {
  return (uint32_t)_mm_cvtsi128_si32(_mm_aeskeygenassist_si128(_mm_set1_epi32((int)w), 0));
}
PL_INLINE block counter_block(uint64_t high, uint64_t low) {
  const block reverse = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return _mm_shuffle_epi8(_mm_set_epi64x((long long)high, (long long)low), reverse);
}
PL_INLINE void encrypt(block *b, int count, const aes_key *key, int rounds) {
  block k = load(key->round_keys[0]);
  for (int i = 0; i < count; i++) b[i] = _mm_xor_si128(b[i], k);
  for (int r = 1; r < rounds; r++) {
    k = load(key->round_keys[r]);
    for (int i = 0; i < count; i++) b[i] = _mm_aesenc_si128(b[i], k);
  }
  k = load(key->round_keys[rounds]);
  for (int i = 0; i < count; i++) b[i] = _mm_aesenclast_si128(b[i], k);
}

#elif defined(PEERLANE_ARM64)

#include <arm_neon.h>

typedef uint8x16_t block;
PL_INLINE block load(const uint8_t *p) { return vld1q_u8(p); }
PL_INLINE void store(uint8_t *p, block b) { vst1q_u8(p, b); }
PL_INLINE block xor_blocks(block a, block b) { return veorq_u8(a, b); }
/* With four equal columns ShiftRows changes nothing, which leaves SubBytes. */
PL_INLINE uint32_t sub_word(uint32_t w) {
  return vgetq_lane_u32(vreinterpretq_u32_u8(vaeseq_u8(vreinterpretq_u8_u32(vdupq_n_u32(w)), vdupq_n_u8(0))), 0);
}
PL_INLINE block counter_block(uint64_t high, uint64_t low) {
  return vrev64q_u8(vreinterpretq_u8_u64(vcombine_u64(vcreate_u64(high), vcreate_u64(low))));
}
PL_INLINE void encrypt(block *b, int count, const aes_key *key, int rounds) {
  block k;
  for (int r = 0; r < rounds - 1; r++) {
    k = load(key->round_keys[r]);
    for (int i = 0; i < count; i++) b[i] = vaesmcq_u8(vaeseq_u8(b[i], k));
  }
  k = load(key->round_keys[rounds - 1]);
  const block last = load(key->round_keys[rounds]);
  for (int i = 0; i < count; i++) b[i] = veorq_u8(vaeseq_u8(b[i], k), last);
}

#else

#include <stdlib.h>

typedef struct {
  uint8_t bytes[16];
} block;
PL_INLINE block load(const uint8_t *p) {
  (void)p;
  abort();
}
PL_INLINE void store(uint8_t *p, block b) {
  (void)p, (void)b;
  abort();
}
PL_INLINE block xor_blocks(block a, block b) {
  (void)a, (void)b;
  abort();
}
PL_INLINE uint32_t sub_word(uint32_t w) {
  (void)w;
  abort();
}
PL_INLINE block counter_block(uint64_t high, uint64_t low) {
  (void)high, (void)low;
  abort();
}
PL_INLINE void encrypt(block *b, int count, const aes_key *key, int rounds) {
  (void)b, (void)count, (void)key, (void)rounds;
  abort();
}

#endif

/* FIPS 197, section 5.2; words are little-endian here, so that RotWord turns the other way. */
static void expand(aes_key *key, const uint8_t *secret, size_t words, int rounds) {
  uint8_t *keys = key->round_keys[0];
  uint32_t constant = 1;
  key->rounds = rounds;
  memcpy(keys, secret, 4 * words);
  for (size_t i = words; i < 4 * ((size_t)rounds + 1); i++) {
    uint32_t w = pl_load32(keys + 4 * (i - 1));
    if (i % words == 0) {
      w = sub_word(w);
      w = (w >> 8 | w << 24) ^ constant;
      constant = constant << 1 ^ (constant & 0x80 ? 0x11b : 0);
    } else if (words == 8 && i % words == 4) {
      w = sub_word(w);
    }
    w ^= pl_load32(keys + 4 * (i - words));
    memcpy(keys + 4 * i, &w, 4);
  }
}

void aes256_expand(aes_key *key, const uint8_t secret[32]) { expand(key, secret, 8, 14); }

void aes128_expand(aes_key *key, const uint8_t secret[16]) { expand(key, secret, 4, 10); }

aes_counter aes_counter_from(const uint8_t iv[16]) {
  aes_counter counter;
  counter.high = (uint64_t)pl_load32_be(iv) << 32 | pl_load32_be(iv + 4);
  counter.low = (uint64_t)pl_load32_be(iv + 8) << 32 | pl_load32_be(iv + 12);
  return counter;
}

void aes256_encrypt_block(const aes_key *key, const uint8_t input[16], uint8_t output[16]) {
  block b = load(input);
  encrypt(&b, 1, key, 14);
  store(output, b);
}

PL_INLINE block next_block(aes_counter *counter) {
  const block b = counter_block(counter->high, counter->low);
  counter->low++;
  counter->high += counter->low == 0;
  return b;
}

PL_INLINE void ctr(const aes_key *key, aes_counter *counter, const uint8_t *input, uint8_t *output, size_t length,
                int rounds) {
  block b[WIDE];
  for (; length >= 16 * WIDE; length -= 16 * WIDE, input += 16 * WIDE, output += 16 * WIDE) {
    for (int i = 0; i < WIDE; i++) b[i] = next_block(counter);
    encrypt(b, WIDE, key, rounds);
    for (int i = 0; i < WIDE; i++) store(output + 16 * i, xor_blocks(load(input + 16 * i), b[i]));
  }
  for (; length >= 16 * NARROW; length -= 16 * NARROW, input += 16 * NARROW, output += 16 * NARROW) {
    for (int i = 0; i < NARROW; i++) b[i] = next_block(counter);
    encrypt(b, NARROW, key, rounds);
    for (int i = 0; i < NARROW; i++) store(output + 16 * i, xor_blocks(load(input + 16 * i), b[i]));
  }
  for (; length >= 16; length -= 16, input += 16, output += 16) {
    b[0] = next_block(counter);
    encrypt(b, 1, key, rounds);
    store(output, xor_blocks(load(input), b[0]));
  }
  if (length > 0) {
    uint8_t stream[16];
    b[0] = next_block(counter);
    encrypt(b, 1, key, rounds);
    store(stream, b[0]);
    for (size_t i = 0; i < length; i++) output[i] = input[i] ^ stream[i];
    pl_wipe(stream, sizeof stream);
  }
}

static int use_vaes = 0;

void aes_select(int vaes) { use_vaes = vaes; }

void aes_ctr(const aes_key *key, aes_counter *counter, const uint8_t *input, uint8_t *output, size_t length) {
#if defined(PEERLANE_X64)
  if (use_vaes && length >= VAES_FROM) {
    const size_t done = aes_ctr_vaes(key, counter, input, output, length);
    length -= done;
    input += done;
    output += done;
  }
#endif
  /* Constant round numbers let the compiler unroll. */
  if (key->rounds == 14) {
    ctr(key, counter, input, output, length, 14);
  } else {
    ctr(key, counter, input, output, length, 10);
  }
}
