/* Packets of discovery v4 (discv4.md, "Wire Protocol"): hash (32) || signature (65) || content. */
#ifndef PEERLANE_ENVELOPE_H
#define PEERLANE_ENVELOPE_H

#include "bytes.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ENVELOPE_HEAD (32 + 65)
/* What the opening of one gives: 1 and a public key, or 0. */
#define ENVELOPE_OPENED (1 + 64)

typedef struct {
  const uint8_t *bytes;
  size_t length;
} envelope_bytes;

/* Who signed the content. Returns 0 for a signature that is none, or that has s in the upper half. The hash is not
 * looked at. `envelope` is at least ENVELOPE_HEAD long. */
int envelope_open(envelope_bytes envelope, uint8_t public_key[64]);
/* Writes content.length + ENVELOPE_HEAD bytes. Returns 0 for a bad key. */
int envelope_seal(envelope_bytes content, const uint8_t secret_key[32], uint8_t *envelope);

/* Opens the first `opens` of the inputs, which lie one behind another, and seals the others: ENVELOPE_OPENED bytes for
 * each of the ones, then the envelopes of the others, all one behind another. Returns 0 for a bad key. */
int envelopes_work(const uint8_t *inputs, const uint32_t *lengths, size_t count, size_t opens,
                   const uint8_t secret_key[32], uint8_t *out);

#ifdef __cplusplus
}
#endif

#endif
