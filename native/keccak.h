/* Keccak-256 as Ethereum uses it: the sponge of FIPS 202 with rate 136 and the original padding byte 0x01. */
#ifndef PEERLANE_KECCAK_H
#define PEERLANE_KECCAK_H

#include "keccak_kernel.h"

#ifdef __cplusplus
extern "C" {
#endif

#define KECCAK_RATE 136
#define KECCAK_DIGEST 32

typedef struct {
  uint64_t words[KECCAK_WORDS];
  /* Bytes of the current block that are in the state already, below KECCAK_RATE. */
  size_t filled;
} keccak_state;

/* Chooses the fastest tier that this CPU has, or the one named. Returns its name; NULL if there is no tier of that
 * name or the CPU lacks it. Must have been called before anything else here. */
const char *keccak_select(const char *name);
/* The names that `keccak_select` knows on this architecture, for an error message. */
extern const char *const keccak_tiers;

/* The kernel for one state, and the one that is fastest for `states` of them. */
const keccak_kernel *keccak_single(void);
const keccak_kernel *keccak_for(size_t states);

void keccak_init(keccak_state *state);
void keccak_update(keccak_state *state, const uint8_t *input, size_t length);
/* The digest of what was absorbed so far; the state stays as it is, so that a running MAC goes on. */
void keccak_digest(const keccak_state *state, uint8_t digest[KECCAK_DIGEST]);

#ifdef __cplusplus
}
#endif

#endif
