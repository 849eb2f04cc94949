#include "lanes.h"

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

/* What the next digest of a lane is for. */
enum { HEADER_MAC, BODY_SEED, BODY_MAC };

/* Lets `mac` absorb what goes into the MAC for `block`; `stage` is what the digest after that is for. */
static void absorb_seed(const frame_session *session, mac_lane *mac, const uint8_t digest[MAC_DIGEST],
                        const uint8_t block[FRAME_BLOCK], int stage) {
  frame_mac_seed(session, digest, block, mac->seed);
  mac->input = mac->seed;
  mac->length = sizeof mac->seed;
  mac->stage = stage;
}

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

/* A message of the table while the MACs run: where its body begins in the input, and its size. */
enum { RAW_START = 2, RAW_SIZE = 3 };

typedef struct {
  decode_lane *lanes;
  size_t at, count;
  uint32_t *messages;
  /* Messages that each lane may have. */
  uint32_t quota;
} decode_batch;

/* Looks at what comes next in the lane: 1 when its MAC is to be checked, else the lane's status is set. */
static int decode_next(const decode_batch *batch, decode_lane *lane, mac_lane *mac) {
  frame_session *const session = lane->session;
  const uint8_t *const input = lane->input + lane->consumed;
  const int header = session->frame_size == 0;
  const size_t body = header ? 0 : frame_body_length(session);
  const size_t step = header ? FRAME_HEADER : body + FRAME_MAC;
  if (lane->length - lane->consumed < step) {
    lane->needed = step;
    lane->status = FRAME_NEED_MORE;
    return 0;
  }
  if (header) {
    absorb_seed(session, mac, session->ingress.digest, input, HEADER_MAC);
    return 1;
  }
  if (lane->messages == batch->quota) {
    lane->status = FRAME_TABLE_FULL;
    return 0;
  }
  mac->input = input;
  mac->length = body;
  mac->stage = BODY_SEED;
  return 1;
}

/* Copies what is behind the first `skip` bytes of the lane's pieces. */
static void copy_pieces(const decode_lane *lane, size_t skip, uint8_t *out) {
  for (size_t i = 0; i < lane->piece_count; i++) {
    const frame_piece *const piece = &lane->pieces[i];
    const size_t start = skip < piece->length ? skip : piece->length;
    memcpy(out, piece->data + start, piece->length - start);
    out += piece->length - start;
    skip -= start;
  }
}

/* An input in pieces. One body and nothing else, which is what they are for, is read from where it lies and decrypted
 * into the input; anything else is copied there first. */
static int decode_pieces(const decode_batch *batch, decode_lane *lane, mac_lane *mac) {
  const frame_session *const session = lane->session;
  const int is_body = session->frame_size != 0 && lane->length == frame_body_length(session) + FRAME_MAC;
  if (!is_body || batch->quota == 0) {
    copy_pieces(lane, 0, lane->input);
    lane->piece_count = 0;
    return decode_next(batch, lane, mac);
  }
  mac->length = 0;
  mac->more = frame_body_length(session);
  mac->next = lane->pieces;
  mac->stage = BODY_SEED;
  return 1;
}

static int decode_begin(void *context, mac_lane *mac) {
  decode_batch *const batch = context;
  while (batch->at < batch->count) {
    decode_lane *const lane = &batch->lanes[batch->at++];
    if (lane->session->wiped || lane->session->broken) {
      lane->status = FRAME_SESSION_FAILED;
    } else if (lane->piece_count > 0 ? decode_pieces(batch, lane, mac) : decode_next(batch, lane, mac)) {
      mac->state = &lane->session->ingress.mac;
      mac->chain = lane;
      return 1;
    }
  }
  return 0;
}

static int decode_header(const decode_batch *batch, decode_lane *lane, mac_lane *mac,
                         const uint8_t digest[MAC_DIGEST]) {
  const uint8_t *const input = lane->input + lane->consumed;
  lane->status =
      pl_equal(digest, input + FRAME_BLOCK, FRAME_MAC) ? frame_open_header(lane->session, input) : FRAME_HEADER_MAC;
  if (lane->status != FRAME_OK) return 0;
  lane->consumed += FRAME_HEADER;
  return decode_next(batch, lane, mac);
}

static int decode_body(const decode_batch *batch, decode_lane *lane, mac_lane *mac,
                       const uint8_t digest[MAC_DIGEST]) {
  frame_session *const session = lane->session;
  uint8_t *const input = lane->input + lane->consumed;
  const size_t length = frame_body_length(session);
  uint8_t gathered[FRAME_MAC];
  const uint8_t *expected = input + length;
  if (lane->piece_count > 0) {
    copy_pieces(lane, length, gathered);
    expected = gathered;
  }
  memcpy(session->ingress.digest, digest, MAC_DIGEST);
  if (!pl_equal(digest, expected, FRAME_MAC)) {
    lane->status = FRAME_BODY_MAC;
    return 0;
  }
  const size_t number = (size_t)(lane - batch->lanes) * batch->quota + lane->messages++;
  uint32_t *const words = batch->messages + DECODE_MESSAGE_WORDS * number;
  words[RAW_START] = (uint32_t)lane->consumed;
  words[RAW_SIZE] = session->frame_size;
  if (lane->piece_count > 0) frame_open_pieces(session, lane->pieces, input);
  else frame_open_body(session, input);
  lane->piece_count = 0;
  lane->consumed += length + FRAME_MAC;
  return decode_next(batch, lane, mac);
}

