// Reading the arguments of an export. What has the wrong type or size throws a TypeError or RangeError; the
// addon's callers are trusted code that has checked its arguments, but a mistake there must not corrupt memory.
#ifndef PEERLANE_ARGUMENTS_H
#define PEERLANE_ARGUMENTS_H

#include <napi.h>

#include <vector>

struct Bytes {
  uint8_t *data;
  size_t length;
};

class Arguments {
 public:
  static constexpr size_t kMax = 6;

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
  uint32_t *words(size_t index, size_t least, size_t *count = nullptr) {
    napi_typedarray_type type;
    size_t length = 0;
    void *data = nullptr;
    if (!ok_) return nullptr;
    if (napi_get_typedarray_info(env_, values_[index], &type, &length, &data, nullptr, nullptr) != napi_ok ||
        type != napi_uint32_array) {
      fail_type("a Uint32Array was expected");
    } else if (length < least) {
      fail_range();
    }
    if (count != nullptr) *count = length;
    return static_cast<uint32_t *>(data);
  }

  uint32_t number(size_t index) {
    uint32_t value = 0;
    if (ok_ && napi_get_value_uint32(env_, values_[index], &value) != napi_ok) fail_type("a number was expected");
    return value;
  }

  bool boolean(size_t index) {
    bool value = false;
    if (ok_ && napi_get_value_bool(env_, values_[index], &value) != napi_ok) fail_type("a boolean was expected");
    return value;
  }

  // The elements of an array, `count` of them if that is given. Reading them can run JavaScript (an array may have
  // getters), so it must be done before any memory is looked at: `bytes_of` their values afterwards.
  void elements(size_t index, std::vector<napi_value> *values, const size_t *count = nullptr) {
    bool is_array = false;
    uint32_t length = 0;
    values->clear();
    if (!ok_) return;
    if (napi_is_array(env_, values_[index], &is_array) != napi_ok || !is_array ||
        napi_get_array_length(env_, values_[index], &length) != napi_ok) {
      fail_type("an array was expected");
    } else if (count != nullptr && length != *count) {
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

  Bytes bytes_of(napi_value value, size_t least = 0) {
    static uint8_t nothing[1];
    napi_typedarray_type type;
    Bytes view = {nothing, 0};
    void *data = nullptr;
    if (!ok_) return view;
    if (napi_get_typedarray_info(env_, value, &type, &view.length, &data, nullptr, nullptr) != napi_ok ||
        type != napi_uint8_array) {
      fail_type("a Uint8Array was expected");
    } else if (view.length < least || view.length > UINT32_MAX) {
      fail_range();
    } else if (data != nullptr) {
      view.data = static_cast<uint8_t *>(data);
    }
    return view;
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
  napi_env env_;
  napi_value values_[kMax] = {};
  bool ok_;
};

#endif
