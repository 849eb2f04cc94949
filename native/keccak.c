#include "keccak.h"

#include "cpu.h"

typedef struct {
  const char *name;
  const keccak_kernel *one, *many;
  unsigned needs;
} keccak_tier;

/* The fastest first. */
static const keccak_tier TIERS[] = {
#if defined(PEERLANE_X64)
    {"avx512", &keccak_avx512vl, &keccak_x8_avx512, CPU_AVX512},
    {"avx512vl", &keccak_avx512vl, &keccak_x4_avx512vl, CPU_AVX512},
    {"avx2", &keccak_bmi2, &keccak_x4_avx2, CPU_AVX2 | CPU_BMI2},
    {"bmi2", &keccak_bmi2, &keccak_bmi2, CPU_BMI2},
#elif defined(PEERLANE_ARM64)
    {"neon", &keccak_scalar, &keccak_x2_neon, 0},
#endif
    {"scalar", &keccak_scalar, &keccak_scalar, 0},
};

#if defined(PEERLANE_X64)
const char *const keccak_tiers = "scalar, bmi2, avx2, avx512vl, avx512";
#elif defined(PEERLANE_ARM64)
const char *const keccak_tiers = "scalar, neon";
#else
const char *const keccak_tiers = "scalar";
#endif

static const keccak_tier *tier = &TIERS[sizeof TIERS / sizeof TIERS[0] - 1];

const char *keccak_select(const char *name) {
  const unsigned features = cpu_features();
  for (size_t i = 0; i < sizeof TIERS / sizeof TIERS[0]; i++) {
    const keccak_tier *found = &TIERS[i];
    if ((name == NULL || strcmp(name, found->name) == 0) && (features & found->needs) == found->needs) {
      tier = found;
      return found->name;
    }
  }
  return NULL;
}

const keccak_kernel *keccak_single(void) { return tier->one; }

const keccak_kernel *keccak_for(size_t states) { return states > 1 ? tier->many : tier->one; }

void keccak_init(keccak_state *state) { memset(state, 0, sizeof *state); }

static void absorb(keccak_state *state, const uint8_t *input, size_t blocks) {
  tier->one->absorb(state->words, &input, blocks, 1);
}

static void mix(keccak_state *state, const uint8_t *input, size_t length) {
  uint8_t *at = (uint8_t *)state->words + state->filled;
  state->filled += length;
  for (; length >= 8; length -= 8, at += 8, input += 8) pl_store64(at, pl_load64(at) ^ pl_load64(input));
  for (; length > 0; length--) *at++ ^= *input++;
}

void keccak_update(keccak_state *state, const uint8_t *input, size_t length) {
  static const uint8_t nothing[KECCAK_RATE] = {0};
  if (state->filled > 0) {
    const size_t room = KECCAK_RATE - state->filled;
    if (length < room) {
      mix(state, input, length);
      return;
    }
    mix(state, input, room);
    absorb(state, nothing, 1);
    state->filled = 0;
    input += room;
    length -= room;
  }
  const size_t blocks = length / KECCAK_RATE;
  if (blocks > 0) absorb(state, input, blocks);
  mix(state, input + blocks * KECCAK_RATE, length - blocks * KECCAK_RATE);
}

void keccak_digest(const keccak_state *state, uint8_t digest[KECCAK_DIGEST]) {
  uint8_t pad[KECCAK_RATE] = {0};
  const uint8_t *input = pad;
  uint64_t words[KECCAK_WORDS];
  memcpy(words, state->words, sizeof words);
  pad[state->filled] = 0x01;
  pad[KECCAK_RATE - 1] |= 0x80;
  tier->one->absorb(words, &input, 1, 1);
  memcpy(digest, words, KECCAK_DIGEST);
}
