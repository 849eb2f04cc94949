// The addon's exports: arguments in, one call of an algorithm, results out. `scratch` is a small array that both sides
// see: results of a fixed size go into its first half, and what the exports `...OfScratch` read lies in its second. To
// copy some bytes into and out of it is faster than to look into arrays and to make them here; of short ones V8 would
// have to move the bytes out of its heap first.
#include <napi.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "arguments.h"
#include "cpu.h"
#include "curve.h"
#include "ecies.h"
#include "envelope.h"
#include "frame.h"
#include "keccak.h"
#include "lanes.h"
#include "snappy.h"

namespace {

constexpr size_t kArguments = 4096;
constexpr size_t kScratch = 2 * kArguments;
// The slot of a session that is wiped, for all that are over.
constexpr uint32_t kDisposed = 0;
// Room for compressed payloads above this is not kept from one call to the next.
constexpr size_t kKeptBlocks = 1024 * 1024;
// Bytes of the envelopes of one call, of which there are copies while it is worked.
constexpr size_t kMaxEnvelopes = 4 * 1024 * 1024;
// In place of the length of a staged payload: DIRECT in src/crypto/backend.ts.
constexpr uint32_t kDirect = UINT32_MAX, kDirectBlock = UINT32_MAX - 1;

// A session of its own allocation, so that its secrets are never copied about, and are overwritten at its end.
struct Session {
  frame_session state;
  // Number of the call of decodeMany that it was last in.
  uint64_t decoded_in = 0;
  ~Session() { frame_wipe(&state); }
};

// What belongs to one JavaScript environment (the main thread or a worker). Sessions are named by their slot.
struct Environment {
  uint8_t *scratch = nullptr;
  Napi::Reference<Napi::Uint8Array> scratch_reference;
  std::vector<std::unique_ptr<Session>> sessions;
  std::vector<uint32_t> free_slots;
  // Kept between calls for their memory only.
  std::vector<napi_value> values;
  std::vector<encode_lane> encode_lanes;
  std::vector<decode_lane> decode_lanes;
  std::vector<uint8_t> blocks;
  std::vector<uint32_t> table;
  uint64_t decode_calls = 0;
};

Environment *environment(napi_env env) { return Napi::Env(env).GetInstanceData<Environment>(); }

napi_value boolean(napi_env env, bool value) {
  napi_value result = nullptr;
  napi_get_boolean(env, value, &result);
  return result;
}

napi_value number(napi_env env, size_t value) {
  napi_value result = nullptr;
  napi_create_uint32(env, static_cast<uint32_t>(value), &result);
  return result;
}

Session *slot_of(Arguments *args, Environment *here, uint32_t slot) {
  if (!args->ok()) return nullptr;
  if (slot < here->sessions.size() && here->sessions[slot]) return here->sessions[slot].get();
  args->fail_type("not a frame session");
  return nullptr;
}

frame_session *session_of(Arguments *args, Environment *here, uint32_t slot) {
  Session *session = slot_of(args, here, slot);
  return session == nullptr ? nullptr : &session->state;
}

// The session of a lane to decode. Its lanes would work side by side on one state, so it may have one only.
frame_session *decoding_session_of(Arguments *args, Environment *here, uint32_t slot) {
  Session *session = slot_of(args, here, slot);
  if (session == nullptr) return nullptr;
  if (session->decoded_in == here->decode_calls && slot != kDisposed) args->fail_type("a frame session is in two lanes");
  session->decoded_in = here->decode_calls;
  return &session->state;
}

// The arguments in scratch, which hold secrets: they are overwritten when the call is over.
class ScratchArguments {
 public:
  ScratchArguments(Environment *here, size_t length) : data_(here->scratch + kArguments), length_(length) {}
  ~ScratchArguments() { pl_wipe(data_, length_); }
  ScratchArguments(const ScratchArguments &) = delete;
  ScratchArguments &operator=(const ScratchArguments &) = delete;
  // The next `length` bytes.
  uint8_t *take(size_t length) {
    uint8_t *taken = data_ + taken_;
    taken_ += length;
    return taken;
  }

