#include "cpu.h"

#if defined(PEERLANE_X64)

#include <stdint.h>
#ifdef _MSC_VER
#include <intrin.h>
static void cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4]) { __cpuidex((int *)r, (int)leaf, (int)sub); }
static uint64_t xcr0(void) { return _xgetbv(0); }
#else
#include <cpuid.h>
static void cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4]) {
  __cpuid_count(leaf, sub, r[0], r[1], r[2], r[3]);
}
static uint64_t xcr0(void) {
  uint32_t low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}
#endif

unsigned cpu_features(void) {
  unsigned features = 0;
  uint32_t r[4];
  cpuid(0, 0, r);
  const uint32_t leaves = r[0];
  cpuid(1, 0, r);
  const uint32_t basic = r[2];
  const int sse41 = (basic >> 19 & 1) && (basic >> 9 & 1);
  if (sse41 && (basic >> 25 & 1)) features |= CPU_AES;
  if (sse41 && (basic >> 1 & 1)) features |= CPU_CLMUL;
  if (leaves < 7) return features;
  cpuid(7, 0, r);
  const uint32_t extended = r[1];
  if (sse41 && (extended >> 29 & 1)) features |= CPU_SHA256;
  if ((extended >> 3 & 1) && (extended >> 8 & 1)) features |= CPU_BMI2;
  /* OSXSAVE first: without it xgetbv faults. XCR0: the system saves xmm and ymm, then mask and zmm registers too. */
  const uint64_t saved = basic >> 27 & 1 ? xcr0() : 0;
  if ((saved & 0x06) == 0x06 && (extended >> 5 & 1)) features |= CPU_AVX2;
  if ((saved & 0xe6) == 0xe6 && (extended >> 16 & 1) && (extended >> 31 & 1)) {
    features |= CPU_AVX512;
    if (r[2] >> 9 & 1) features |= CPU_VAES512;
  }
  return features;
}

#elif defined(PEERLANE_ARM64)

#if defined(__linux__)
#include <sys/auxv.h>
/* HWCAP_AES, HWCAP_PMULL and HWCAP_SHA2 of the arm64 kernel interface (Documentation/arch/arm64/elf_hwcaps.rst). */
unsigned cpu_features(void) {
  const unsigned long has = getauxval(AT_HWCAP);
  return (has & (1u << 3) ? CPU_AES : 0) | (has & (1u << 4) ? CPU_CLMUL : 0) |
         (has & (1u << 6) ? CPU_SHA256 : 0);
}
#elif defined(__APPLE__)
unsigned cpu_features(void) { return CPU_AES | CPU_CLMUL | CPU_SHA256; }
#elif defined(_WIN32)
#include <windows.h>
unsigned cpu_features(void) {
  const BOOL has = IsProcessorFeaturePresent(PF_ARM_V8_CRYPTO_INSTRUCTIONS_AVAILABLE);
  return has ? CPU_AES | CPU_CLMUL | CPU_SHA256 : 0;
}
#else
unsigned cpu_features(void) { return 0; }
#endif

#else

unsigned cpu_features(void) { return 0; }

#endif
