#include "sha256.h"

static sha256_compression *compress = sha256_compress_portable;

void sha256_select(int hardware) { compress = hardware ? sha256_compress_hardware : sha256_compress_portable; }

sha256_compression *sha256_selected(void) { return compress; }

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
    compress(state->words, state->block, 1);
    input += room;
    length -= room;
  }
  const size_t whole = length / 64, rest = length % 64;
  if (whole > 0) compress(state->words, input, whole);
  if (rest > 0) memcpy(state->block, input + 64 * whole, rest);
}

void sha256_final(sha256_state *state, uint8_t digest[32]) {
  const uint64_t bits = state->length * 8;
  size_t filled = state->length % 64;
  state->block[filled++] = 0x80;
  if (filled > 56) {
    memset(state->block + filled, 0, 64 - filled);
    compress(state->words, state->block, 1);
    filled = 0;
  }
  memset(state->block + filled, 0, 56 - filled);
  pl_store32_be(state->block + 56, (uint32_t)(bits >> 32));
  pl_store32_be(state->block + 60, (uint32_t)bits);
  compress(state->words, state->block, 1);
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
