/* ECIES of RLPx (rlpx.md, "ECIES Encryption"): R || iv || c || d. */
#ifndef PEERLANE_ECIES_H
#define PEERLANE_ECIES_H

#include "bytes.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ECIES_OVERHEAD (65 + 16 + 32)

typedef struct {
  const uint8_t *bytes;
  size_t length;
} ecies_bytes;

/* Writes plaintext.length + ECIES_OVERHEAD bytes to `packet`. Returns 0 for a bad key. */
int ecies_encrypt(const uint8_t public_key[64], const uint8_t ephemeral_key[32], const uint8_t iv[16],
                  ecies_bytes plaintext, ecies_bytes auth_data, uint8_t *packet);
/* Writes packet.length - ECIES_OVERHEAD bytes to `plaintext`. Returns 0, having written nothing, unless prefix,
 * point and tag are right. `packet` is at least ECIES_OVERHEAD long. */
int ecies_decrypt(const uint8_t secret_key[32], ecies_bytes packet, ecies_bytes auth_data, uint8_t *plaintext);

#ifdef __cplusplus
}
#endif

#endif
