/* Two states in 128-bit registers; every arm64 has these. */
#include <arm_neon.h>

#define KERNEL keccak_x2_neon
#define WIDTH 2
#define LANE uint64x2_t
#define XOR(a, b) veorq_u64(a, b)
#define XOR5(a, b, c, d, e) XOR(XOR(XOR(a, b), XOR(c, d)), e)
#define ROL(a, n) vsliq_n_u64(vshrq_n_u64(a, 64 - (n)), a, n)
#define CHI(a, b, c) XOR(a, vbicq_u64(c, b))
#define RC(word) vdupq_n_u64(word)
#define LOAD(words) vld1q_u64(words)
#define STORE(words, lane) vst1q_u64(words, lane)
#define STORE_SOME(words, advance, lane)             \
  {                                                  \
    if ((advance)&1) vst1q_lane_u64(words, lane, 0); \
    if ((advance)&2) vst1q_lane_u64((words) + 1, lane, 1); \
  }
#define ROW(at, l, i) vreinterpretq_u64_u8(vld1q_u8(at[l] + 8 * (i)))
#define MIX_2(at, i, s0, s1)                                       \
  {                                                                \
    const uint64x2_t r0 = ROW(at, 0, i), r1 = ROW(at, 1, i);       \
    s0 = XOR(s0, vtrn1q_u64(r0, r1)), s1 = XOR(s1, vtrn2q_u64(r0, r1)); \
  }
#define MIX_BLOCK(at)                                                                   \
  MIX_2(at, 0, a0, a1)                                                                  \
  MIX_2(at, 2, a2, a3)                                                                  \
  MIX_2(at, 4, a4, a5)                                                                  \
  MIX_2(at, 6, a6, a7)                                                                  \
  MIX_2(at, 8, a8, a9)                                                                  \
  MIX_2(at, 10, a10, a11)                                                               \
  MIX_2(at, 12, a12, a13)                                                               \
  MIX_2(at, 14, a14, a15)                                                               \
  a16 = XOR(a16, vcombine_u64(vcreate_u64(pl_load64(at[0] + 128)), vcreate_u64(pl_load64(at[1] + 128))));
#include "keccak_kernel_body.h"
