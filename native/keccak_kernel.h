/* What an instruction set provides for Keccak: the permutation on `width` states side by side. Word i of state l lies at
 * index i * width + l, in memory aligned to KECCAK_ALIGN. keccak.c chooses a kernel at run time. */
#ifndef PEERLANE_KECCAK_KERNEL_H
#define PEERLANE_KECCAK_KERNEL_H

#include "bytes.h"

#define KECCAK_WORDS 25
#define KECCAK_RATE_WORDS 17
#define KECCAK_MAX_WIDTH 8
#if defined(_MSC_VER) && !defined(__clang__)
#define KECCAK_ALIGNED __declspec(align(64))
#else
#define KECCAK_ALIGNED __attribute__((aligned(64)))
#endif

typedef struct {
  unsigned width;
  /* Permutes the states xored with `block`, which has 17 words for each. The first two words of the results go to
   * `digest`; the states whose bit is set in `advance` become the results, the others stay as they were. */
  void (*step)(uint64_t *states, const uint64_t *block, unsigned advance, uint64_t *digest);
  /* Absorbs `blocks` blocks of 136 bytes from each of `inputs`, all of which can be read, into the states whose bit is
   * set in `advance`. */
  void (*absorb)(uint64_t *states, const uint8_t *const *inputs, size_t blocks, unsigned advance);
} keccak_kernel;

extern const keccak_kernel keccak_scalar, keccak_bmi2, keccak_avx512vl;
extern const keccak_kernel keccak_x4_avx2, keccak_x4_avx512vl, keccak_x8_avx512, keccak_x2_neon;

#endif
