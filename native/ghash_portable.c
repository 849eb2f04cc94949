#include "ghash.h"

typedef ghash_block block;
PL_INLINE block make(const ghash_block *words) { return *words; }
PL_INLINE void take(block b, ghash_block *words) { *words = b; }
PL_INLINE block load_reversed(const uint8_t *p) {
  const uint64_t high = (uint64_t)pl_load32_be(p) << 32 | pl_load32_be(p + 4);
  const uint64_t low = (uint64_t)pl_load32_be(p + 8) << 32 | pl_load32_be(p + 12);
  return (block){{low, high}};
}
PL_INLINE block add(block a, block b) { return (block){{a.words[0] ^ b.words[0], a.words[1] ^ b.words[1]}}; }
PL_INLINE block swap(block b) { return (block){{b.words[1], b.words[0]}}; }
PL_INLINE block up(block b) { return (block){{0, b.words[0]}}; }
PL_INLINE block down(block b) { return (block){{b.words[1], 0}}; }
/* Every bit takes the same time, whatever it is. */
PL_INLINE block multiply(block a, int i, block b, int j) {
  const uint64_t x = a.words[i], y = b.words[j];
  uint64_t low = x & (0 - (y & 1)), high = 0;
  for (int bit = 1; bit < 64; bit++) {
    const uint64_t mask = 0 - (y >> bit & 1);
    low ^= x << bit & mask;
    high ^= x >> (64 - bit) & mask;
  }
  return (block){{low, high}};
}

#include "ghash_body.h"

void ghash_update_portable(const ghash_block *key, ghash_block *hash, const uint8_t *data, size_t length) {
  update(key, hash, data, length);
}

/* RFC 8452, appendix A: the bytes in reverse, times x. */
ghash_block ghash_key(const uint8_t h[16]) {
  const block b = load_reversed(h);
  const uint64_t carry = 0 - (b.words[1] >> 63);
  return (block){{b.words[0] << 1 ^ (carry & 1), (b.words[1] << 1 | b.words[0] >> 63) ^ (carry & MIDDLE)}};
}

void ghash_result(const ghash_block *hash, uint8_t result[16]) {
  for (int i = 0; i < 16; i++) result[i] = (uint8_t)(hash->words[i < 8] >> (8 * (7 - i % 8)));
}
