/* Keccak-f[1600] (FIPS 202, section 3) as a macro over the type of a lane, so that one text serves every
 * instruction set, and later several states side by side. A file that includes this defines LANE and, over it,
 * XOR(a, b), XOR5(a, b, c, d, e), ROL(a, n), CHI(a, b, c) = a ^ (~b & c) and RC(word). */

#if defined(__GNUC__) && !defined(__clang__)
/* The rounds fill every register; GCC's scheduler moves loads away from their uses and makes it spill. */
#pragma GCC optimize("no-schedule-insns2")
#endif

static const uint64_t KECCAK_RC[24] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b,
    0x0000000080000001, 0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088,
    0x0000000080008009, 0x000000008000000a, 0x000000008000808b, 0x800000000000008b, 0x8000000000008089,
    0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

#define KECCAK_LANES(S)                                                                                      \
  LANE S##0, S##1, S##2, S##3, S##4, S##5, S##6, S##7, S##8, S##9, S##10, S##11, S##12, S##13, S##14, S##15, \
      S##16, S##17, S##18, S##19, S##20, S##21, S##22, S##23, S##24

/* One plane of rho, pi and chi: five lanes of S, each with its theta word and its rotation, into row y of T. */
#define KECCAK_PLANE(T0, T1, T2, T3, T4, b0, b1, b2, b3, b4) \
  {                                                          \
    const LANE v0 = b0, v1 = b1, v2 = b2, v3 = b3, v4 = b4;  \
    T0 = CHI(v0, v1, v2);                                    \
    T1 = CHI(v1, v2, v3);                                    \
    T2 = CHI(v2, v3, v4);                                    \
    T3 = CHI(v3, v4, v0);                                    \
    T4 = CHI(v4, v0, v1);                                    \
  }

/* The word that theta mixes into a column has two parts; where one instruction xors three words they are not joined. */
#if defined(XOR3)
#define KECCAK_THETA(c)                                                                            \
  const LANE r0 = ROL(c##1, 1), r1 = ROL(c##2, 1), r2 = ROL(c##3, 1), r3 = ROL(c##4, 1), r4 = ROL(c##0, 1);
#define MIXED(lane, x) XOR3(lane, KECCAK_LEFT_OF_##x, r##x)
#define KECCAK_LEFT_OF_0 c4
#define KECCAK_LEFT_OF_1 c0
#define KECCAK_LEFT_OF_2 c1
#define KECCAK_LEFT_OF_3 c2
#define KECCAK_LEFT_OF_4 c3
#else
#define KECCAK_THETA(c)                                                                                         \
  const LANE d0 = XOR(c##4, ROL(c##1, 1)), d1 = XOR(c##0, ROL(c##2, 1)), d2 = XOR(c##1, ROL(c##3, 1));          \
  const LANE d3 = XOR(c##2, ROL(c##4, 1)), d4 = XOR(c##3, ROL(c##0, 1));
#define MIXED(lane, x) XOR(lane, d##x)
#endif

#define KECCAK_ROUND(S, T, rc)                                                                              \
  {                                                                                                         \
    const LANE c0 = XOR5(S##0, S##5, S##10, S##15, S##20);                                                  \
    const LANE c1 = XOR5(S##1, S##6, S##11, S##16, S##21);                                                  \
    const LANE c2 = XOR5(S##2, S##7, S##12, S##17, S##22);                                                  \
    const LANE c3 = XOR5(S##3, S##8, S##13, S##18, S##23);                                                  \
    const LANE c4 = XOR5(S##4, S##9, S##14, S##19, S##24);                                                  \
    KECCAK_THETA(c)                                                                                         \
    KECCAK_PLANE(T##0, T##1, T##2, T##3, T##4, MIXED(S##0, 0), ROL(MIXED(S##6, 1), 44),                     \
                 ROL(MIXED(S##12, 2), 43), ROL(MIXED(S##18, 3), 21), ROL(MIXED(S##24, 4), 14))              \
    T##0 = XOR(T##0, RC(rc));                                                                               \
    KECCAK_PLANE(T##5, T##6, T##7, T##8, T##9, ROL(MIXED(S##3, 3), 28), ROL(MIXED(S##9, 4), 20),            \
                 ROL(MIXED(S##10, 0), 3), ROL(MIXED(S##16, 1), 45), ROL(MIXED(S##22, 2), 61))               \
    KECCAK_PLANE(T##10, T##11, T##12, T##13, T##14, ROL(MIXED(S##1, 1), 1), ROL(MIXED(S##7, 2), 6),         \
                 ROL(MIXED(S##13, 3), 25), ROL(MIXED(S##19, 4), 8), ROL(MIXED(S##20, 0), 18))               \
    KECCAK_PLANE(T##15, T##16, T##17, T##18, T##19, ROL(MIXED(S##4, 4), 27), ROL(MIXED(S##5, 0), 36),       \
                 ROL(MIXED(S##11, 1), 10), ROL(MIXED(S##17, 2), 15), ROL(MIXED(S##23, 3), 56))              \
    KECCAK_PLANE(T##20, T##21, T##22, T##23, T##24, ROL(MIXED(S##2, 2), 62), ROL(MIXED(S##8, 3), 55),       \
                 ROL(MIXED(S##14, 4), 39), ROL(MIXED(S##15, 0), 41), ROL(MIXED(S##21, 1), 2))               \
  }

/* The 24 rounds on the lanes S, with the lanes T as scratch. */
#define KECCAK_ROUNDS(S, T)                      \
  for (int round = 0; round < 24; round += 2) {  \
    KECCAK_ROUND(S, T, KECCAK_RC[round])         \
    KECCAK_ROUND(T, S, KECCAK_RC[round + 1])     \
  }

/* f(index, lane) for each lane of S, and for those that a 136-byte block touches. */
#define KECCAK_EACH_RATE(f, S)                                                                             \
  f(0, S##0) f(1, S##1) f(2, S##2) f(3, S##3) f(4, S##4) f(5, S##5) f(6, S##6) f(7, S##7) f(8, S##8)       \
      f(9, S##9) f(10, S##10) f(11, S##11) f(12, S##12) f(13, S##13) f(14, S##14) f(15, S##15) f(16, S##16)
#define KECCAK_EACH(f, S)                                                                                   \
  KECCAK_EACH_RATE(f, S)                                                                                    \
  f(17, S##17) f(18, S##18) f(19, S##19) f(20, S##20) f(21, S##21) f(22, S##22) f(23, S##23) f(24, S##24)