 private:
  uint8_t *data_;
  size_t length_, taken_ = 0;
};

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

// A new session's slot.
napi_value session_from(napi_env env, const uint8_t *aes_secret, const uint8_t *mac_secret, Bytes egress,
                        Bytes ingress) {
  Environment *here = environment(env);
  uint32_t slot = static_cast<uint32_t>(here->sessions.size());
  if (here->free_slots.empty()) {
    here->sessions.emplace_back();
  } else {
    slot = here->free_slots.back();
    here->free_slots.pop_back();
  }
  here->sessions[slot] = std::make_unique<Session>();
  frame_session *session = &here->sessions[slot]->state;
  frame_init(session, aes_secret, mac_secret);
  frame_seed(&session->egress, egress.data, egress.length);
  frame_seed(&session->ingress, ingress.data, ingress.length);
  return number(env, slot);
}

// createSession(aesSecret, macSecret, egressSeed, ingressSeed): its slot
napi_value create_session(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const Bytes aes_secret = args.bytes_exactly(0, 32), mac_secret = args.bytes_exactly(1, 32);
  const Bytes egress = args.bytes(2), ingress = args.bytes(3);
  return args.ok() ? session_from(env, aes_secret.data, mac_secret.data, egress, ingress) : nullptr;
}

// createSessionOfScratch(egressSeedLength, ingressSeedLength), of aesSecret || macSecret || egressSeed || ingressSeed
napi_value create_session_of_scratch(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const size_t egress_length = args.number(0), ingress_length = args.number(1);
  const size_t length = 64 + egress_length + ingress_length;
  if (args.ok() && length > kArguments) args.fail_range();
  if (!args.ok()) return nullptr;
  ScratchArguments given(environment(env), length);
  const uint8_t *const aes_secret = given.take(32), *const mac_secret = given.take(32);
  const Bytes egress = {given.take(egress_length), egress_length};
  const Bytes ingress = {given.take(ingress_length), ingress_length};
  return session_from(env, aes_secret, mac_secret, egress, ingress);
}

// configureSession(slot, snappy, maxFrameSize)
napi_value configure_session(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const uint32_t slot = args.number(0);
  frame_session *session = session_of(&args, environment(env), slot);
  const bool snappy = args.boolean(1);
  const uint32_t max_frame_size = args.number(2);
  if (args.ok() && slot == kDisposed) args.fail_range();
  if (!args.ok()) return nullptr;
  session->snappy = snappy;
  session->max_frame_size = max_frame_size;
  return nullptr;
}

// freeSession(slot): overwrites the secrets; the slot names a later session.
napi_value free_session(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  Environment *here = environment(env);
  const uint32_t slot = args.number(0);
  session_of(&args, here, slot);
  if (args.ok() && slot == kDisposed) args.fail_range();
  if (!args.ok()) return nullptr;
  here->sessions[slot].reset();
  here->free_slots.push_back(slot);
  return nullptr;
}

// encodeMany(slots, codes, payloads, out, lanes, staged, places): as many lanes as there are codes. Each has the next of
// `payloads`, or, where places[2 * lane + 1] is neither kDirect nor kDirectBlock, so many bytes of `staged` from places[2 * lane] on: to look
// into an array takes longer than to copy a short one. Without places all are in `payloads`.
napi_value encode_many(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  Environment *here = environment(env);
  std::vector<napi_value> payloads = std::move(here->values);
  args.elements(2, &payloads);
  std::vector<encode_lane> &lanes = here->encode_lanes;
  Bytes written = {}, code_bytes = {}, place_bytes = {};
  const uint32_t *codes = args.words(1, 0, &code_bytes);
  const size_t count = code_bytes.length / sizeof *codes;
  const uint32_t *slots = args.words(0, count);
  const Bytes out = args.bytes(3), staged = args.bytes(5);
  uint32_t *results = args.words(4, ENCODE_LANE_WORDS * count, &written);
  const uint32_t *places = args.words(6, 0, &place_bytes);
  const bool some_staged = place_bytes.length > 0;
  if (some_staged && place_bytes.length / sizeof *places < 2 * count) args.fail_range();
  for (const Bytes &read : {staged, code_bytes, place_bytes}) {
    args.apart(out, read);
    args.apart(written, read);
  }
  args.apart(out, written);
  lanes.clear();
  size_t direct = 0;
  for (size_t i = 0; args.ok() && i < count; i++) {
    encode_lane lane = {};
    const uint32_t place = some_staged ? places[2 * i + 1] : kDirect;
    lane.is_block = place == kDirectBlock;
    if (place != kDirect && place != kDirectBlock) {
      const size_t at = places[2 * i], length = places[2 * i + 1];
      if (at > staged.length || length > staged.length - at) args.fail_range();
      lane.payload = staged.data + at;
      lane.length = length;
    } else if (direct < payloads.size()) {
      const Bytes payload = args.bytes_of(payloads[direct++]);
      args.apart(out, payload);
      args.apart(written, payload);
      lane.payload = payload.data;
      lane.length = payload.length;
    } else {
      args.fail_range();
    }
    lane.session = session_of(&args, here, slots[i]);
    lane.code = codes[i];
    lanes.push_back(lane);
  }
  if (args.ok() && (direct < payloads.size() || lanes_encode_bound(lanes.data(), count) > out.length)) args.fail_range();
  if (args.ok()) {
    const size_t table = lanes_table_size(count);
    if (here->table.size() < table) here->table.resize(table);
    const size_t shared = lanes_share(lanes.data(), count, here->table.data());
    if (here->blocks.size() < shared) here->blocks.resize(shared);
    lanes_encode(lanes.data(), count, here->blocks.data(), out.data, results);
    if (here->blocks.size() > kKeptBlocks) here->blocks = std::vector<uint8_t>();
  }
  here->values = std::move(payloads);
  return nullptr;
}

// decodeMany(slots, inputs, out, inlineLimit, lanes, messages): number of messages
napi_value decode_many(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  Environment *here = environment(env);
  std::vector<napi_value> inputs = std::move(here->values);
  args.elements(1, &inputs);
  const size_t count = inputs.size();
  std::vector<decode_lane> &lanes = here->decode_lanes;
  Bytes written = {}, words = {};
  size_t messages = 0;
  const uint32_t *slots = args.words(0, count);
  const Bytes out = args.bytes(2);
  const uint32_t inline_limit = args.number(3);
  uint32_t *results = args.words(4, DECODE_LANE_WORDS * count, &written);
  uint32_t *table = args.words(5, 0, &words);
  args.apart(out, written);
  args.apart(out, words);
  args.apart(written, words);
  lanes.clear();
  here->decode_calls++;
  for (size_t i = 0; args.ok() && i < count; i++) {
    const Bytes input = args.bytes_of(inputs[i]);
    // An input is written, too.
    for (const Bytes &other : {out, written, words}) args.apart(input, other);
    lanes.push_back({decoding_session_of(&args, here, slots[i]), input.data, input.length, 0, 0, 0, FRAME_OK});
  }
  if (args.ok()) {
    messages = lanes_decode(lanes.data(), count, out.data, out.length, inline_limit, results, table,
                            words.length / sizeof *table / DECODE_MESSAGE_WORDS);
  }
  here->values = std::move(inputs);
  return args.ok() ? number(env, messages) : nullptr;
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

// What the exports for envelopes are called with: the inputs one behind another, the length of each, how many of them,
// the first ones, are to be opened, and the key for the others.
struct Envelopes {
  Bytes inputs, secret_key;
  const uint32_t *lengths;
  size_t count, opens, out_length;
};

Envelopes envelopes_of(Arguments *args) {
  Envelopes found = {};
  Bytes words = {};
  found.inputs = args->bytes(0);
  found.lengths = args->words(1, 0, &words);
  found.opens = args->number(2);
  found.secret_key = args->bytes_exactly(3, 32);
  found.count = words.length / sizeof *found.lengths;
  if (args->ok() && (found.opens > found.count || found.inputs.length > kMaxEnvelopes)) args->fail_range();
  size_t rest = found.inputs.length;
  for (size_t i = 0; args->ok() && i < found.count; i++) {
    const size_t length = found.lengths[i];
    if (length > rest || (i < found.opens && length < ENVELOPE_HEAD)) args->fail_range();
    rest -= length;
    found.out_length += i < found.opens ? ENVELOPE_OPENED : ENVELOPE_HEAD + length;
  }
  if (args->ok() && rest > 0) args->fail_range();
  return found;
}

// envelopes(inputs, lengths, opens, secretKey, out): whether the key is one; `out` as envelopes_work says
napi_value envelopes(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const Envelopes given = envelopes_of(&args);
  const Bytes out = args.bytes_exactly(4, given.out_length);
  args.apart(out, given.inputs);
  args.apart(out, given.secret_key);
  args.apart(out, {reinterpret_cast<uint8_t *>(const_cast<uint32_t *>(given.lengths)), given.count * sizeof(uint32_t)});
  if (!args.ok()) return nullptr;
  return boolean(env, envelopes_work(given.inputs.data, given.lengths, given.count, given.opens, given.secret_key.data,
                                     out.data));
}

// Work for a thread of libuv's pool. It has copies of all that it needs, so that nothing that JavaScript does meanwhile
// matters to it, and touches nothing of the environment, which may end before it does.
struct EnvelopeWork {
  std::vector<uint8_t> inputs, out;
  std::vector<uint32_t> lengths;
  size_t opens = 0;
  uint8_t secret_key[32];
  bool ok = false;
  napi_async_work work = nullptr;
  napi_deferred deferred = nullptr;
  ~EnvelopeWork() { pl_wipe(secret_key, sizeof secret_key); }
};

void execute_envelopes(napi_env, void *data) {
  auto *work = static_cast<EnvelopeWork *>(data);
  work->ok = envelopes_work(work->inputs.data(), work->lengths.data(), work->lengths.size(), work->opens,
                            work->secret_key, work->out.data()) == 1;
}

// Also called when the environment ends, where nobody takes a result any more: then the calls here fail, and that is all.
void complete_envelopes(napi_env env, napi_status status, void *data) {
  const std::unique_ptr<EnvelopeWork> work(static_cast<EnvelopeWork *>(data));
  napi_delete_async_work(env, work->work);
  napi_value result = nullptr, buffer = nullptr;
  void *bytes = nullptr;
  if (napi_create_arraybuffer(env, work->out.size(), &bytes, &buffer) != napi_ok) return;
  if (status == napi_ok && work->ok) {
    std::copy(work->out.begin(), work->out.end(), static_cast<uint8_t *>(bytes));
    if (napi_create_typedarray(env, napi_uint8_array, work->out.size(), buffer, 0, &result) != napi_ok) return;
  } else if (napi_get_undefined(env, &result) != napi_ok) {
    return;
  }
  napi_resolve_deferred(env, work->deferred, result);
}

// envelopesBeside(inputs, lengths, opens, secretKey): a promise of `out`, undefined if the key is none
napi_value envelopes_beside(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  const Envelopes given = envelopes_of(&args);
  if (!args.ok()) return nullptr;
  auto work = std::make_unique<EnvelopeWork>();
  // Even of nothing there is an address.
  work->inputs.reserve(1);
  work->inputs.assign(given.inputs.data, given.inputs.data + given.inputs.length);
  work->lengths.assign(given.lengths, given.lengths + given.count);
  work->out.resize(given.out_length);
  work->opens = given.opens;
  std::copy_n(given.secret_key.data, sizeof work->secret_key, work->secret_key);
  napi_value name = nullptr, promise = nullptr;
  if (napi_create_string_utf8(env, "peerlane", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_async_work(env, nullptr, name, execute_envelopes, complete_envelopes, work.get(), &work->work) !=
          napi_ok) {
    return nullptr;
  }
  if (napi_create_promise(env, &work->deferred, &promise) != napi_ok ||
      napi_queue_async_work(env, work->work) != napi_ok) {
    napi_delete_async_work(env, work->work);
    return nullptr;
  }
  // From now on it belongs to complete_envelopes.
  work.release();
  return promise;
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
  const std::pair<const char *, napi_callback> functions[] = {
      {"keccak256OfScratch", keccak256_of_scratch},
      {"keccak256", keccak256},
      {"keccak256Many", keccak256_many},
      {"publicKeyOfScratch", public_key_of_scratch},
      {"signOfScratch", sign_of_scratch},
      {"recoverOfScratch", recover_of_scratch},
      {"ecdhOfScratch", ecdh_of_scratch},
      {"eciesEncrypt", ecies_encrypt_export},
      {"eciesEncryptOfScratch", ecies_encrypt_of_scratch},
      {"eciesDecrypt", ecies_decrypt_export},
      {"eciesDecryptOfScratch", ecies_decrypt_of_scratch},
      {"envelopes", envelopes},
      {"envelopesBeside", envelopes_beside},
      {"createSession", create_session},
      {"createSessionOfScratch", create_session_of_scratch},
      {"configureSession", configure_session},
      {"freeSession", free_session},
      {"encodeMany", encode_many},
      {"decodeMany", decode_many},
      {"snappyCompress", snappy_compress_export},
      {"snappyUncompress", snappy_uncompress_export},
  };
  for (const auto &[name, callback] : functions) {
    napi_value function = nullptr;
    if (napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function) != napi_ok) return nullptr;
    exports.Set(name, Napi::Value(env, function));
  }
  return exports;
}

}  // namespace

NAPI_MODULE_INIT() { return init(env, exports); }
