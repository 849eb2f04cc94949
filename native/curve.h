/* secp256k1, on libsecp256k1. Public keys are x || y, 64 bytes; every function returns 1, or 0 for a bad input. */
#ifndef PEERLANE_CURVE_H
#define PEERLANE_CURVE_H

#include "bytes.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Name and version, for people. */
extern const char *const curve_library;

int curve_public_key(const uint8_t secret_key[32], uint8_t public_key[64]);
/* r || s || recovery id; the nonce follows RFC 6979, s lies in the lower half. */
int curve_sign(const uint8_t digest[32], const uint8_t secret_key[32], uint8_t signature[65]);
int curve_recover(const uint8_t digest[32], const uint8_t signature[65], uint8_t public_key[64]);
/* The x coordinate of the shared point. */
int curve_ecdh(const uint8_t secret_key[32], const uint8_t public_key[64], uint8_t x[32]);
/* The shared point: 2 if its y is even, else 3, and its x coordinate. */
int curve_shared_point(const uint8_t secret_key[32], const uint8_t public_key[64], uint8_t point[33]);
/* Whether r || s, with s in the lower half, is the key's signature of the digest. */
int curve_verify(const uint8_t digest[32], const uint8_t signature[64], const uint8_t public_key[64]);
/* 2 or 3, and the x coordinate. */
int curve_decompress(const uint8_t compressed[33], uint8_t public_key[64]);

#ifdef __cplusplus
}
#endif

#endif
