/* What the CPU, and the operating system that saves its registers, can do. */
#ifndef PEERLANE_CPU_H
#define PEERLANE_CPU_H

#if defined(__x86_64__) || defined(_M_X64)
#define PEERLANE_X64 1
#elif defined(__aarch64__) || defined(_M_ARM64)
#define PEERLANE_ARM64 1
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum {
  CPU_AES = 1,
  CPU_BMI2 = 2,
  CPU_AVX2 = 4,
  /* AVX-512F and VL. */
  CPU_AVX512 = 8,
  /* Four AES blocks to an instruction, with AVX-512. */
  CPU_VAES512 = 16,
  /* Multiplication without carries. */
  CPU_CLMUL = 32,
  CPU_SHA256 = 64,
};

/* The features that this machine has, or'ed. */
unsigned cpu_features(void);

#ifdef __cplusplus
}
#endif

#endif
