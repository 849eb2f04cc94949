/* The text of every kernel. A file that includes this defines KERNEL, its name, WIDTH, what keccak_permute.h asks for,
 * and LOAD(words), STORE(words, lane), STORE_SOME(words, advance, lane) and MIX_BLOCK(inputs), which xors the next 136
 * bytes of each input into the lanes a0 to a16. */
#include "keccak_kernel.h"
#include "keccak_permute.h"

#define KECCAK_READ(i, lane) lane = LOAD(states + (i)*WIDTH);
#define KECCAK_MIX(i, lane) lane = XOR(lane, LOAD(block + (i)*WIDTH));
#define KECCAK_WRITE(i, lane) STORE_SOME(states + (i)*WIDTH, advance, lane);

static void step(uint64_t *states, const uint64_t *block, unsigned advance, uint64_t *digest) {
  KECCAK_LANES(a);
  KECCAK_LANES(e);
  KECCAK_EACH(KECCAK_READ, a)
  KECCAK_EACH_RATE(KECCAK_MIX, a)
  KECCAK_ROUNDS(a, e)
  STORE(digest, a0);
  STORE(digest + WIDTH, a1);
  if (advance == 0) return;
  KECCAK_EACH(KECCAK_WRITE, a)
}

static void absorb(uint64_t *states, const uint8_t *const *inputs, size_t blocks, unsigned advance) {
  const uint8_t *at[WIDTH];
  for (int l = 0; l < WIDTH; l++) at[l] = inputs[l];
  KECCAK_LANES(a);
  KECCAK_LANES(e);
  KECCAK_EACH(KECCAK_READ, a)
  for (; blocks > 0; blocks--) {
    MIX_BLOCK(at)
    for (int l = 0; l < WIDTH; l++) at[l] += 8 * KECCAK_RATE_WORDS;
    KECCAK_ROUNDS(a, e)
  }
  KECCAK_EACH(KECCAK_WRITE, a)
}

const keccak_kernel KERNEL = {WIDTH, step, absorb};
