// What the addon keeps for one JavaScript environment, and what all exports use. `scratch` is a small array that both
// sides see: results of a fixed size go into its first half, and what the exports `...OfScratch` read lies in its second.
// To copy some bytes into and out of it is faster than to look into arrays and to make them here; of short ones V8 would
// have to move the bytes out of its heap first.
#ifndef PEERLANE_ENVIRONMENT_H
#define PEERLANE_ENVIRONMENT_H

#include <napi.h>

#include <memory>
#include <vector>

#include "arguments.h"
#include "lanes.h"

constexpr size_t kArguments = 4096;
constexpr size_t kScratch = 2 * kArguments;
// The slot of a session that is wiped, for all that are over.
constexpr uint32_t kDisposed = 0;

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
  std::vector<napi_value> values, more_values;
  std::vector<encode_lane> encode_lanes;
  std::vector<decode_lane> decode_lanes;
  std::vector<frame_piece> pieces;
  std::vector<uint8_t> blocks;
  std::vector<uint32_t> table;
  uint64_t decode_calls = 0;
};

inline Environment *environment(napi_env env) { return Napi::Env(env).GetInstanceData<Environment>(); }

inline napi_value boolean(napi_env env, bool value) {
  napi_value result = nullptr;
  napi_get_boolean(env, value, &result);
  return result;
}

inline napi_value number(napi_env env, size_t value) {
  napi_value result = nullptr;
  napi_create_uint32(env, static_cast<uint32_t>(value), &result);
  return result;
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

#endif
