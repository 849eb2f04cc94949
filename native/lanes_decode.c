#include "lanes.h"

#include "lane_stages.h"

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
