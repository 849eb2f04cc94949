// Exports for envelopes (envelope.h), at once and in a thread beside JavaScript's.
#include "envelope_exports.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "arguments.h"
#include "cpu.h"
#include "envelope.h"
#include "environment.h"

namespace {

// Bytes of the envelopes of one call, of which there are copies while it is worked.
constexpr size_t kMaxEnvelopes = 4 * 1024 * 1024;

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

}  // namespace

const Export envelope_exports[2] = {
    {"envelopes", envelopes},
    {"envelopesBeside", envelopes_beside},
};
