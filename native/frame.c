#include "frame.h"

#include "snappy.h"

#define INITIAL_MAX_FRAME_SIZE 2048

static size_t padded(size_t size) { return (size + FRAME_BLOCK - 1) / FRAME_BLOCK * FRAME_BLOCK; }

void frame_init(frame_session *session, const uint8_t aes_secret[32], const uint8_t mac_secret[32]) {
  memset(session, 0, sizeof *session);
  session->max_frame_size = INITIAL_MAX_FRAME_SIZE;
  aes256_expand(&session->cipher, aes_secret);
  aes256_expand(&session->mac_cipher, mac_secret);
}

void frame_seed(frame_direction *direction, const uint8_t *seed, size_t length) {
  uint8_t digest[KECCAK_DIGEST];
  keccak_init(&direction->mac);
  keccak_update(&direction->mac, seed, length);
  keccak_digest(&direction->mac, digest);
  memcpy(direction->digest, digest, sizeof direction->digest);
}

void frame_wipe(frame_session *session) {
  pl_wipe(session, sizeof *session);
  session->wiped = 1;
}

size_t frame_bound(size_t length, int snappy) {
  return FRAME_HEADER + padded(FRAME_MAX_CODE + (snappy ? snappy_bound(length) : length)) + FRAME_MAC;
}

void frame_mac_seed(const frame_session *session, const uint8_t digest[MAC_DIGEST],
                    const uint8_t block[FRAME_BLOCK], uint8_t seed[MAC_DIGEST]) {
  aes256_encrypt_block(&session->mac_cipher, digest, seed);
  pl_store64(seed, pl_load64(seed) ^ pl_load64(block));
  pl_store64(seed + 8, pl_load64(seed + 8) ^ pl_load64(block + 8));
}

/* The message code: a canonical RLP integer of at most four bytes. */
static size_t put_code(uint8_t *out, uint32_t code) {
  if (code < 0x80) {
    out[0] = code == 0 ? 0x80 : (uint8_t)code;
    return 1;
  }
  const size_t digits = code > 0xffffff ? 4 : code > 0xffff ? 3 : code > 0xff ? 2 : 1;
  out[0] = (uint8_t)(0x80 + digits);
  for (size_t i = 0; i < digits; i++) out[digits - i] = (uint8_t)(code >> (8 * i));
  return 1 + digits;
}

/* Returns the bytes that the code takes, or 0 if there is none. */
static size_t get_code(const uint8_t *input, size_t length, uint32_t *code) {
  const uint8_t first = input[0];
  if (first <= 0x80) {
    *code = first & 0x7f;
    return first != 0;
  }
  const size_t digits = first - 0x80;
  if (digits > 4 || digits >= length || input[1] == 0) return 0;
  *code = 0;
  for (size_t i = 1; i <= digits; i++) *code = *code << 8 | input[i];
  return *code < 0x80 ? 0 : 1 + digits;
}

/* Encrypts header and body, whose `size` bytes begin with the code of `code_length` bytes, which is in its place. The
 * payload is in its place, too, or else read from `payload` and encrypted on the way. */
static void encrypt_frame(frame_session *session, uint8_t *header, size_t code_length, const uint8_t *payload,
                          size_t size) {
  uint8_t *const body = header + FRAME_BLOCK;
  aes_counter *const counter = &session->egress.counter;
  size_t done = 0;
  if (payload != NULL && size > 2 * FRAME_BLOCK) {
    /* The payload begins within a block of the cipher: that block is put together first. */
    const size_t first = FRAME_BLOCK - code_length;
    memcpy(body + code_length, payload, first);
    aes_ctr(&session->cipher, counter, header, header, 2 * FRAME_BLOCK);
    const size_t whole = (size - FRAME_BLOCK) / FRAME_BLOCK * FRAME_BLOCK;
    aes_ctr(&session->cipher, counter, payload + first, body + FRAME_BLOCK, whole);
    done = FRAME_BLOCK + whole;
    if (done < size) memcpy(body + done, payload + first + whole, size - done);
    memset(body + size, 0, padded(size) - size);
    if (done < size) aes_ctr(&session->cipher, counter, body + done, body + done, FRAME_BLOCK);
    return;
  }
  if (payload != NULL && size > code_length) memcpy(body + code_length, payload, size - code_length);
  memset(body + size, 0, padded(size) - size);
  /* Beside its body, so that one call encrypts both. */
  aes_ctr(&session->cipher, counter, header, header, FRAME_BLOCK + padded(size));
}

