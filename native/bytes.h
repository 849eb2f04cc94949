/* Small helpers that every algorithm shares. All words are little-endian in memory, as on every machine that the
 * addon is built for. */
#ifndef PEERLANE_BYTES_H
#define PEERLANE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the addon needs a little-endian machine; the JavaScript backend runs on the others"
#endif

#if defined(_MSC_VER) && !defined(__clang__)
#define PL_INLINE static __forceinline
#else
#define PL_INLINE static inline __attribute__((always_inline))
#endif

#ifdef __cplusplus
extern "C" {
#endif

static inline uint32_t pl_load32(const uint8_t *p) {
  uint32_t v;
  memcpy(&v, p, 4);
  return v;
}

static inline uint64_t pl_load64(const uint8_t *p) {
  uint64_t v;
  memcpy(&v, p, 8);
  return v;
}

static inline void pl_store64(uint8_t *p, uint64_t v) { memcpy(p, &v, 8); }

static inline uint32_t pl_load32_be(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void pl_store32_be(uint8_t *p, uint32_t v) {
  p[0] = (uint8_t)(v >> 24);
  p[1] = (uint8_t)(v >> 16);
  p[2] = (uint8_t)(v >> 8);
  p[3] = (uint8_t)v;
}

/* Overwrites a secret; a call through a volatile pointer, so that no compiler takes it for a dead store. */
static inline void pl_wipe(void *p, size_t length) {
  static void *(*const volatile set)(void *, int, size_t) = memset;
  set(p, 0, length);
}

/* Whether both hold the same bytes, in a time that depends on the length only. */
static inline int pl_equal(const uint8_t *a, const uint8_t *b, size_t length) {
  volatile uint8_t difference = 0;
  for (size_t i = 0; i < length; i++) difference |= a[i] ^ b[i];
  return difference == 0;
}

#ifdef __cplusplus
}
#endif

#endif
