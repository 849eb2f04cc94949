/* GHASH over a multiplication without carries, which the file that includes this has defined, as
 *
 *   block              two words of 64 bits
 *   make, take         from and to a `ghash_block`
 *   load_reversed      sixteen bytes, the last one first
 *   add, swap, up, down   bits; the two words; the low word to the upper place, and the reverse
 *   multiply(a, i, b, j)   word i of a and word j of b
 *
 * The bits of GHASH are in the reverse of their order in memory. So it is reckoned as POLYVAL, on bytes in reverse (RFC 8452,
 * appendix A): the product of two blocks is divided by x^128, modulo x^128 + x^127 + x^126 + x^121 + 1. The middle terms of
 * that, as bits of the upper word of x^127 to x^64: */
#define MIDDLE 0xc200000000000000u

/* Each of the two steps adds the multiple of the modulus that makes the lowest word zero, and drops that. */
PL_INLINE block reduce(block low, block high, block middle) {
  low = add(swap(low), multiply(low, 0, middle, 0));
  low = add(swap(low), multiply(low, 0, middle, 0));
  return add(low, high);
}

PL_INLINE block product(block a, block b, block middle) {
  const block cross = add(multiply(a, 0, b, 1), multiply(a, 1, b, 0));
  const block low = add(multiply(a, 0, b, 0), up(cross));
  const block high = add(multiply(a, 1, b, 1), down(cross));
  return reduce(low, high, middle);
}

PL_INLINE void update(const ghash_block *key, ghash_block *hash, const uint8_t *data, size_t length) {
  const ghash_block modulus = {{MIDDLE, 0}};
  const block k = make(key), middle = make(&modulus);
  block h = make(hash);
  for (; length >= 16; length -= 16, data += 16) h = product(add(h, load_reversed(data)), k, middle);
  if (length > 0) {
    uint8_t last[16] = {0};
    memcpy(last, data, length);
    h = product(add(h, load_reversed(last)), k, middle);
  }
  take(h, hash);
}
