#include "envelope.h"

#include "curve.h"
#include "keccak.h"

/* Half of the group order of secp256k1 (SEC 2, section 2.4.1), rounded down. */
static const uint8_t half_order[32] = {
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
};

static void digest_of(const uint8_t *bytes, size_t length, uint8_t digest[KECCAK_DIGEST]) {
  keccak_state state;
  keccak_init(&state);
  keccak_update(&state, bytes, length);
  keccak_digest(&state, digest);
}

int envelope_open(envelope_bytes envelope, uint8_t public_key[64]) {
  const uint8_t *const signature = envelope.bytes + KECCAK_DIGEST;
  uint8_t digest[KECCAK_DIGEST];
  if (memcmp(signature + 32, half_order, sizeof half_order) > 0) return 0;
  digest_of(envelope.bytes + ENVELOPE_HEAD, envelope.length - ENVELOPE_HEAD, digest);
  return curve_recover(digest, signature, public_key);
}

int envelope_seal(envelope_bytes content, const uint8_t secret_key[32], uint8_t *envelope) {
  uint8_t digest[KECCAK_DIGEST];
  digest_of(content.bytes, content.length, digest);
  if (!curve_sign(digest, secret_key, envelope + KECCAK_DIGEST)) return 0;
  memcpy(envelope + ENVELOPE_HEAD, content.bytes, content.length);
  digest_of(envelope + KECCAK_DIGEST, ENVELOPE_HEAD - KECCAK_DIGEST + content.length, envelope);
  return 1;
}

int envelopes_work(const uint8_t *inputs, const uint32_t *lengths, size_t count, size_t opens,
                   const uint8_t secret_key[32], uint8_t *out) {
  for (size_t i = 0; i < count; i++) {
    const envelope_bytes input = {inputs, lengths[i]};
    inputs += lengths[i];
    if (i < opens) {
      memset(out, 0, ENVELOPE_OPENED);
      out[0] = (uint8_t)envelope_open(input, out + 1);
      out += ENVELOPE_OPENED;
    } else {
      if (!envelope_seal(input, secret_key, out)) return 0;
      out += ENVELOPE_HEAD + input.length;
    }
  }
  return 1;
}