frame_status frame_encrypt(frame_session *session, uint32_t code, const uint8_t *payload, size_t length, int is_block,
                           uint8_t *out, size_t *body_length) {
  uint8_t *const body = out + FRAME_HEADER;
  uint8_t *const header = body - FRAME_BLOCK;
  const size_t code_length = put_code(body, code);
  const int compressed_here = session->snappy && !is_block;
  if (compressed_here) length = snappy_compress(payload, length, body + code_length);
  if (length > FRAME_MAX_SIZE - code_length) return FRAME_TOO_LARGE;
  const size_t size = code_length + length;
  *body_length = padded(size);
  memset(header, 0, FRAME_BLOCK);
  header[0] = (uint8_t)(size >> 16);
  header[1] = (uint8_t)(size >> 8);
  header[2] = (uint8_t)size;
  /* header-data: [capability-id, context-id], both zero. */
  header[3] = 0xc2;
  header[4] = 0x80;
  header[5] = 0x80;
  encrypt_frame(session, header, code_length, compressed_here ? NULL : payload, size);
  memcpy(out, header, FRAME_BLOCK);
  return FRAME_OK;
}

frame_status frame_open_header(frame_session *session, const uint8_t *input) {
  uint8_t header[FRAME_BLOCK];
  aes_ctr(&session->cipher, &session->ingress.counter, input, header, FRAME_BLOCK);
  const uint32_t size = (uint32_t)header[0] << 16 | (uint32_t)header[1] << 8 | header[2];
  if (size > session->max_frame_size) return FRAME_TOO_LARGE;
  if (size == 0) return FRAME_EMPTY;
  session->frame_size = size;
  return FRAME_OK;
}

size_t frame_body_length(const frame_session *session) { return padded(session->frame_size); }

void frame_open_body(frame_session *session, uint8_t *input) {
  aes_ctr(&session->cipher, &session->ingress.counter, input, input, frame_body_length(session));
  session->frame_size = 0;
}

void frame_open_pieces(frame_session *session, const frame_piece *pieces, uint8_t *out) {
  aes_counter *const counter = &session->ingress.counter;
  uint8_t *const end = out + frame_body_length(session);
  /* A block of the cipher that lies in several pieces. */
  uint8_t block[FRAME_BLOCK];
  size_t filled = 0;
  for (; out < end; pieces++) {
    const uint8_t *data = pieces->data;
    size_t length = pieces->length;
    if (length > (size_t)(end - out) - filled) length = (size_t)(end - out) - filled;
    if (filled > 0) {
      const size_t part = length < FRAME_BLOCK - filled ? length : FRAME_BLOCK - filled;
      memcpy(block + filled, data, part);
      filled += part;
      data += part;
      length -= part;
      if (filled < FRAME_BLOCK) continue;
      aes_ctr(&session->cipher, counter, block, out, FRAME_BLOCK);
      out += FRAME_BLOCK;
    }
    filled = length % FRAME_BLOCK;
    aes_ctr(&session->cipher, counter, data, out, length - filled);
    out += length - filled;
    memcpy(block, data + length - filled, filled);
  }
  session->frame_size = 0;
}

static frame_status place_payload(const uint8_t *payload, size_t length, uint8_t *out, size_t room,
                                  frame_message *message) {
  uint32_t decoded;
  if (snappy_length(payload, length, &decoded) == 0) return FRAME_SNAPPY_INVALID;
  if (decoded > FRAME_MAX_MESSAGE) return FRAME_SNAPPY_TOO_LARGE;
  message->length = decoded;
  if (decoded > room) {
    message->place = FRAME_PLACE_COMPRESSED;
    return FRAME_OK;
  }
  if (!snappy_uncompress(payload, length, out, decoded)) return FRAME_SNAPPY_INVALID;
  message->place = FRAME_PLACE_OUT;
  message->start = 0;
  message->end = decoded;
  return FRAME_OK;
}

frame_status frame_read(int snappy, const uint8_t *input, size_t size, uint8_t *out, size_t room,
                        frame_message *message) {
  const size_t code_length = get_code(input, size, &message->code);
  if (code_length == 0) return FRAME_CODE_INVALID;
  message->start = code_length;
  message->end = size;
  if (snappy) {
    const frame_status status = place_payload(input + code_length, size - code_length, out, room, message);
    /* Some clients never compress Disconnect; it is short, and the last thing that they say. */
    if (status == FRAME_OK || message->code != FRAME_DISCONNECT_CODE) return status;
  }
  message->place = FRAME_PLACE_INPUT;
  message->length = (uint32_t)(size - code_length);
  return FRAME_OK;
}
