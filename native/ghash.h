/* GHASH, the universal hash of GCM (NIST SP 800-38D, section 6.4). */
#ifndef PEERLANE_GHASH_H
#define PEERLANE_GHASH_H

#include "bytes.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A key or a running hash: two words, the low one first. */
typedef struct {
  uint64_t words[2];
} ghash_block;

/* Absorbs `length` bytes, and zeros up to a whole block behind them. */
typedef void ghash_update_function(const ghash_block *key, ghash_block *hash, const uint8_t *data, size_t length);

/* With the instruction of the CPU that multiplies without carries, and without: in constant time, and slowly. */
ghash_update_function ghash_update_clmul, ghash_update_portable;

/* The key of a hash key H as it is multiplied with here. */
ghash_block ghash_key(const uint8_t h[16]);
void ghash_result(const ghash_block *hash, uint8_t result[16]);

#ifdef __cplusplus
}
#endif

#endif
