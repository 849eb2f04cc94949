// The exports that work on frames. Sessions are named by their slots.
#include "frame_exports.h"

#include <initializer_list>
#include <utility>

#include "environment.h"

namespace {

// Room for compressed payloads above this is not kept from one call to the next.
constexpr size_t kKeptBlocks = 1024 * 1024;
// In place of the length of a staged payload: DIRECT in src/crypto/backend.ts.
constexpr uint32_t kDirect = UINT32_MAX, kDirectBlock = UINT32_MAX - 1;

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

// The pieces of each lane's input: lane i has the next counts[i] of `pieces`.
void take_pieces(Arguments *args, const std::vector<napi_value> &pieces, const uint32_t *counts,
                 const std::initializer_list<Bytes> &written, Environment *here) {
  std::vector<decode_lane> &lanes = here->decode_lanes;
  std::vector<frame_piece> &taken = here->pieces;
  taken.clear();
  for (napi_value piece : pieces) {
    const Bytes bytes = args->bytes_of(piece);
    for (const Bytes &other : written) args->apart(other, bytes);
    if (!args->ok()) return;
    taken.push_back({bytes.data, bytes.length});
  }
  size_t next = 0;
  for (size_t i = 0; i < lanes.size(); i++) {
    size_t length = 0;
    if (counts[i] > taken.size() - next) return args->fail_range();
    lanes[i].pieces = taken.data() + next;
    lanes[i].piece_count = counts[i];
    for (uint32_t k = 0; k < counts[i]; k++) length += taken[next++].length;
    if (counts[i] > 0 && length != lanes[i].length) return args->fail_range();
  }
  if (next != taken.size()) args->fail_range();
}

// decodeMany(slots, inputs, out, inlineLimit, lanes, messages, pieces, counts): number of messages. Where counts[i] is
// not zero, the bytes of input i are in so many of `pieces`, and not in the input yet. Without counts all are.
napi_value decode_many(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  Environment *here = environment(env);
  std::vector<napi_value> inputs = std::move(here->values), pieces = std::move(here->more_values);
  args.elements(1, &inputs);
  args.elements(6, &pieces);
  const size_t count = inputs.size();
  std::vector<decode_lane> &lanes = here->decode_lanes;
  Bytes written = {}, words = {}, count_bytes = {};
  size_t messages = 0;
  const uint32_t *slots = args.words(0, count);
  const Bytes out = args.bytes(2);
  const uint32_t inline_limit = args.number(3);
  uint32_t *results = args.words(4, DECODE_LANE_WORDS * count, &written);
  uint32_t *table = args.words(5, 0, &words);
  const uint32_t *counts = args.words(7, pieces.empty() ? 0 : count, &count_bytes);
  args.apart(out, written);
  args.apart(out, words);
  args.apart(written, words);
  for (const Bytes &other : {out, written, words}) args.apart(other, count_bytes);
  lanes.clear();
  here->decode_calls++;
  for (size_t i = 0; args.ok() && i < count; i++) {
    const Bytes input = args.bytes_of(inputs[i]);
    // An input is written, too.
    for (const Bytes &other : {out, written, words, count_bytes}) args.apart(input, other);
    decode_lane lane = {};
    lane.session = decoding_session_of(&args, here, slots[i]);
    lane.input = input.data;
    lane.length = input.length;
    lanes.push_back(lane);
  }
  if (args.ok() && !pieces.empty()) take_pieces(&args, pieces, counts, {out, written, words}, here);
  if (args.ok()) {
    messages = lanes_decode(lanes.data(), count, out.data, out.length, inline_limit, results, table,
                            words.length / sizeof *table / DECODE_MESSAGE_WORDS);
  }
  here->values = std::move(inputs);
  here->more_values = std::move(pieces);
  return args.ok() ? number(env, messages) : nullptr;
}

}  // namespace

const Export frame_exports[6] = {
    {"createSession", create_session},
    {"createSessionOfScratch", create_session_of_scratch},
    {"configureSession", configure_session},
    {"freeSession", free_session},
    {"encodeMany", encode_many},
    {"decodeMany", decode_many},
};
