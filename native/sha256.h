/* SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104): what handshakes need, a few blocks each. */
#ifndef PEERLANE_SHA256_H
#define PEERLANE_SHA256_H

#include "bytes.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Takes so many blocks of 64 bytes into a state. */
typedef void sha256_compression(uint32_t words[8], const uint8_t *blocks, size_t count);

/* With the instructions that CPUs have for it, and without. */
sha256_compression sha256_compress_hardware, sha256_compress_portable;

extern const uint32_t sha256_constants[64];

/* Whether the CPU has them; chosen once, before anything else here is called. */
void sha256_select(int hardware);
/* What has been chosen. */
sha256_compression *sha256_selected(void);

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
