/* AES (FIPS 197) on the CPU's own instructions. There is no table version: its timing would depend on the key.
 * Where `cpu_features` lacks CPU_AES nothing here may be called. */
#ifndef PEERLANE_AES_H
#define PEERLANE_AES_H

#include "bytes.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  uint8_t round_keys[15][16];
  int rounds;
} aes_key;

/* The counter block of CTR mode (NIST SP 800-38A): a 128-bit big-endian integer, in two halves. */
typedef struct {
  uint64_t high, low;
} aes_counter;

/* Whether four blocks may go through one instruction; chosen once, before anything else here is called. */
void aes_select(int vaes);

void aes256_expand(aes_key *key, const uint8_t secret[32]);
void aes128_expand(aes_key *key, const uint8_t secret[16]);
aes_counter aes_counter_from(const uint8_t iv[16]);

void aes256_encrypt_block(const aes_key *key, const uint8_t input[16], uint8_t output[16]);
/* Encrypts or decrypts `length` bytes; the two may be the same memory. The counter moves on by whole blocks, so
 * that only the last call on a stream may have a length that is not a multiple of 16. */
void aes_ctr(const aes_key *key, aes_counter *counter, const uint8_t *input, uint8_t *output, size_t length);

/* The part of `aes_ctr` that VAES does, from the start on; the bytes done, which are whole blocks. */
size_t aes_ctr_vaes(const aes_key *key, aes_counter *counter, const uint8_t *input, uint8_t *output, size_t length);

#ifdef __cplusplus
}
#endif

#endif
