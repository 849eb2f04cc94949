/* A kernel whose lanes are 64-bit integers: the includer defines KERNEL. */
#define WIDTH 1
#define LANE uint64_t
#define XOR(a, b) ((a) ^ (b))
#define XOR5(a, b, c, d, e) ((a) ^ (b) ^ (c) ^ (d) ^ (e))
#define ROL(a, n) ((a) << (n) | (a) >> (64 - (n)))
#define CHI(a, b, c) ((a) ^ (~(b) & (c)))
#define RC(word) (word)
#define LOAD(words) (*(words))
#define STORE(words, lane) (*(words) = (lane))
#define STORE_SOME(words, advance, lane) ((void)(advance), *(words) = (lane))
#define MIX_WORD(i, lane) lane ^= pl_load64(at[0] + 8 * (i));
#define MIX_BLOCK(at) KECCAK_EACH_RATE(MIX_WORD, a)
#include "keccak_kernel_body.h"
