/* SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104): what handshakes need, a few blocks each. */
#ifndef PEERLANE_SHA256_H
#define PEERLANE_SHA256_H

#include "bytes.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  uint32_t words[8];
  uint8_t block[64];
  uint64_t length;
} sha256_state;

void sha256_init(sha256_state *state);
void sha256_update(sha256_state *state, const uint8_t *input, size_t length);
void sha256_final(sha256_state *state, uint8_t digest[32]);

typedef struct {
  sha256_state inner, outer;
} hmac_sha256_state;

/* Keys of at most 64 bytes. */
void hmac_sha256_init(hmac_sha256_state *state, const uint8_t *key, size_t length);
void hmac_sha256_update(hmac_sha256_state *state, const uint8_t *input, size_t length);
void hmac_sha256_final(hmac_sha256_state *state, uint8_t tag[32]);

#ifdef __cplusplus
}
#endif

#endif
