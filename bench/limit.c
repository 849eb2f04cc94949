/* What bounds one stream of frames: one Keccak state that absorbs, and AES-256-CTR, of the code that the addon has and on
 * the tier that it takes. Prints MB/s of both, each the median of several rounds. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "aes.h"
#include "cpu.h"
#include "keccak.h"

#define ROUNDS 9
#define REPEATS 24
/* A multiple of the block sizes of both; it stays in the caches. */
#define LENGTH (136 * 16 * 30)

static double seconds(void) {
  struct timespec now;
  timespec_get(&now, TIME_UTC);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static uint8_t bytes[LENGTH];
static aes_key key;
static aes_counter counter;

static void absorb(void) {
  static uint64_t state[KECCAK_WORDS];
  const uint8_t *input = bytes;
  keccak_single()->absorb(state, &input, LENGTH / KECCAK_RATE, 1);
}

static void encrypt(void) { aes_ctr(&key, &counter, bytes, bytes, LENGTH); }

static double rate_of(void (*work)(void)) {
  double rates[ROUNDS];
  for (int round = -1; round < ROUNDS; round++) {
    const double start = seconds();
    for (int i = 0; i < REPEATS; i++) work();
    if (round >= 0) rates[round] = REPEATS * (LENGTH / 1e6) / (seconds() - start);
  }
  qsort(rates, ROUNDS, sizeof *rates, compare);
  return rates[ROUNDS / 2];
}

int main(void) {
  const char *const tier = keccak_select(getenv("PEERLANE_CPU"));
  if (tier == NULL) return 1;
  aes_select(strcmp(tier, "avx512") == 0 && (cpu_features() & CPU_VAES512) != 0);
  aes256_expand(&key, bytes);
  printf("%s %f %f\n", tier, rate_of(absorb), rate_of(encrypt));
  return 0;
}
