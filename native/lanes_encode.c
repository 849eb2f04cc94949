#include "lanes.h"

#include "lane_stages.h"
#include "snappy.h"

size_t lanes_encode_bound(const encode_lane *lanes, size_t count) {
  size_t bound = 0;
  for (size_t i = 0; i < count; i++) {
    bound += frame_bound(lanes[i].length, lanes[i].session->snappy && !lanes[i].is_block);
  }
  return bound;
}

size_t lanes_table_size(size_t count) {
  size_t size = 16;
  while (size < 2 * count) size *= 2;
  return size;
}

/* Payloads up to this are the same when their bytes are, longer ones when they are the same memory. */
#define COMPARED 1024
/* A payload that is looked for in vain so many times is taken for one of its own: peers choose what we send. */
#define MAX_PROBES 8

static int is_same(const encode_lane *a, const encode_lane *b) {
  if (a->length != b->length) return 0;
  return a->payload == b->payload || (a->length <= COMPARED && memcmp(a->payload, b->payload, a->length) == 0);
}

static uint32_t share_hash(const encode_lane *lane) {
  uint64_t value = (uint64_t)(uintptr_t)lane->payload;
  if (lane->length <= COMPARED) {
    value = lane->payload[0];
    /* The ends overlap where it is short. */
    if (lane->length >= 8) value = pl_load64(lane->payload) ^ 3 * pl_load64(lane->payload + lane->length - 8);
  }
  /* The multiplier spreads what is alike. */
  return (uint32_t)((value + lane->length) * 0x9e3779b97f4a7c15 >> 32);
}

size_t lanes_share(encode_lane *lanes, size_t count, uint32_t *table) {
  const size_t mask = lanes_table_size(count) - 1;
  size_t bound = 0;
  memset(table, 0xff, (mask + 1) * sizeof *table);
  for (size_t i = 0; i < count; i++) {
    encode_lane *const lane = &lanes[i];
    lane->first = (uint32_t)i;
    lane->is_shared = 0;
    lane->block = NULL;
    if (!lane->session->snappy || lane->is_block || lane->length == 0) continue;
    size_t slot = share_hash(lane) & mask;
    unsigned probes = 0;
    while (table[slot] != UINT32_MAX && !is_same(&lanes[table[slot]], lane) && ++probes < MAX_PROBES) {
      slot = (slot + 1) & mask;
    }
    if (probes == MAX_PROBES) continue;
    if (table[slot] == UINT32_MAX) {
      table[slot] = (uint32_t)i;
      continue;
    }
    encode_lane *const first = &lanes[table[slot]];
    if (!first->is_shared) bound += snappy_bound(lane->length);
    first->is_shared = 1;
    lane->first = table[slot];
  }
  return bound;
}

/* No frame follows. */
#define NONE UINT32_MAX

typedef struct {
  encode_lane *lanes;
  /* The lane whose session is looked at next. */
  size_t at, count;
} encode_batch;

static void encode_header(encode_lane *lane, mac_lane *mac, const uint8_t digest[MAC_DIGEST]) {
  mac->chain = lane;
  absorb_seed(lane->session, mac, digest, lane->frame, HEADER_MAC);
}

static int encode_begin(void *context, mac_lane *mac) {
  encode_batch *const batch = context;
  while (batch->at < batch->count) {
    encode_lane *const lane = &batch->lanes[batch->at++];
    /* A chain starts at the first frame of its session. */
    if (lane->frame == NULL || lane->session->first != lane) continue;
    mac->state = &lane->session->egress.mac;
    encode_header(lane, mac, lane->session->egress.digest);
    return 1;
  }
  return 0;
}

static int encode_digested(void *context, mac_lane *mac, const uint8_t digest[MAC_DIGEST]) {
  encode_batch *const batch = context;
  encode_lane *const lane = mac->chain;
  uint8_t *const body = lane->frame + FRAME_HEADER;
  switch (mac->stage) {
    case HEADER_MAC:
      memcpy(lane->frame + FRAME_BLOCK, digest, FRAME_MAC);
      mac->input = body;
      mac->length = lane->body;
      mac->stage = BODY_SEED;
      return 1;
    case BODY_SEED:
      absorb_seed(lane->session, mac, digest, digest, BODY_MAC);
      return 1;
    default:
      memcpy(body + lane->body, digest, FRAME_MAC);
      memcpy(lane->session->egress.digest, digest, MAC_DIGEST);
      if (lane->next == NONE) return 0;
      encode_header(&batch->lanes[lane->next], mac, digest);
      return 1;
  }
}

/* Encrypts the frame of a lane, whose payload is compressed already if others share it. */
static frame_status encrypt(encode_lane *lanes, encode_lane *lane, uint8_t **blocks, uint8_t *out) {
  frame_session *const session = lane->session;
  encode_lane *const first = &lanes[lane->first];
  if (session->wiped) return FRAME_SESSION_FAILED;
  if (!session->snappy || lane->is_block || !first->is_shared) {
    return frame_encrypt(session, lane->code, lane->payload, lane->length, lane->is_block, out, &lane->body);
  }
  if (first->block == NULL) {
    first->block = *blocks;
    first->block_length = snappy_compress(lane->payload, lane->length, *blocks);
    *blocks += first->block_length;
  }
  return frame_encrypt(session, lane->code, first->block, first->block_length, 1, out, &lane->body);
}

void lanes_encode(encode_lane *lanes, size_t count, uint8_t *blocks, uint8_t *out, uint32_t *results) {
  size_t end = 0, chains = 0;
  for (size_t i = 0; i < count; i++) lanes[i].session->first = NULL;
  for (size_t i = 0; i < count; i++) {
    encode_lane *const lane = &lanes[i];
    frame_session *const session = lane->session;
    const frame_status status = encrypt(lanes, lane, &blocks, out + end);
    lane->frame = NULL;
    lane->next = NONE;
    if (status == FRAME_OK) {
      lane->frame = out + end;
      end += FRAME_HEADER + lane->body + FRAME_MAC;
      if (session->first == NULL) {
        session->first = lane;
        chains++;
      } else {
        lanes[session->last].next = (uint32_t)i;
      }
      session->last = (uint32_t)i;
    }
    results[ENCODE_LANE_WORDS * i] = status;
    results[ENCODE_LANE_WORDS * i + 1] = (uint32_t)end;
  }
  encode_batch batch = {lanes, 0, count};
  const mac_work work = {&batch, encode_begin, encode_digested};
  if (chains > 0) mac_lanes_run(&work, chains);
}
