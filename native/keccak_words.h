/* A tier whose lanes are 64-bit integers: the includer defines ABSORB, the name of the function. */
#include "keccak_tier.h"

#define LANE uint64_t
#define XOR(a, b) ((a) ^ (b))
#define XOR5(a, b, c, d, e) ((a) ^ (b) ^ (c) ^ (d) ^ (e))
#define ROL(a, n) ((a) << (n) | (a) >> (64 - (n)))
#define CHI(a, b, c) ((a) ^ (~(b) & (c)))
#define RC(word) (word)
#include "keccak_permute.h"

#define READ(i, lane) lane = state[i];
#define WRITE(i, lane) state[i] = lane;
#define MIX(i, lane) lane ^= pl_load64(input + 8 * i);

void ABSORB(uint64_t state[25], const uint8_t *input, size_t blocks) {
  KECCAK_LANES(a);
  KECCAK_LANES(e);
  KECCAK_EACH(READ, a)
  for (; blocks > 0; blocks--, input += 136) {
    KECCAK_EACH_RATE(MIX, a)
    KECCAK_ROUNDS(a, e)
  }
  KECCAK_EACH(WRITE, a)
}
