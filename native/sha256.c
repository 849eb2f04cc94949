#include "sha256.h"

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

#define ROR(x, n) ((x) >> (n) | (x) << (32 - (n)))
#define SUM0(x) (ROR(x, 2) ^ ROR(x, 13) ^ ROR(x, 22))
#define SUM1(x) (ROR(x, 6) ^ ROR(x, 11) ^ ROR(x, 25))
#define SIGMA0(x) (ROR(x, 7) ^ ROR(x, 18) ^ (x) >> 3)
#define SIGMA1(x) (ROR(x, 17) ^ ROR(x, 19) ^ (x) >> 10)

/* A round moves its eight words by one place; instead, the names move from round to round. */
#define ROUND(a, b, c, d, e, f, g, h, i)                                    \
  do {                                                                      \
    const uint32_t t = h + SUM1(e) + (g ^ (e & (f ^ g))) + K[i] + w[(i) % 16]; \
    d += t;                                                                 \
    h = t + SUM0(a) + ((a & b) | (c & (a | b)));                            \
  } while (0)

#define EIGHT_ROUNDS(i)                   \
  ROUND(a, b, c, d, e, f, g, h, (i));     \
  ROUND(h, a, b, c, d, e, f, g, (i) + 1); \
  ROUND(g, h, a, b, c, d, e, f, (i) + 2); \
  ROUND(f, g, h, a, b, c, d, e, (i) + 3); \
  ROUND(e, f, g, h, a, b, c, d, (i) + 4); \
  ROUND(d, e, f, g, h, a, b, c, (i) + 5); \
  ROUND(c, d, e, f, g, h, a, b, (i) + 6); \
  ROUND(b, c, d, e, f, g, h, a, (i) + 7)

static void compress(uint32_t state[8], const uint8_t *p) {
  uint32_t w[16];
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
  for (int i = 0; i < 16; i++) w[i] = pl_load32_be(p + 4 * i);
  EIGHT_ROUNDS(0);
  EIGHT_ROUNDS(8);
  for (int round = 16; round < 64; round += 16) {
    for (int i = 0; i < 16; i++) {
      w[i] += SIGMA1(w[(i + 14) % 16]) + w[(i + 9) % 16] + SIGMA0(w[(i + 1) % 16]);
    }
    EIGHT_ROUNDS(round);
    EIGHT_ROUNDS(round + 8);
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
  state[5] += f;
  state[6] += g;
  state[7] += h;
  pl_wipe(w, sizeof w);
}

void sha256_init(sha256_state *state) {
  static const uint32_t start[8] = {
      0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
  };
  memcpy(state->words, start, sizeof start);
  state->length = 0;
}

void sha256_update(sha256_state *state, const uint8_t *input, size_t length) {
  const size_t filled = state->length % 64;
  state->length += length;
  if (filled > 0) {
    const size_t room = 64 - filled;
    if (length < room) {
      memcpy(state->block + filled, input, length);
      return;
    }
    memcpy(state->block + filled, input, room);
    compress(state->words, state->block);
    input += room;
    length -= room;
  }
  for (; length >= 64; length -= 64, input += 64) compress(state->words, input);
  if (length > 0) memcpy(state->block, input, length);
}

void sha256_final(sha256_state *state, uint8_t digest[32]) {
  const uint64_t bits = state->length * 8;
  size_t filled = state->length % 64;
  state->block[filled++] = 0x80;
  if (filled > 56) {
    memset(state->block + filled, 0, 64 - filled);
    compress(state->words, state->block);
    filled = 0;
  }
  memset(state->block + filled, 0, 56 - filled);
  pl_store32_be(state->block + 56, (uint32_t)(bits >> 32));
  pl_store32_be(state->block + 60, (uint32_t)bits);
  compress(state->words, state->block);
  for (int i = 0; i < 8; i++) pl_store32_be(digest + 4 * i, state->words[i]);
  pl_wipe(state, sizeof *state);
}

void hmac_sha256_init(hmac_sha256_state *state, const uint8_t *key, size_t length) {
  uint8_t pad[64] = {0};
  memcpy(pad, key, length);
  for (int i = 0; i < 64; i++) pad[i] ^= 0x36;
  sha256_init(&state->inner);
  sha256_update(&state->inner, pad, sizeof pad);
  for (int i = 0; i < 64; i++) pad[i] ^= 0x36 ^ 0x5c;
  sha256_init(&state->outer);
  sha256_update(&state->outer, pad, sizeof pad);
  pl_wipe(pad, sizeof pad);
}

void hmac_sha256_update(hmac_sha256_state *state, const uint8_t *input, size_t length) {
  sha256_update(&state->inner, input, length);
}

void hmac_sha256_final(hmac_sha256_state *state, uint8_t tag[32]) {
  uint8_t inner[32];
  sha256_final(&state->inner, inner);
  sha256_update(&state->outer, inner, sizeof inner);
  sha256_final(&state->outer, tag);
  pl_wipe(inner, sizeof inner);
}
