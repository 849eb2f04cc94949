#include "mac_lanes.h"

/* What only one lane still has to absorb goes through the kernel for one state from so many blocks on. */
#define ALONE 4

/* The states lie as the kernel wants them. What they are permuted with is in `block`, apart from them, so that a digest
 * leaves its state as it was; it is all zero between two steps. */
typedef struct {
  KECCAK_ALIGNED uint64_t states[KECCAK_WORDS * KECCAK_MAX_WIDTH];
  KECCAK_ALIGNED uint64_t block[KECCAK_RATE_WORDS * KECCAK_MAX_WIDTH];
  KECCAK_ALIGNED uint64_t digests[2 * KECCAK_MAX_WIDTH];
  mac_lane lanes[KECCAK_MAX_WIDTH];
  size_t filled[KECCAK_MAX_WIDTH];
  const keccak_kernel *kernel;
  unsigned width, active;
} mac_group;

static void begin(mac_group *group, const mac_work *work, unsigned l) {
  mac_lane *const lane = &group->lanes[l];
  lane->more = 0;
  if (!work->begin(work->context, lane)) {
    group->active &= ~(1u << l);
    return;
  }
  group->active |= 1u << l;
  group->filled[l] = lane->state->filled;
  for (size_t i = 0; i < KECCAK_WORDS; i++) group->states[i * group->width + l] = lane->state->words[i];
}

static void end(mac_group *group, unsigned l) {
  keccak_state *const state = group->lanes[l].state;
  state->filled = group->filled[l];
  for (size_t i = 0; i < KECCAK_WORDS; i++) state->words[i] = group->states[i * group->width + l];
}

/* Xors `length` bytes into one state, from byte `at` of it on; they end within the block. */
static void mix(uint64_t *state, size_t width, size_t at, const uint8_t *input, size_t length) {
  uint64_t *word = state + at / 8 * width;
  const unsigned shift = (unsigned)(at % 8) * 8;
  for (; length >= 8; length -= 8, input += 8, word += width) {
    const uint64_t value = pl_load64(input);
    word[0] ^= value << shift;
    if (shift > 0) word[width] ^= value >> (64 - shift);
  }
  if (length == 0) return;
  uint64_t value = 0;
  memcpy(&value, input, length);
  word[0] ^= value << shift;
  if (shift + 8 * length > 64) word[width] ^= value >> (64 - shift);
}

/* Absorbs whole blocks, which is all that any lane has before it. */
static void absorb(mac_group *group, size_t blocks) {
  const uint8_t *inputs[KECCAK_MAX_WIDTH];
  const unsigned active = group->active;
  unsigned first = 0;
  while (!(active >> first & 1)) first++;
  if (group->width > 1 && active == 1u << first && blocks >= ALONE) {
    uint64_t words[KECCAK_WORDS];
    for (size_t i = 0; i < KECCAK_WORDS; i++) words[i] = group->states[i * group->width + first];
    keccak_single()->absorb(words, &group->lanes[first].input, blocks, 1);
    for (size_t i = 0; i < KECCAK_WORDS; i++) group->states[i * group->width + first] = words[i];
  } else {
    /* Lanes without work read what the first one reads. */
    for (unsigned l = 0; l < group->width; l++) inputs[l] = group->lanes[active >> l & 1 ? l : first].input;
    group->kernel->absorb(group->states, inputs, blocks, active);
  }
  for (unsigned l = 0; l < group->width; l++) {
    if (!(active >> l & 1)) continue;
    group->lanes[l].input += blocks * KECCAK_RATE;
    group->lanes[l].length -= blocks * KECCAK_RATE;
  }
}

/* One permutation of every lane: of a block that is full or whole, or for a digest. */
static void step(mac_group *group, const mac_work *work, unsigned whole, unsigned full) {
  const size_t width = group->width;
  const unsigned digesting = group->active & ~(whole | full);
  for (unsigned l = 0; l < width; l++) {
    mac_lane *const lane = &group->lanes[l];
    if (whole >> l & 1) {
      for (size_t i = 0; i < KECCAK_RATE_WORDS; i++) group->block[i * width + l] = pl_load64(lane->input + 8 * i);
      lane->input += KECCAK_RATE;
      lane->length -= KECCAK_RATE;
    } else if (digesting >> l & 1) {
      const size_t filled = group->filled[l];
      group->block[filled / 8 * width + l] = (uint64_t)0x01 << 8 * (filled % 8);
      group->block[(KECCAK_RATE_WORDS - 1) * width + l] |= (uint64_t)0x80 << 56;
    }
  }
  group->kernel->step(group->states, group->block, whole | full, group->digests);
  for (unsigned l = 0; l < width; l++) {
    if (whole >> l & 1) {
      for (size_t i = 0; i < KECCAK_RATE_WORDS; i++) group->block[i * width + l] = 0;
    } else if (digesting >> l & 1) {
      uint8_t digest[MAC_DIGEST];
      group->block[group->filled[l] / 8 * width + l] = 0;
      group->block[(KECCAK_RATE_WORDS - 1) * width + l] = 0;
      pl_store64(digest, group->digests[l]);
      pl_store64(digest + 8, group->digests[width + l]);
      if (work->digested(work->context, &group->lanes[l], digest)) continue;
      end(group, l);
      begin(group, work, l);
    }
  }
}

/* Brings lane `l` to where it needs a permutation: whether its block is full. */
static int fill(mac_group *group, unsigned l) {
  mac_lane *const lane = &group->lanes[l];
  size_t *const filled = &group->filled[l];
  const size_t room = KECCAK_RATE - *filled;
  const size_t part = lane->length < room ? lane->length : room;
  mix(group->states + l, group->width, *filled, lane->input, part);
  lane->input += part;
  lane->length -= part;
  *filled = part == room ? 0 : *filled + part;
  return part == room;
}

/* Goes on with what lies in pieces. */
static void next_piece(mac_lane *lane) {
  const mac_piece piece = *lane->next++;
  lane->input = piece.data;
  lane->length = piece.length < lane->more ? piece.length : lane->more;
  lane->more -= lane->length;
}

void mac_lanes_run(const mac_work *work, size_t chains) {
  mac_group group;
  group.kernel = keccak_for(chains);
  group.width = group.kernel->width;
  group.active = 0;
  memset(group.states, 0, KECCAK_WORDS * group.width * sizeof(uint64_t));
  memset(group.block, 0, KECCAK_RATE_WORDS * group.width * sizeof(uint64_t));
  for (unsigned l = 0; l < group.width; l++) begin(&group, work, l);
  while (group.active != 0) {
    unsigned whole = 0, full = 0;
    size_t blocks = SIZE_MAX;
    for (unsigned l = 0; l < group.width; l++) {
      if (!(group.active >> l & 1)) continue;
      mac_lane *const lane = &group.lanes[l];
      do {
        while (lane->length == 0 && lane->more > 0) next_piece(lane);
        const size_t left = lane->length;
        if (group.filled[l] == 0 && left >= KECCAK_RATE) {
          whole |= 1u << l;
          if (left / KECCAK_RATE < blocks) blocks = left / KECCAK_RATE;
        } else if (left > 0 && fill(&group, l)) {
          full |= 1u << l;
        }
        /* What a piece ends with may not fill a block. */
      } while (((whole | full) >> l & 1) == 0 && lane->more > 0);
    }
    if (whole == group.active) {
      absorb(&group, blocks);
    } else {
      step(&group, work, whole, full);
    }
  }
  pl_wipe(group.states, KECCAK_WORDS * group.width * sizeof(uint64_t));
}
