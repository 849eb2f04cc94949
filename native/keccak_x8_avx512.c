/* Eight states, one in each 64-bit lane of 25 of the 32 registers. */
#include <immintrin.h>

#define KERNEL keccak_x8_avx512
#define WIDTH 8
#define LANE __m512i
#define XOR(a, b) _mm512_xor_si512(a, b)
#define XOR3(a, b, c) _mm512_ternarylogic_epi64(a, b, c, 0x96)
#define XOR5(a, b, c, d, e) XOR3(XOR3(a, b, c), d, e)
#define ROL(a, n) _mm512_rol_epi64(a, n)
#define CHI(a, b, c) _mm512_ternarylogic_epi64(a, b, c, 0xd2)
#define RC(word) _mm512_set1_epi64((long long)(word))
#define LOAD(words) _mm512_load_si512(words)
#define STORE(words, lane) _mm512_store_si512(words, lane)
#define STORE_SOME(words, advance, lane) _mm512_mask_store_epi64(words, (__mmask8)(advance), lane)

/* Turns eight rows of eight words into the eight words of each lane, and xors them in. */
#define MIX_8(at, offset, s0, s1, s2, s3, s4, s5, s6, s7)                                             \
  {                                                                                                   \
    const __m512i r0 = _mm512_loadu_si512(at[0] + (offset)), r1 = _mm512_loadu_si512(at[1] + (offset)); \
    const __m512i r2 = _mm512_loadu_si512(at[2] + (offset)), r3 = _mm512_loadu_si512(at[3] + (offset)); \
    const __m512i r4 = _mm512_loadu_si512(at[4] + (offset)), r5 = _mm512_loadu_si512(at[5] + (offset)); \
    const __m512i r6 = _mm512_loadu_si512(at[6] + (offset)), r7 = _mm512_loadu_si512(at[7] + (offset)); \
    const __m512i t0 = _mm512_unpacklo_epi64(r0, r1), t1 = _mm512_unpackhi_epi64(r0, r1);             \
    const __m512i t2 = _mm512_unpacklo_epi64(r2, r3), t3 = _mm512_unpackhi_epi64(r2, r3);             \
    const __m512i t4 = _mm512_unpacklo_epi64(r4, r5), t5 = _mm512_unpackhi_epi64(r4, r5);             \
    const __m512i t6 = _mm512_unpacklo_epi64(r6, r7), t7 = _mm512_unpackhi_epi64(r6, r7);             \
    const __m512i u0 = _mm512_shuffle_i64x2(t0, t2, 0x88), u1 = _mm512_shuffle_i64x2(t1, t3, 0x88);   \
    const __m512i u2 = _mm512_shuffle_i64x2(t0, t2, 0xdd), u3 = _mm512_shuffle_i64x2(t1, t3, 0xdd);   \
    const __m512i u4 = _mm512_shuffle_i64x2(t4, t6, 0x88), u5 = _mm512_shuffle_i64x2(t5, t7, 0x88);   \
    const __m512i u6 = _mm512_shuffle_i64x2(t4, t6, 0xdd), u7 = _mm512_shuffle_i64x2(t5, t7, 0xdd);   \
    s0 = XOR(s0, _mm512_shuffle_i64x2(u0, u4, 0x88)), s4 = XOR(s4, _mm512_shuffle_i64x2(u0, u4, 0xdd)); \
    s1 = XOR(s1, _mm512_shuffle_i64x2(u1, u5, 0x88)), s5 = XOR(s5, _mm512_shuffle_i64x2(u1, u5, 0xdd)); \
    s2 = XOR(s2, _mm512_shuffle_i64x2(u2, u6, 0x88)), s6 = XOR(s6, _mm512_shuffle_i64x2(u2, u6, 0xdd)); \
    s3 = XOR(s3, _mm512_shuffle_i64x2(u3, u7, 0x88)), s7 = XOR(s7, _mm512_shuffle_i64x2(u3, u7, 0xdd)); \
  }
#define WORD(at, l) (long long)pl_load64(at[l] + 128)
#define MIX_BLOCK(at)                                                                                          \
  MIX_8(at, 0, a0, a1, a2, a3, a4, a5, a6, a7)                                                                 \
  MIX_8(at, 64, a8, a9, a10, a11, a12, a13, a14, a15)                                                          \
  a16 = XOR(a16, _mm512_set_epi64(WORD(at, 7), WORD(at, 6), WORD(at, 5), WORD(at, 4), WORD(at, 3), WORD(at, 2), \
                                  WORD(at, 1), WORD(at, 0)));
#include "keccak_kernel_body.h"
