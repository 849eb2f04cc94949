/* Frames of many connections in one call: the batches of `encodeMany` and `decodeMany`. Sessions are worked side by side,
 * the frames of one session in their order. */
#ifndef PEERLANE_LANES_H
#define PEERLANE_LANES_H

#include "frame.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  frame_session *session;
  const uint8_t *payload;
  size_t length;
  uint32_t code;
  /* The payload has been compressed. */
  uint8_t is_block;
  /* Set by lanes_share: the first lane with the same payload, and on that one whether there are others. */
  uint32_t first;
  uint8_t is_shared;
  /* Set by lanes_encode: the payload compressed, if shared; the next frame of the same session; where this one lies. */
  const uint8_t *block;
  size_t block_length;
  uint32_t next;
  uint8_t *frame;
  size_t body;
} encode_lane;

typedef struct {
  frame_session *session;
  uint8_t *input;
  size_t length;
  /* If there are any, the bytes of the input are in them, as many, and not in `input` yet. */
  const frame_piece *pieces;
  size_t piece_count;
  /* Set by lanes_decode. */
  size_t consumed, needed;
  uint32_t messages;
  frame_status status;
} decode_lane;

/* Words of the result tables; see src/crypto/backend.ts. */
#define ENCODE_LANE_WORDS 2
#define DECODE_LANE_WORDS 4
#define DECODE_MESSAGE_WORDS 6

/* The room in `out` that `lanes_encode` may need. */
size_t lanes_encode_bound(const encode_lane *lanes, size_t count);
/* Finds the payloads that several lanes send, as in a broadcast, which are compressed once. `table` has
 * `lanes_table_size` words. Returns the room that their blocks may need. */
size_t lanes_share(encode_lane *lanes, size_t count, uint32_t *table);
size_t lanes_table_size(size_t count);
/* After `lanes_share`; `blocks` has the room that it asked for. */
void lanes_encode(encode_lane *lanes, size_t count, uint8_t *blocks, uint8_t *out, uint32_t *results);

/* Returns the number of messages. */
size_t lanes_decode(decode_lane *lanes, size_t count, uint8_t *out, size_t out_length, size_t inline_limit,
                    uint32_t *results, uint32_t *messages, size_t capacity);

#ifdef __cplusplus
}
#endif

#endif
