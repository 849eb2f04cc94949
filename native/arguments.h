// Reading the arguments of an export. What has the wrong type or size throws a TypeError or RangeError, and so does
// memory that is detached, shared with another thread, or both read and written in one call; the addon's callers are
// trusted code that has checked its arguments, but a mistake there must not corrupt memory.
#ifndef PEERLANE_ARGUMENTS_H
#define PEERLANE_ARGUMENTS_H

#include <napi.h>

#include <vector>

struct Bytes {
  uint8_t *data;
  size_t length;
};

// Whether memory may be one that other threads can change meanwhile.
enum class Shared {
  kRefused,
  // For what reads each byte once, and follows from its length only.
  kAllowed,
};

class Arguments {
 public:
  static constexpr size_t kMax = 8;
  // An array may have any length and no elements.
  static constexpr uint32_t kMaxElements = 1 << 24;

  Arguments(napi_env env, napi_callback_info info) : env_(env) {
    size_t count = kMax;
    ok_ = napi_get_cb_info(env, info, &count, values_, nullptr, nullptr) == napi_ok;
  }

  // Whether all was as it should be so far; if not, an exception is pending.
  bool ok() const { return ok_; }

  // A Uint8Array (a Buffer is one) of at least `least` bytes.
  Bytes bytes(size_t index, size_t least = 0) { return bytes_of(values_[index], least); }

  Bytes bytes_exactly(size_t index, size_t length) {
    const Bytes view = bytes_of(values_[index], length);
    if (ok_ && view.length != length) fail_range();
    return view;
  }

  // A Uint32Array of at least `least` words.
  uint32_t *words(size_t index, size_t least, Bytes *whole = nullptr) {
    const View view = view_of(values_[index], napi_uint32_array, "a Uint32Array was expected", Shared::kRefused);
    if (ok_ && (view.length < least || view.length > UINT32_MAX / sizeof(uint32_t))) fail_range();
    if (whole != nullptr) *whole = {static_cast<uint8_t *>(view.data), ok_ ? view.length * sizeof(uint32_t) : 0};
    return static_cast<uint32_t *>(view.data);
  }

  // What is written must not lie where something else is read or written.
  void apart(Bytes written, Bytes other) {
    const auto from = reinterpret_cast<uintptr_t>(written.data), other_from = reinterpret_cast<uintptr_t>(other.data);
    if (written.length == 0 || other.length == 0) return;
    if (from < other_from + other.length && other_from < from + written.length) fail_type("arguments overlap");
  }

  // An integer of 32 bits: another number would be rounded to one that was not meant.
  uint32_t number(size_t index) {
    double value = 0;
    if (ok_ && napi_get_value_double(env_, values_[index], &value) != napi_ok) fail_type("a number was expected");
    if (!(value >= 0 && value <= UINT32_MAX)) {
      fail_range();
      return 0;
    }
    const auto whole = static_cast<uint32_t>(value);
    if (whole != value) fail_range();
    return whole;
  }

  bool boolean(size_t index) {
    bool value = false;
    if (ok_ && napi_get_value_bool(env_, values_[index], &value) != napi_ok) fail_type("a boolean was expected");
    return value;
  }

  // The elements of an array. Reading them can run JavaScript (an array may have
  // getters), so it must be done before any memory is looked at: `bytes_of` their values afterwards.
  void elements(size_t index, std::vector<napi_value> *values) {
    bool is_array = false;
    uint32_t length = 0;
    values->clear();
    if (!ok_) return;
    if (napi_is_array(env_, values_[index], &is_array) != napi_ok || !is_array ||
        napi_get_array_length(env_, values_[index], &length) != napi_ok) {
      fail_type("an array was expected");
    } else if (length > kMaxElements) {
      fail_range();
    }
    for (uint32_t i = 0; ok_ && i < length; i++) {
      napi_value value;
      if (napi_get_element(env_, values_[index], i, &value) != napi_ok) {
        ok_ = false;
        return;
      }
      values->push_back(value);
    }
  }

  Bytes bytes_of(napi_value value, size_t least = 0, Shared shared = Shared::kRefused) {
    static uint8_t nothing[1];
    const View view = view_of(value, napi_uint8_array, "a Uint8Array was expected", shared);
    if (ok_ && (view.length < least || view.length > UINT32_MAX)) fail_range();
    if (!ok_ || view.data == nullptr) return {nothing, 0};
    return {static_cast<uint8_t *>(view.data), view.length};
  }

  void fail_type(const char *message) {
    if (ok_) napi_throw_type_error(env_, nullptr, message);
    ok_ = false;
  }

  void fail_range() {
    if (ok_) napi_throw_range_error(env_, nullptr, "an argument has the wrong length");
    ok_ = false;
  }

 private:
  struct View {
    void *data = nullptr;
    // In elements.
    size_t length = 0;
  };

  View view_of(napi_value value, napi_typedarray_type expected, const char *message, Shared shared) {
    // Of an array that is newer than this Node-API the type is not set.
    napi_typedarray_type type = napi_int8_array;
    napi_value buffer = nullptr;
    View view;
    bool plain = false, detached = false;
    if (!ok_) return view;
    if (napi_get_typedarray_info(env_, value, &type, &view.length, &view.data, &buffer, nullptr) != napi_ok ||
        type != expected) {
      fail_type(message);
    } else if (napi_is_arraybuffer(env_, buffer, &plain) != napi_ok || (!plain && shared == Shared::kRefused)) {
      fail_type("memory of one thread was expected");
    } else if (plain && view.length == 0 &&
               (napi_is_detached_arraybuffer(env_, buffer, &detached) != napi_ok || detached)) {
      fail_type("the memory is detached");
    }
    return ok_ ? view : View();
  }

  napi_env env_;
  napi_value values_[kMax] = {};
  bool ok_;
};

#endif