static int decode_digested(void *context, mac_lane *mac, const uint8_t digest[MAC_DIGEST]) {
  const decode_batch *const batch = context;
  decode_lane *const lane = mac->chain;
  switch (mac->stage) {
    case HEADER_MAC:
      return decode_header(batch, lane, mac, digest);
    case BODY_SEED:
      absorb_seed(lane->session, mac, digest, digest, BODY_MAC);
      return 1;
    default:
      return decode_body(batch, lane, mac, digest);
  }
}

typedef struct {
  uint8_t *out;
  size_t length, used, inline_limit;
} decode_room;

/* Turns a raw message of lane `number` into a finished one at `words`, which may be the same place or before it. */
static frame_status finish_message(const decode_lane *lane, uint32_t number, const uint32_t *raw, uint32_t *words,
                                   decode_room *room) {
  const size_t start = raw[RAW_START], size = raw[RAW_SIZE];
  const size_t left = room->length - room->used;
  frame_message message = {0, 0, 0, 0, 0};
  const frame_status status = frame_read(lane->session->snappy, lane->input + start, size, room->out + room->used,
                                         left < room->inline_limit ? left : room->inline_limit, &message);
  if (status != FRAME_OK) return status;
  const size_t base = message.place == FRAME_PLACE_OUT ? room->used : start;
  words[0] = number;
  words[1] = message.code;
  words[2] = (uint32_t)(base + message.start);
  words[3] = (uint32_t)(base + message.end);
  words[4] = message.place;
  words[5] = message.length;
  if (message.place == FRAME_PLACE_OUT) room->used += message.length;
  return FRAME_OK;
}

/* Finishes the messages of lane `number`, of which `raw` is the first, to `words`. A bad one ends the lane there. */
static void finish_lane(decode_lane *lane, uint32_t number, const uint32_t *raw, uint32_t *words, decode_room *room) {
  const uint32_t decoded = lane->messages;
  for (lane->messages = 0; lane->messages < decoded; lane->messages++) {
    const size_t start = raw[RAW_START];
    const frame_status status = finish_message(lane, number, raw, words, room);
    if (status != FRAME_OK) {
      lane->status = status;
      lane->consumed = start;
      break;
    }
    raw += DECODE_MESSAGE_WORDS;
    words += DECODE_MESSAGE_WORDS;
  }
  if (lane->status != FRAME_NEED_MORE) lane->needed = 0;
  if (lane->status != FRAME_NEED_MORE && lane->status != FRAME_TABLE_FULL) lane->session->broken = 1;
}

/* Decodes the lanes from number `from` on, `count` of them, to the messages from `*total` on. */
static void decode_some(decode_lane *lanes, size_t from, size_t count, uint32_t quota, uint32_t *messages,
                        decode_room *room, size_t *total) {
  uint32_t *const raw = messages + DECODE_MESSAGE_WORDS * *total;
  decode_batch batch = {lanes + from, 0, count, raw, quota};
  const mac_work work = {&batch, decode_begin, decode_digested};
  mac_lanes_run(&work, count);
  for (size_t i = 0; i < count; i++) {
    decode_lane *const lane = &lanes[from + i];
    finish_lane(lane, (uint32_t)(from + i), raw + DECODE_MESSAGE_WORDS * quota * i,
                messages + DECODE_MESSAGE_WORDS * *total, room);
    *total += lane->messages;
  }
}

size_t lanes_decode(decode_lane *lanes, size_t count, uint8_t *out, size_t out_length, size_t inline_limit,
                    uint32_t *results, uint32_t *messages, size_t capacity) {
  decode_room room = {out, out_length, 0, inline_limit};
  size_t total = 0;
  for (size_t i = 0; i < count; i++) {
    lanes[i].consumed = lanes[i].needed = 0;
    lanes[i].messages = 0;
    lanes[i].status = FRAME_OK;
  }
  if (count > 0 && capacity >= count) {
    decode_some(lanes, 0, count, (uint32_t)(capacity / count), messages, &room, &total);
  } else {
    for (size_t i = 0; i < count; i++) {
      decode_some(lanes, i, 1, (uint32_t)(capacity - total), messages, &room, &total);
    }
  }
  for (size_t i = 0; i < count; i++) {
    uint32_t *const words = results + DECODE_LANE_WORDS * i;
    words[0] = lanes[i].status;
    words[1] = (uint32_t)lanes[i].consumed;
    words[2] = (uint32_t)lanes[i].needed;
    words[3] = lanes[i].messages;
  }
  return total;
}
