/* AES-128-GCM (NIST SP 800-38D) with nonces of 96 bits and tags of 128. Needs what aes.h needs. */
#ifndef PEERLANE_GCM_H
#define PEERLANE_GCM_H

#include "bytes.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GCM_NONCE 12
#define GCM_TAG 16

typedef struct {
  const uint8_t *data;
  size_t length;
} gcm_bytes;

/* Whether the CPU can multiply without carries; chosen once, before anything else here is called. */
void gcm_select(int clmul);

/* Ciphertext and tag; `sealed` has `plaintext.length + GCM_TAG` bytes, apart from all else. */
void gcm_seal(const uint8_t key[16], const uint8_t nonce[GCM_NONCE], gcm_bytes plaintext, gcm_bytes auth_data,
              uint8_t *sealed);
/* Whether the tag is right; only then is anything written to `plaintext`, which has `sealed.length - GCM_TAG` bytes.
 * `sealed` has at least a tag. */
int gcm_open(const uint8_t key[16], const uint8_t nonce[GCM_NONCE], gcm_bytes sealed, gcm_bytes auth_data,
             uint8_t *plaintext);

#ifdef __cplusplus
}
#endif

#endif
