/* Four states in 256-bit registers; the includer defines what the two instruction sets do differently. */
#include <immintrin.h>

#define WIDTH 4
#define LANE __m256i
#define XOR(a, b) _mm256_xor_si256(a, b)
#define RC(word) _mm256_set1_epi64x((long long)(word))
#define LOAD(words) _mm256_load_si256((const __m256i *)(words))
#define STORE(words, lane) _mm256_store_si256((__m256i *)(words), lane)

/* Turns four rows of four words into the four words of each lane, and xors them in. */
#define ROW(at, l, offset) _mm256_loadu_si256((const __m256i *)(at[l] + (offset)))
#define MIX_4(at, offset, s0, s1, s2, s3)                                             \
  {                                                                                   \
    const __m256i r0 = ROW(at, 0, offset), r1 = ROW(at, 1, offset);                   \
    const __m256i r2 = ROW(at, 2, offset), r3 = ROW(at, 3, offset);                   \
    const __m256i t0 = _mm256_unpacklo_epi64(r0, r1), t1 = _mm256_unpackhi_epi64(r0, r1); \
    const __m256i t2 = _mm256_unpacklo_epi64(r2, r3), t3 = _mm256_unpackhi_epi64(r2, r3); \
    s0 = XOR(s0, _mm256_permute2x128_si256(t0, t2, 0x20));                            \
    s1 = XOR(s1, _mm256_permute2x128_si256(t1, t3, 0x20));                            \
    s2 = XOR(s2, _mm256_permute2x128_si256(t0, t2, 0x31));                            \
    s3 = XOR(s3, _mm256_permute2x128_si256(t1, t3, 0x31));                            \
  }
#define WORD(at, l) (long long)pl_load64(at[l] + 128)
#define MIX_BLOCK(at)                   \
  MIX_4(at, 0, a0, a1, a2, a3)          \
  MIX_4(at, 32, a4, a5, a6, a7)         \
  MIX_4(at, 64, a8, a9, a10, a11)       \
  MIX_4(at, 96, a12, a13, a14, a15)     \
  a16 = XOR(a16, _mm256_set_epi64x(WORD(at, 3), WORD(at, 2), WORD(at, 1), WORD(at, 0)));
#include "keccak_kernel_body.h"
