#include "aes_exports.h"

#include "aes.h"
#include "environment.h"
#include "gcm.h"

namespace {

// aes128CtrOfScratch(length), of key || iv || message
napi_value aes128_ctr_of_scratch(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  Environment *here = environment(env);
  const size_t length = args.number(0), given_length = 16 + 16 + length;
  if (args.ok() && given_length > kArguments) args.fail_range();
  if (!args.ok()) return nullptr;
  ScratchArguments given(here, given_length);
  aes_key key;
  aes128_expand(&key, given.take(16));
  aes_counter counter = aes_counter_from(given.take(16));
  aes_ctr(&key, &counter, given.take(length), here->scratch, length);
  pl_wipe(&key, sizeof key);
  return nullptr;
}

// gcmSealOfScratch(plaintextLength, authDataLength), of key || nonce || plaintext || authData
napi_value gcm_seal_of_scratch(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  Environment *here = environment(env);
  const size_t plaintext_length = args.number(0), auth_length = args.number(1);
  const size_t length = 16 + GCM_NONCE + plaintext_length + auth_length;
  if (args.ok() && (length > kArguments || plaintext_length + GCM_TAG > kArguments)) args.fail_range();
  if (!args.ok()) return nullptr;
  ScratchArguments given(here, length);
  const uint8_t *const key = given.take(16), *const nonce = given.take(GCM_NONCE);
  const gcm_bytes plaintext = {given.take(plaintext_length), plaintext_length};
  const gcm_bytes auth_data = {given.take(auth_length), auth_length};
  gcm_seal(key, nonce, plaintext, auth_data, here->scratch);
  return nullptr;
}

// gcmOpenOfScratch(sealedLength, authDataLength), of key || nonce || sealed || authData; whether it was sealed so
napi_value gcm_open_of_scratch(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  Environment *here = environment(env);
  const size_t sealed_length = args.number(0), auth_length = args.number(1);
  const size_t length = 16 + GCM_NONCE + sealed_length + auth_length;
  if (args.ok() && (length > kArguments || sealed_length < GCM_TAG)) args.fail_range();
  if (!args.ok()) return nullptr;
  ScratchArguments given(here, length);
  const uint8_t *const key = given.take(16), *const nonce = given.take(GCM_NONCE);
  const gcm_bytes sealed = {given.take(sealed_length), sealed_length};
  const gcm_bytes auth_data = {given.take(auth_length), auth_length};
  return boolean(env, gcm_open(key, nonce, sealed, auth_data, here->scratch));
}

// Where the nonce is in a packet of discovery v5: behind masking-iv, protocol-id, version and flag.
constexpr size_t kIv = 16, kNonceAt = kIv + 6 + 2 + 1, kLeastHead = kNonceAt + GCM_NONCE + 2;

// Masks or unmasks what is behind the IV. The key is the beginning of a node id.
void mask(const uint8_t *id, const uint8_t *head, size_t length, uint8_t *out) {
  aes_key key;
  aes128_expand(&key, id);
  aes_counter counter = aes_counter_from(head);
  memcpy(out, head, kIv);
  aes_ctr(&key, &counter, head + kIv, out + kIv, length - kIv);
}

// sealPacketOfScratch(headLength, plaintextLength), of destId || key || head || plaintext: the packet
napi_value seal_packet_of_scratch(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  Environment *here = environment(env);
  const size_t head_length = args.number(0), plaintext_length = args.number(1);
  const size_t length = 32 + 16 + head_length + plaintext_length;
  if (args.ok() && (length > kArguments || head_length < kLeastHead)) args.fail_range();
  if (!args.ok()) return nullptr;
  ScratchArguments given(here, length);
  const uint8_t *const id = given.take(32), *const key = given.take(16), *const head = given.take(head_length);
  const gcm_bytes plaintext = {given.take(plaintext_length), plaintext_length};
  gcm_seal(key, head + kNonceAt, plaintext, {head, head_length}, here->scratch + head_length);
  mask(id, head, head_length, here->scratch);
  return nullptr;
}

// unmaskOfScratch(end, packetLength), of localId || packet: its first bytes, unmasked
napi_value unmask_of_scratch(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  Environment *here = environment(env);
  const size_t end = args.number(0), packet_length = args.number(1), length = 32 + packet_length;
  if (args.ok() && (length > kArguments || end < kIv || end > packet_length)) args.fail_range();
  if (!args.ok()) return nullptr;
  ScratchArguments given(here, length);
  const uint8_t *const id = given.take(32);
  mask(id, given.take(packet_length), end, here->scratch);
  return nullptr;
}

}  // namespace

const Export aes_exports[5] = {
    {"aes128CtrOfScratch", aes128_ctr_of_scratch},
    {"gcmSealOfScratch", gcm_seal_of_scratch},
    {"gcmOpenOfScratch", gcm_open_of_scratch},
    {"sealPacketOfScratch", seal_packet_of_scratch},
    {"unmaskOfScratch", unmask_of_scratch},
};
