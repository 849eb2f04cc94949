#include "lanes.h"

#include "snappy.h"

static int same_payload(const encode_lane *a, const encode_lane *b) {
  return a->payload == b->payload && a->length == b->length;
}

size_t lanes_encode_bound(const encode_lane *lanes, size_t count) {
  size_t bound = 0;
  for (size_t i = 0; i < count; i++) bound += frame_bound(lanes[i].length, lanes[i].session->snappy);
  return bound;
}

size_t lanes_shared_bound(const encode_lane *lanes, size_t count) {
  size_t bound = 0;
  for (size_t i = 1; i < count; i++) {
    if (!same_payload(&lanes[i - 1], &lanes[i])) continue;
    const size_t needed = snappy_bound(lanes[i].length);
    if (needed > bound) bound = needed;
  }
  return bound;
}

void lanes_encode(const encode_lane *lanes, size_t count, uint8_t *block, uint8_t *out, uint32_t *results) {
  size_t end = 0, block_length = 0;
  const encode_lane *block_of = NULL;
  for (size_t i = 0; i < count; i++) {
    const encode_lane *const lane = &lanes[i];
    size_t written = 0;
    frame_status status;
    /* A payload that neighbouring lanes share, as in a broadcast, is compressed once. */
    if (lane->session->snappy && !lane->session->wiped && (block_of == NULL || !same_payload(block_of, lane))) {
      const int shared = i + 1 < count && same_payload(lane, lane + 1);
      block_of = shared ? lane : NULL;
      if (shared) block_length = snappy_compress(lane->payload, lane->length, block);
    }
    if (lane->session->snappy && block_of != NULL) {
      status = frame_encode(lane->session, lane->code, block, block_length, 1, out + end, &written);
    } else {
      status = frame_encode(lane->session, lane->code, lane->payload, lane->length, 0, out + end, &written);
    }
    end += written;
    results[ENCODE_LANE_WORDS * i] = status;
    results[ENCODE_LANE_WORDS * i + 1] = (uint32_t)end;
  }
}

typedef struct {
  uint8_t *out;
  size_t out_length, out_used, inline_limit, count, capacity;
  uint32_t *messages;
} decode_batch;

static frame_status decode_next(const decode_lane *lane, uint32_t number, decode_batch *batch, size_t *consumed,
                                size_t *needed) {
  frame_session *const session = lane->session;
  uint8_t *const input = lane->input + *consumed;
  const size_t left = lane->length - *consumed;
  const int header = session->frame_size == 0;
  const size_t step = header ? FRAME_HEADER : frame_body_length(session);
  if (left < step) {
    *needed = step;
    return FRAME_NEED_MORE;
  }
  if (header) {
    const frame_status status = frame_decode_header(session, input);
    if (status == FRAME_OK) *consumed += step;
    return status;
  }
  if (batch->count == batch->capacity) return FRAME_TABLE_FULL;
  frame_message message;
  const size_t left_out = batch->out_length - batch->out_used;
  const size_t room = left_out < batch->inline_limit ? left_out : batch->inline_limit;
  const frame_status status = frame_decode_body(session, input, batch->out + batch->out_used, room, &message);
  if (status != FRAME_OK) return status;
  const size_t base = message.place == FRAME_PLACE_OUT ? batch->out_used : *consumed;
  uint32_t *const words = batch->messages + DECODE_MESSAGE_WORDS * batch->count++;
  words[0] = number;
  words[1] = message.code;
  words[2] = (uint32_t)(base + message.start);
  words[3] = (uint32_t)(base + message.end);
  words[4] = message.place;
  words[5] = message.length;
  if (message.place == FRAME_PLACE_OUT) batch->out_used += message.length;
  *consumed += step;
  return FRAME_OK;
}

size_t lanes_decode(const decode_lane *lanes, size_t count, uint8_t *out, size_t out_length, size_t inline_limit,
                    uint32_t *results, uint32_t *messages, size_t capacity) {
  decode_batch batch = {out, out_length, 0, inline_limit, 0, capacity, messages};
  for (size_t i = 0; i < count; i++) {
    const size_t before = batch.count;
    size_t consumed = 0, needed = 0;
    frame_status status = lanes[i].session->wiped || lanes[i].session->broken ? FRAME_SESSION_FAILED : FRAME_OK;
    while (status == FRAME_OK) status = decode_next(&lanes[i], (uint32_t)i, &batch, &consumed, &needed);
    uint32_t *const words = results + DECODE_LANE_WORDS * i;
    words[0] = status;
    words[1] = (uint32_t)consumed;
    words[2] = (uint32_t)needed;
    words[3] = (uint32_t)(batch.count - before);
  }
  return batch.count;
}
