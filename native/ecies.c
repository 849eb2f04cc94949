#include "ecies.h"

#include "aes.h"
#include "curve.h"
#include "sha256.h"

typedef struct {
  aes_key encryption;
  uint8_t mac[32];
} derived_keys;

/* The concatenation KDF of NIST SP 800-56A with SHA-256, one round for 32 bytes: kE || kM; the MAC key is the
 * hash of kM. */
static void derive(const uint8_t shared[32], derived_keys *keys) {
  static const uint8_t counter[4] = {0, 0, 0, 1};
  uint8_t both[32];
  sha256_state hash;
  sha256_init(&hash);
  sha256_update(&hash, counter, sizeof counter);
  sha256_update(&hash, shared, 32);
  sha256_final(&hash, both);
  aes128_expand(&keys->encryption, both);
  sha256_init(&hash);
  sha256_update(&hash, both + 16, 16);
  sha256_final(&hash, keys->mac);
  pl_wipe(both, sizeof both);
}

static int agree(const uint8_t secret_key[32], const uint8_t public_key[64], derived_keys *keys) {
  uint8_t shared[32];
  const int ok = curve_ecdh(secret_key, public_key, shared);
  if (ok) derive(shared, keys);
  pl_wipe(shared, sizeof shared);
  return ok;
}

/* d = MAC(kM, iv || c || auth-data) */
static void tag_of(const derived_keys *keys, const uint8_t *iv_and_c, size_t length, ecies_bytes auth_data,
                   uint8_t tag[32]) {
  hmac_sha256_state mac;
  hmac_sha256_init(&mac, keys->mac, sizeof keys->mac);
  hmac_sha256_update(&mac, iv_and_c, length);
  hmac_sha256_update(&mac, auth_data.bytes, auth_data.length);
  hmac_sha256_final(&mac, tag);
}

int ecies_encrypt(const uint8_t public_key[64], const uint8_t ephemeral_key[32], const uint8_t iv[16],
                  ecies_bytes plaintext, ecies_bytes auth_data, uint8_t *packet) {
  derived_keys keys;
  uint8_t *const iv_and_c = packet + 65;
  if (!curve_public_key(ephemeral_key, packet + 1) || !agree(ephemeral_key, public_key, &keys)) return 0;
  packet[0] = 4;
  memcpy(iv_and_c, iv, 16);
  aes_counter counter = aes_counter_from(iv);
  aes_ctr(&keys.encryption, &counter, plaintext.bytes, iv_and_c + 16, plaintext.length);
  tag_of(&keys, iv_and_c, 16 + plaintext.length, auth_data, iv_and_c + 16 + plaintext.length);
  pl_wipe(&keys, sizeof keys);
  return 1;
}

int ecies_decrypt(const uint8_t secret_key[32], ecies_bytes packet, ecies_bytes auth_data, uint8_t *plaintext) {
  derived_keys keys;
  uint8_t tag[32];
  const uint8_t *const iv_and_c = packet.bytes + 65;
  const size_t length = packet.length - ECIES_OVERHEAD;
  if (packet.bytes[0] != 4 || !agree(secret_key, packet.bytes + 1, &keys)) return 0;
  tag_of(&keys, iv_and_c, 16 + length, auth_data, tag);
  const int ok = pl_equal(tag, iv_and_c + 16 + length, sizeof tag);
  if (ok) {
    aes_counter counter = aes_counter_from(iv_and_c);
    aes_ctr(&keys.encryption, &counter, iv_and_c + 16, plaintext, length);
  }
  pl_wipe(&keys, sizeof keys);
  return ok;
}
