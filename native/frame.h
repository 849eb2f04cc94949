/* The frames of one connection (rlpx.md, "Framing"): two AES-256-CTR streams and two running MAC states. Cipher and
 * format are here; lanes_encode.c and lanes_decode.c run the MACs, of many sessions side by side. */
#ifndef PEERLANE_FRAME_H
#define PEERLANE_FRAME_H

#include "aes.h"
#include "mac_lanes.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FRAME_BLOCK 16
#define FRAME_HEADER 32
#define FRAME_MAC 16
#define FRAME_MAX_SIZE 0xffffff
#define FRAME_MAX_MESSAGE 0xffffff
#define FRAME_MAX_CODE 5

/* The values of STATUS and PLACE in src/crypto/backend.ts. */
typedef enum {
  FRAME_OK = 0,
  FRAME_NEED_MORE = 1,
  FRAME_HEADER_MAC = 2,
  FRAME_BODY_MAC = 3,
  FRAME_TOO_LARGE = 4,
  FRAME_EMPTY = 5,
  FRAME_CODE_INVALID = 6,
  FRAME_SNAPPY_TOO_LARGE = 7,
  FRAME_SNAPPY_INVALID = 8,
  FRAME_TABLE_FULL = 9,
  FRAME_SESSION_FAILED = 10
} frame_status;

enum { FRAME_PLACE_OUT = 0, FRAME_PLACE_INPUT = 1, FRAME_PLACE_COMPRESSED = 2 };

typedef struct {
  aes_counter counter;
  keccak_state mac;
  /* The first half of the digest of `mac` behind the last whole frame. The one that opens a header's MAC is the MAC of the frame
   * before, so that a frame takes three digests, not four. */
  uint8_t digest[MAC_DIGEST];
} frame_direction;

/* rlpx.md, "Disconnect (0x01)". */
#define FRAME_DISCONNECT_CODE 1

typedef struct {
  aes_key cipher, mac_cipher;
  frame_direction egress, ingress;
  uint32_t max_frame_size;
  /* frame-size of the header consumed last, or 0 when a header comes next. */
  uint32_t frame_size;
  /* For lanes_encode, within one call: the session's first frame, and the number of its last. */
  const void *first;
  uint32_t last;
  uint8_t snappy;
  /* Wiped: takes no more work. Broken: decoding failed, what is sent is still in order. */
  uint8_t wiped, broken;
} frame_session;

void frame_init(frame_session *session, const uint8_t aes_secret[32], const uint8_t mac_secret[32]);
/* Absorbs what the MAC of one direction starts from; once for each direction. */
void frame_seed(frame_direction *direction, const uint8_t *seed, size_t length);
/* Overwrites the secrets; the session takes no more work. */
void frame_wipe(frame_session *session);

/* An upper bound of the frame that carries `length` bytes; the same as `frameBound`. */
size_t frame_bound(size_t length, int snappy);

/* rlpx.md, "MAC": what goes into the MAC state for `block`, aes(mac-secret, digest) ^ block. */
void frame_mac_seed(const frame_session *session, const uint8_t digest[MAC_DIGEST],
                    const uint8_t block[FRAME_BLOCK], uint8_t seed[MAC_DIGEST]);

/* Writes a frame to `out`, which has room for its bound, encrypted, its MACs left out. `is_block`: the payload has been
 * compressed. `*body` bytes of body lie behind the header, the MAC's place behind them. */
frame_status frame_encrypt(frame_session *session, uint32_t code, const uint8_t *payload, size_t length, int is_block,
                           uint8_t *out, size_t *body);

/* Decrypts a header whose MAC is right, and keeps what it announces. */
frame_status frame_open_header(frame_session *session, const uint8_t *input);
/* What the body of the frame under way takes, padded, without its MAC. */
size_t frame_body_length(const frame_session *session);
/* Decrypts a body whose MAC is right, in place. */
void frame_open_body(frame_session *session, uint8_t *input);
/* A part of an input. */
typedef mac_piece frame_piece;
/* The same for a body that lies in pieces, which hold it at least: it is decrypted into `out`. */
void frame_open_pieces(frame_session *session, const frame_piece *pieces, uint8_t *out);

typedef struct {
  uint32_t code, place, length;
  /* In `out`, or in the input. */
  size_t start, end;
} frame_message;

/* Reads a decrypted body of `size` bytes. A payload that decompresses to at most `room` bytes is decompressed to `out`;
 * its place in the message counts from there. */
frame_status frame_read(int snappy, const uint8_t *input, size_t size, uint8_t *out, size_t room,
                        frame_message *message);

#ifdef __cplusplus
}
#endif

#endif
