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

}  // namespace

const Export aes_exports[3] = {
    {"aes128CtrOfScratch", aes128_ctr_of_scratch},
    {"gcmSealOfScratch", gcm_seal_of_scratch},
    {"gcmOpenOfScratch", gcm_open_of_scratch},
};
