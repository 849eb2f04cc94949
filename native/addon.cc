// The addon's exports: arguments in, one call of an algorithm, results out. Those on frames and envelopes are in
// files of their own.
#include <napi.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aes_exports.h"
#include "arguments.h"
#include "cpu.h"
#include "curve.h"
#include "ecies.h"
#include "envelope_exports.h"
#include "environment.h"
#include "frame_exports.h"
#include "gcm.h"
#include "hash_exports.h"
#include "keccak.h"
#include "sha256.h"
#include "snappy.h"

namespace {

// keccak256OfScratch(length)
napi_value keccak256_of_scratch(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  Environment *here = environment(env);
  const uint32_t length = args.number(0);
  if (args.ok() && length > kArguments) args.fail_range();
  if (!args.ok()) return nullptr;
  ScratchArguments given(here, length);
  keccak_state state;
  keccak_init(&state);
  keccak_update(&state, given.take(length), length);
  keccak_digest(&state, here->scratch);
  return nullptr;
}

// keccak256(parts): to scratch.
napi_value keccak256(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  Environment *here = environment(env);
  std::vector<napi_value> parts = std::move(here->values);
  args.elements(0, &parts);
  keccak_state state;
  keccak_init(&state);
  for (napi_value part : parts) {
    const Bytes bytes = args.bytes_of(part, 0, Shared::kAllowed);
    if (!args.ok()) break;
    keccak_update(&state, bytes.data, bytes.length);
  }
  if (args.ok()) keccak_digest(&state, here->scratch);
  here->values = std::move(parts);
  return nullptr;
}

// keccak256Many(inputs, out)
napi_value keccak256_many(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  Environment *here = environment(env);
  std::vector<napi_value> inputs = std::move(here->values);
  args.elements(0, &inputs);
  const Bytes out = args.bytes(1, inputs.size() * KECCAK_DIGEST);
  for (size_t i = 0; i < inputs.size(); i++) {
    const Bytes input = args.bytes_of(inputs[i], 0, Shared::kAllowed);
    args.apart(out, input);
    if (!args.ok()) break;
    keccak_state state;
    keccak_init(&state);
    keccak_update(&state, input.data, input.length);
    keccak_digest(&state, out.data + i * KECCAK_DIGEST);
  }
  here->values = std::move(inputs);
  return nullptr;
}

// publicKeyOfScratch(), of secretKey: 64 bytes; whether the key is one.
napi_value public_key_of_scratch(napi_env env, napi_callback_info) {
  Environment *here = environment(env);
  ScratchArguments given(here, 32);
  return boolean(env, curve_public_key(given.take(32), here->scratch));
}

// signOfScratch(), of digest || secretKey: 65 bytes
napi_value sign_of_scratch(napi_env env, napi_callback_info) {
  Environment *here = environment(env);
  ScratchArguments given(here, 64);
  const uint8_t *const digest = given.take(32), *const secret_key = given.take(32);
  return boolean(env, curve_sign(digest, secret_key, here->scratch));
}

// recoverOfScratch(), of digest || signature: 64 bytes
napi_value recover_of_scratch(napi_env env, napi_callback_info) {
  Environment *here = environment(env);
  ScratchArguments given(here, 97);
  const uint8_t *const digest = given.take(32), *const signature = given.take(65);
  return boolean(env, curve_recover(digest, signature, here->scratch));
}

// ecdhOfScratch(), of secretKey || publicKey: 32 bytes
napi_value ecdh_of_scratch(napi_env env, napi_callback_info) {
  Environment *here = environment(env);
  ScratchArguments given(here, 96);
  const uint8_t *const secret_key = given.take(32), *const public_key = given.take(64);
  return boolean(env, curve_ecdh(secret_key, public_key, here->scratch));
}

// sharedPointOfScratch(), of secretKey || publicKey: 33 bytes
napi_value shared_point_of_scratch(napi_env env, napi_callback_info) {
  Environment *here = environment(env);
  ScratchArguments given(here, 96);
  const uint8_t *const secret_key = given.take(32), *const public_key = given.take(64);
  return boolean(env, curve_shared_point(secret_key, public_key, here->scratch));
}

// verifyOfScratch(), of digest || signature without recovery id || publicKey
napi_value verify_of_scratch(napi_env env, napi_callback_info) {
  Environment *here = environment(env);
  ScratchArguments given(here, 160);
  const uint8_t *const digest = given.take(32), *const signature = given.take(64), *const key = given.take(64);
  return boolean(env, curve_verify(digest, signature, key));
}

// decompressOfScratch(), of 33 bytes: 64 bytes
napi_value decompress_of_scratch(napi_env env, napi_callback_info) {
  Environment *here = environment(env);
  ScratchArguments given(here, 33);
  return boolean(env, curve_decompress(given.take(33), here->scratch));
}

// eciesEncryptOfScratch(plaintextLength, authDataLength), of publicKey || ephemeralKey || iv || plaintext || authData
napi_value ecies_encrypt_of_scratch(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  Environment *here = environment(env);
  const size_t plaintext_length = args.number(0), auth_length = args.number(1);
  const size_t length = 64 + 32 + 16 + plaintext_length + auth_length;
  if (args.ok() && (length > kArguments || plaintext_length + ECIES_OVERHEAD > kArguments)) args.fail_range();
  if (!args.ok()) return nullptr;
  ScratchArguments given(here, length);
  const uint8_t *const key = given.take(64), *const ephemeral = given.take(32), *const iv = given.take(16);
  const ecies_bytes plaintext = {given.take(plaintext_length), plaintext_length};
  const ecies_bytes auth_data = {given.take(auth_length), auth_length};
  return boolean(env, ecies_encrypt(key, ephemeral, iv, plaintext, auth_data, here->scratch));
}

// eciesDecryptOfScratch(packetLength, authDataLength), of secretKey || packet || authData
napi_value ecies_decrypt_of_scratch(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  Environment *here = environment(env);
  const size_t packet_length = args.number(0), auth_length = args.number(1);
  const size_t length = 32 + packet_length + auth_length;
  if (args.ok() && (length > kArguments || packet_length < ECIES_OVERHEAD)) args.fail_range();
  if (!args.ok()) return nullptr;
  ScratchArguments given(here, length);
  const uint8_t *const key = given.take(32);
  const ecies_bytes packet = {given.take(packet_length), packet_length};
  const ecies_bytes auth_data = {given.take(auth_length), auth_length};
  return boolean(env, ecies_decrypt(key, packet, auth_data, here->scratch));
}

// eciesEncrypt(publicKey, ephemeralKey, iv, plaintext, authData, packet)
napi_value ecies_encrypt_export(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const Bytes key = args.bytes_exactly(0, 64), ephemeral = args.bytes_exactly(1, 32), iv = args.bytes_exactly(2, 16);
  const Bytes plaintext = args.bytes(3), auth_data = args.bytes(4);
  const Bytes packet = args.bytes_exactly(5, plaintext.length + ECIES_OVERHEAD);
  for (const Bytes &read : {key, ephemeral, iv, plaintext, auth_data}) args.apart(packet, read);
  if (!args.ok()) return nullptr;
  return boolean(env, ecies_encrypt(key.data, ephemeral.data, iv.data, {plaintext.data, plaintext.length},
                                    {auth_data.data, auth_data.length}, packet.data));
}

// eciesDecrypt(secretKey, packet, authData, plaintext)
napi_value ecies_decrypt_export(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const Bytes key = args.bytes_exactly(0, 32), packet = args.bytes(1, ECIES_OVERHEAD), auth_data = args.bytes(2);
  if (!args.ok()) return nullptr;
  const Bytes plaintext = args.bytes_exactly(3, packet.length - ECIES_OVERHEAD);
  for (const Bytes &read : {key, packet, auth_data}) args.apart(plaintext, read);
  if (!args.ok()) return nullptr;
  return boolean(env, ecies_decrypt(key.data, {packet.data, packet.length}, {auth_data.data, auth_data.length},
                                    plaintext.data));
}

// snappyCompress(input, out): length of the block
napi_value snappy_compress_export(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const Bytes input = args.bytes(0), out = args.bytes(1, snappy_bound(input.length));
  args.apart(out, input);
  return args.ok() ? number(env, snappy_compress(input.data, input.length, out.data)) : nullptr;
}

// snappyUncompress(input, out)
napi_value snappy_uncompress_export(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const Bytes input = args.bytes(0), out = args.bytes(1);
  args.apart(out, input);
  return args.ok() ? boolean(env, snappy_uncompress(input.data, input.length, out.data, out.length)) : nullptr;
}

// Which instructions do the work, chosen once for the process; why they cannot, if they cannot.
struct Choice {
  std::string detail, unusable;
};

Choice choose() {
  const char *forced = std::getenv("PEERLANE_CPU");
  if (forced != nullptr && *forced == '\0') forced = nullptr;
  const char *tier = keccak_select(forced);
  if ((cpu_features() & CPU_AES) == 0) return {"", "this CPU has no AES instructions"};
  if (tier == nullptr) {
    return {"", "PEERLANE_CPU=" + std::string(forced) + " is not one of " + keccak_tiers + ", or this CPU lacks it"};
  }
  // Only the tier of the widest registers: those below are for CPUs without them.
  const bool vaes = std::string(tier) == "avx512" && (cpu_features() & CPU_VAES512) != 0;
  aes_select(vaes);
  // The lowest tier is one without these, too.
  const bool scalar = std::string(tier) == "scalar";
  gcm_select((cpu_features() & CPU_CLMUL) != 0 && !scalar);
  sha256_select((cpu_features() & CPU_SHA256) != 0 && !scalar);
  return {"Keccak " + std::string(tier) + (vaes ? ", VAES, " : ", AES instructions, ") + curve_library, ""};
}

// Shared memory, where there is some: it cannot be detached, so that its address holds as long as the environment.
Napi::Uint8Array make_scratch(Napi::Env env) {
  const Napi::Value constructor = env.Global().Get("SharedArrayBuffer"), array = env.Global().Get("Uint8Array");
  if (constructor.IsFunction() && array.IsFunction()) {
    const Napi::Value buffer = constructor.As<Napi::Function>().New({Napi::Number::New(env, kScratch)});
    const Napi::Value view = array.As<Napi::Function>().New({buffer});
    if (view.IsTypedArray() && view.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array &&
        view.As<Napi::TypedArray>().ByteLength() == kScratch) {
      return view.As<Napi::Uint8Array>();
    }
  }
  if (env.IsExceptionPending()) env.GetAndClearPendingException();
  return Napi::Uint8Array::New(env, kScratch);
}

napi_value init(napi_env raw_env, napi_value raw_exports) {
  static const Choice choice = choose();
  const Napi::Env env(raw_env);
  Napi::Object exports(env, raw_exports);
  exports.Set("detail", choice.detail);
  if (!choice.unusable.empty()) {
    exports.Set("unusable", choice.unusable);
    return exports;
  }
  auto *here = new Environment();
  here->sessions.push_back(std::make_unique<Session>());
  frame_wipe(&here->sessions[kDisposed]->state);
  env.SetInstanceData(here);
  Napi::Uint8Array scratch = make_scratch(env);
  here->scratch = scratch.Data();
  here->scratch_reference = Napi::Persistent(scratch);
  here->scratch_reference.SuppressDestruct();
  exports.Set("scratch", scratch);
  std::vector<Export> functions = {
      {"keccak256OfScratch", keccak256_of_scratch},
      {"keccak256", keccak256},
      {"keccak256Many", keccak256_many},
      {"publicKeyOfScratch", public_key_of_scratch},
      {"signOfScratch", sign_of_scratch},
      {"recoverOfScratch", recover_of_scratch},
      {"ecdhOfScratch", ecdh_of_scratch},
      {"sharedPointOfScratch", shared_point_of_scratch},
      {"verifyOfScratch", verify_of_scratch},
      {"decompressOfScratch", decompress_of_scratch},
      {"eciesEncrypt", ecies_encrypt_export},
      {"eciesEncryptOfScratch", ecies_encrypt_of_scratch},
      {"eciesDecrypt", ecies_decrypt_export},
      {"eciesDecryptOfScratch", ecies_decrypt_of_scratch},
      {"snappyCompress", snappy_compress_export},
      {"snappyUncompress", snappy_uncompress_export},
  };
  functions.insert(functions.end(), std::begin(frame_exports), std::end(frame_exports));
  functions.insert(functions.end(), std::begin(envelope_exports), std::end(envelope_exports));
  functions.insert(functions.end(), std::begin(aes_exports), std::end(aes_exports));
  functions.insert(functions.end(), std::begin(hash_exports), std::end(hash_exports));
  for (const auto &[name, callback] : functions) {
    napi_value function = nullptr;
    if (napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function) != napi_ok) return nullptr;
    exports.Set(name, Napi::Value(env, function));
  }
  return exports;
}

}  // namespace

NAPI_MODULE_INIT() { return init(env, exports); }
