#include "keccak.h"

#include "cpu.h"
#include "keccak_tier.h"

typedef struct {
  const char *name;
  keccak_absorb_blocks absorb;
  unsigned needs;
} keccak_tier;

static const keccak_tier TIERS[] = {
#ifdef PEERLANE_X64
    {"avx512vl", keccak_absorb_avx512vl, CPU_AVX512VL},
    {"bmi2", keccak_absorb_bmi2, CPU_BMI2},
#endif
    {"scalar", keccak_absorb_scalar, 0},
};

#ifdef PEERLANE_X64
const char *const keccak_tiers = "scalar, bmi2, avx512vl";
#else
const char *const keccak_tiers = "scalar";
#endif

static keccak_absorb_blocks absorb = keccak_absorb_scalar;

const char *keccak_select(const char *name) {
  const unsigned features = cpu_features();
  for (size_t i = 0; i < sizeof TIERS / sizeof TIERS[0]; i++) {
    const keccak_tier *tier = &TIERS[i];
    if ((name == NULL || strcmp(name, tier->name) == 0) && (features & tier->needs) == tier->needs) {
      absorb = tier->absorb;
      return tier->name;
    }
  }
  return NULL;
}

void keccak_init(keccak_state *state) { memset(state, 0, sizeof *state); }

static void permute(uint64_t lanes[25]) {
  static const uint8_t nothing[KECCAK_RATE] = {0};
  absorb(lanes, nothing, 1);
}

static void mix(keccak_state *state, const uint8_t *input, size_t length) {
  uint8_t *at = (uint8_t *)state->lanes + state->filled;
  state->filled += length;
  for (; length >= 8; length -= 8, at += 8, input += 8) pl_store64(at, pl_load64(at) ^ pl_load64(input));
  for (; length > 0; length--) *at++ ^= *input++;
}

void keccak_update(keccak_state *state, const uint8_t *input, size_t length) {
  if (state->filled > 0) {
    const size_t room = KECCAK_RATE - state->filled;
    if (length < room) {
      mix(state, input, length);
      return;
    }
    mix(state, input, room);
    permute(state->lanes);
    state->filled = 0;
    input += room;
    length -= room;
  }
  const size_t blocks = length / KECCAK_RATE;
  if (blocks > 0) absorb(state->lanes, input, blocks);
  mix(state, input + blocks * KECCAK_RATE, length - blocks * KECCAK_RATE);
}

void keccak_digest(const keccak_state *state, uint8_t digest[KECCAK_DIGEST]) {
  uint64_t lanes[25];
  memcpy(lanes, state->lanes, sizeof lanes);
  ((uint8_t *)lanes)[state->filled] ^= 0x01;
  ((uint8_t *)lanes)[KECCAK_RATE - 1] ^= 0x80;
  permute(lanes);
  memcpy(digest, lanes, KECCAK_DIGEST);
}
