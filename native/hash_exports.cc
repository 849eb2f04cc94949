#include "hash_exports.h"

#include <algorithm>

#include "environment.h"
#include "sha256.h"

namespace {

constexpr size_t kDigest = 32, kLongestKey = 64;

// sha256OfScratch(length)
napi_value sha256_of_scratch(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  Environment *here = environment(env);
  const size_t length = args.number(0);
  if (args.ok() && length > kArguments) args.fail_range();
  if (!args.ok()) return nullptr;
  ScratchArguments given(here, length);
  sha256_state state;
  sha256_init(&state);
  sha256_update(&state, given.take(length), length);
  sha256_final(&state, here->scratch);
  return nullptr;
}

// RFC 5869, section 2.3.
void expand(const uint8_t key[kDigest], const uint8_t *info, size_t info_length, uint8_t *out, size_t length) {
  uint8_t block[kDigest];
  size_t made = 0;
  for (uint8_t count = 1; made < length; count++) {
    hmac_sha256_state mac;
    hmac_sha256_init(&mac, key, kDigest);
    if (count > 1) hmac_sha256_update(&mac, block, kDigest);
    hmac_sha256_update(&mac, info, info_length);
    hmac_sha256_update(&mac, &count, 1);
    hmac_sha256_final(&mac, block);
    const size_t part = std::min(kDigest, length - made);
    memcpy(out + made, block, part);
    made += part;
  }
  pl_wipe(block, sizeof block);
}

// hkdfSha256OfScratch(length, secretLength, saltLength, infoLength), of secret || salt || info: `length` bytes. The salt has
// at most 64.
napi_value hkdf_sha256_of_scratch(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  Environment *here = environment(env);
  const size_t length = args.number(0), secret_length = args.number(1), salt_length = args.number(2);
  const size_t info_length = args.number(3), given_length = secret_length + salt_length + info_length;
  if (args.ok() && (given_length > kArguments || salt_length > kLongestKey || length > kArguments ||
                    length > 255 * kDigest)) {
    args.fail_range();
  }
  if (!args.ok()) return nullptr;
  ScratchArguments given(here, given_length);
  const uint8_t *const secret = given.take(secret_length), *const salt = given.take(salt_length);
  uint8_t key[kDigest];
  hmac_sha256_state mac;
  hmac_sha256_init(&mac, salt, salt_length);
  hmac_sha256_update(&mac, secret, secret_length);
  hmac_sha256_final(&mac, key);
  expand(key, given.take(info_length), info_length, here->scratch, length);
  pl_wipe(key, sizeof key);
  return nullptr;
}

}  // namespace

const Export hash_exports[2] = {
    {"sha256OfScratch", sha256_of_scratch},
    {"hkdfSha256OfScratch", hkdf_sha256_of_scratch},
};
