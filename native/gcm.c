#include "gcm.h"

#include "aes.h"
#include "ghash.h"

static ghash_update_function *ghash_update = ghash_update_portable;

void gcm_select(int clmul) { ghash_update = clmul ? ghash_update_clmul : ghash_update_portable; }

typedef struct {
  aes_key key;
  /* Of the next block of the message. */
  aes_counter counter;
  ghash_block hash_key;
  uint8_t tag_mask[GCM_TAG];
} gcm;

static gcm begin(const uint8_t key[16], const uint8_t nonce[GCM_NONCE]) {
  static const uint8_t zeros[16] = {0};
  uint8_t hash_key[16], first[16] = {0};
  gcm state;
  aes128_expand(&state.key, key);
  state.counter = aes_counter_from(zeros);
  aes_ctr(&state.key, &state.counter, zeros, hash_key, sizeof hash_key);
  state.hash_key = ghash_key(hash_key);
  /* The block of the tag, behind which those of the message follow. */
  memcpy(first, nonce, GCM_NONCE);
  first[15] = 1;
  state.counter = aes_counter_from(first);
  aes_ctr(&state.key, &state.counter, zeros, state.tag_mask, GCM_TAG);
  pl_wipe(hash_key, sizeof hash_key);
  return state;
}

static void tag_of(const gcm *state, gcm_bytes ciphertext, gcm_bytes auth_data, uint8_t tag[GCM_TAG]) {
  ghash_block hash = {{0, 0}};
  uint8_t lengths[16];
  const uint64_t auth_bits = 8 * (uint64_t)auth_data.length, bits = 8 * (uint64_t)ciphertext.length;
  ghash_update(&state->hash_key, &hash, auth_data.data, auth_data.length);
  ghash_update(&state->hash_key, &hash, ciphertext.data, ciphertext.length);
  pl_store32_be(lengths, (uint32_t)(auth_bits >> 32));
  pl_store32_be(lengths + 4, (uint32_t)auth_bits);
  pl_store32_be(lengths + 8, (uint32_t)(bits >> 32));
  pl_store32_be(lengths + 12, (uint32_t)bits);
  ghash_update(&state->hash_key, &hash, lengths, sizeof lengths);
  ghash_result(&hash, tag);
  for (int i = 0; i < GCM_TAG; i++) tag[i] ^= state->tag_mask[i];
}

void gcm_seal(const uint8_t key[16], const uint8_t nonce[GCM_NONCE], gcm_bytes plaintext, gcm_bytes auth_data,
              uint8_t *sealed) {
  gcm state = begin(key, nonce);
  aes_ctr(&state.key, &state.counter, plaintext.data, sealed, plaintext.length);
  tag_of(&state, (gcm_bytes){sealed, plaintext.length}, auth_data, sealed + plaintext.length);
  pl_wipe(&state, sizeof state);
}

int gcm_open(const uint8_t key[16], const uint8_t nonce[GCM_NONCE], gcm_bytes sealed, gcm_bytes auth_data,
             uint8_t *plaintext) {
  gcm state = begin(key, nonce);
  const gcm_bytes ciphertext = {sealed.data, sealed.length - GCM_TAG};
  uint8_t tag[GCM_TAG];
  tag_of(&state, ciphertext, auth_data, tag);
  const int ok = pl_equal(tag, sealed.data + ciphertext.length, GCM_TAG);
  if (ok) aes_ctr(&state.key, &state.counter, ciphertext.data, plaintext, ciphertext.length);
  pl_wipe(&state, sizeof state);
  pl_wipe(tag, sizeof tag);
  return ok;
}
