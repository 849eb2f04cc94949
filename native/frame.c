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
  keccak_init(&direction->mac);
  keccak_update(&direction->mac, seed, length);
  keccak_digest(&direction->mac, direction->digest);
}

void frame_wipe(frame_session *session) {
  pl_wipe(session, sizeof *session);
  session->wiped = 1;
}

size_t frame_bound(size_t length, int snappy) {
  return FRAME_HEADER + padded(FRAME_MAX_CODE + (snappy ? snappy_bound(length) : length)) + FRAME_MAC;
}

/* rlpx.md, "MAC": aes(mac-secret, keccak256.digest(mac)[:16]) ^ block goes into the MAC state. */
static void mac_mix(const frame_session *session, frame_direction *direction, const uint8_t block[FRAME_BLOCK]) {
  uint8_t seed[FRAME_BLOCK];
  aes256_encrypt_block(&session->mac_cipher, direction->digest, seed);
  for (int i = 0; i < FRAME_BLOCK; i++) seed[i] ^= block[i];
  keccak_update(&direction->mac, seed, sizeof seed);
  keccak_digest(&direction->mac, direction->digest);
}

static void mac_header(const frame_session *session, frame_direction *direction, const uint8_t *ciphertext) {
  mac_mix(session, direction, ciphertext);
}

static void mac_body(const frame_session *session, frame_direction *direction, const uint8_t *ciphertext,
                     size_t length) {
  uint8_t seed[FRAME_BLOCK];
  keccak_update(&direction->mac, ciphertext, length);
  keccak_digest(&direction->mac, direction->digest);
  memcpy(seed, direction->digest, sizeof seed);
  mac_mix(session, direction, seed);
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

frame_status frame_encode(frame_session *session, uint32_t code, const uint8_t *payload, size_t length, int is_block,
                          uint8_t *out, size_t *written) {
  if (session->wiped) return FRAME_SESSION_FAILED;
  frame_direction *const egress = &session->egress;
  uint8_t *const body = out + FRAME_HEADER;
  size_t size = put_code(body, code);
  if (session->snappy && !is_block) {
    size += snappy_compress(payload, length, body + size);
    if (size > FRAME_MAX_SIZE) return FRAME_TOO_LARGE;
  } else {
    if (length > FRAME_MAX_SIZE - size) return FRAME_TOO_LARGE;
    if (length > 0) memcpy(body + size, payload, length);
    size += length;
  }
  const size_t body_length = padded(size);
  memset(body + size, 0, body_length - size);
  /* header-data: [capability-id, context-id], both zero. */
  const uint8_t header[FRAME_BLOCK] = {
      (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size, 0xc2, 0x80, 0x80,
  };
  aes_ctr(&session->cipher, &egress->counter, header, out, FRAME_BLOCK);
  mac_header(session, egress, out);
  memcpy(out + FRAME_BLOCK, egress->digest, FRAME_MAC);
  aes_ctr(&session->cipher, &egress->counter, body, body, body_length);
  mac_body(session, egress, body, body_length);
  memcpy(body + body_length, egress->digest, FRAME_MAC);
  *written = FRAME_HEADER + body_length + FRAME_MAC;
  return FRAME_OK;
}

static frame_status decode_header(frame_session *session, const uint8_t *input) {
  uint8_t header[FRAME_BLOCK];
  mac_header(session, &session->ingress, input);
  if (!pl_equal(session->ingress.digest, input + FRAME_BLOCK, FRAME_MAC)) return FRAME_HEADER_MAC;
  aes_ctr(&session->cipher, &session->ingress.counter, input, header, FRAME_BLOCK);
  const uint32_t size = (uint32_t)header[0] << 16 | (uint32_t)header[1] << 8 | header[2];
  if (size > session->max_frame_size) return FRAME_TOO_LARGE;
  if (size == 0) return FRAME_EMPTY;
  session->frame_size = size;
  return FRAME_OK;
}

frame_status frame_decode_header(frame_session *session, const uint8_t *input) {
  const frame_status status = decode_header(session, input);
  if (status != FRAME_OK) session->broken = 1;
  return status;
}

size_t frame_body_length(const frame_session *session) { return padded(session->frame_size) + FRAME_MAC; }

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

static frame_status decode_body(frame_session *session, uint8_t *input, uint8_t *out, size_t room,
                                frame_message *message) {
  const size_t size = session->frame_size;
  const size_t length = padded(size);
  mac_body(session, &session->ingress, input, length);
  if (!pl_equal(session->ingress.digest, input + length, FRAME_MAC)) return FRAME_BODY_MAC;
  aes_ctr(&session->cipher, &session->ingress.counter, input, input, length);
  const size_t code_length = get_code(input, size, &message->code);
  if (code_length == 0) return FRAME_CODE_INVALID;
  message->start = code_length;
  message->end = size;
  if (session->snappy) {
    const frame_status status = place_payload(input + code_length, size - code_length, out, room, message);
    /* Some clients never compress Disconnect; it is short, and the last thing that they say. */
    if (status == FRAME_OK || message->code != FRAME_DISCONNECT_CODE) return status;
  }
  message->place = FRAME_PLACE_INPUT;
  message->length = (uint32_t)(size - code_length);
  return FRAME_OK;
}

frame_status frame_decode_body(frame_session *session, uint8_t *input, uint8_t *out, size_t room,
                               frame_message *message) {
  const frame_status status = decode_body(session, input, out, room, message);
  if (status == FRAME_OK) {
    session->frame_size = 0;
  } else {
    session->broken = 1;
  }
  return status;
}
