/* What an instruction tier of Keccak provides; keccak.c chooses one at run time. */
#ifndef PEERLANE_KECCAK_TIER_H
#define PEERLANE_KECCAK_TIER_H

#include "bytes.h"

/* Absorbs `blocks` blocks of 136 bytes: each is xored into the state, which is then permuted. */
typedef void (*keccak_absorb_blocks)(uint64_t state[25], const uint8_t *input, size_t blocks);

void keccak_absorb_scalar(uint64_t state[25], const uint8_t *input, size_t blocks);
void keccak_absorb_bmi2(uint64_t state[25], const uint8_t *input, size_t blocks);
void keccak_absorb_avx512vl(uint64_t state[25], const uint8_t *input, size_t blocks);

#endif
