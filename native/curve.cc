#include "curve.h"

// First of all, since it renames what the library's headers declare.
#include "secp256k1_names.h"

#include <secp256k1.h>
#include <secp256k1_ecdh.h>
#include <secp256k1_preallocated.h>
#include <secp256k1_recovery.h>

#include <new>

#include "sha256.h"

namespace {

// Made on first use, since it computes its tables; never changed after, so that threads may share it. It lies in memory
// of the library's own, which goes when a worker that was the last to use the addon ends, and is never freed before,
// when a process ends while threads are at work.
const secp256k1_context *context() {
  // What the sources of 2019 need; those of today take a few hundred bytes.
  alignas(16) static uint8_t memory[128 * 1024];
  static const secp256k1_context *const shared = [] {
    const unsigned int flags = SECP256K1_CONTEXT_SIGN | SECP256K1_CONTEXT_VERIFY;
    const size_t size = secp256k1_context_preallocated_size(flags);
    // The crate's sources do not allocate.
    secp256k1_context *const made =
        secp256k1_context_preallocated_create(size <= sizeof memory ? memory : ::operator new(size), flags);
#ifdef PEERLANE_SECP256K1_CRATE
    // A nonce takes some twenty blocks of it.
    secp256k1_context_set_sha256_compression(made, sha256_selected());
#endif
    return made;
  }();
  return shared;
}

bool parse(const uint8_t public_key[64], secp256k1_pubkey *point) {
  uint8_t uncompressed[65];
  uncompressed[0] = 4;
  memcpy(uncompressed + 1, public_key, 64);
  return secp256k1_ec_pubkey_parse(context(), point, uncompressed, sizeof uncompressed) == 1;
}

void serialize(const secp256k1_pubkey &point, uint8_t public_key[64]) {
  uint8_t uncompressed[65];
  size_t length = sizeof uncompressed;
  secp256k1_ec_pubkey_serialize(context(), uncompressed, &length, &point, SECP256K1_EC_UNCOMPRESSED);
  memcpy(public_key, uncompressed + 1, 64);
}

int x_coordinate(unsigned char *output, const unsigned char *x, const unsigned char *, void *) {
  memcpy(output, x, 32);
  return 1;
}

int compressed_point(unsigned char *output, const unsigned char *x, const unsigned char *y, void *) {
  output[0] = static_cast<unsigned char>(2 + (y[31] & 1));
  memcpy(output + 1, x, 32);
  return 1;
}

}  // namespace

const char *const curve_library = PEERLANE_SECP256K1_VERSION;

int curve_public_key(const uint8_t secret_key[32], uint8_t public_key[64]) {
  secp256k1_pubkey point;
  if (secp256k1_ec_pubkey_create(context(), &point, secret_key) != 1) return 0;
  serialize(point, public_key);
  return 1;
}

int curve_sign(const uint8_t digest[32], const uint8_t secret_key[32], uint8_t signature[65]) {
  secp256k1_ecdsa_recoverable_signature made;
  int recovery_id = 0;
  if (secp256k1_ecdsa_sign_recoverable(context(), &made, digest, secret_key, nullptr, nullptr) != 1) return 0;
  secp256k1_ecdsa_recoverable_signature_serialize_compact(context(), signature, &recovery_id, &made);
  signature[64] = static_cast<uint8_t>(recovery_id);
  return 1;
}

int curve_recover(const uint8_t digest[32], const uint8_t signature[65], uint8_t public_key[64]) {
  // The library calls abort for a recovery id out of range.
  if (signature[64] > 3) return 0;
  secp256k1_ecdsa_recoverable_signature parsed;
  secp256k1_pubkey point;
  if (secp256k1_ecdsa_recoverable_signature_parse_compact(context(), &parsed, signature, signature[64]) != 1 ||
      secp256k1_ecdsa_recover(context(), &point, &parsed, digest) != 1) {
    return 0;
  }
  serialize(point, public_key);
  return 1;
}

int curve_ecdh(const uint8_t secret_key[32], const uint8_t public_key[64], uint8_t x[32]) {
  secp256k1_pubkey point;
  if (!parse(public_key, &point)) return 0;
  return secp256k1_ecdh(context(), x, &point, secret_key, x_coordinate, nullptr);
}

int curve_shared_point(const uint8_t secret_key[32], const uint8_t public_key[64], uint8_t point[33]) {
  secp256k1_pubkey theirs;
  if (!parse(public_key, &theirs)) return 0;
  return secp256k1_ecdh(context(), point, &theirs, secret_key, compressed_point, nullptr);
}

int curve_verify(const uint8_t digest[32], const uint8_t signature[64], const uint8_t public_key[64]) {
  secp256k1_ecdsa_signature parsed;
  secp256k1_pubkey point;
  // The library itself refuses s in the upper half.
  return secp256k1_ecdsa_signature_parse_compact(context(), &parsed, signature) == 1 && parse(public_key, &point) &&
         secp256k1_ecdsa_verify(context(), &parsed, digest, &point) == 1;
}

int curve_decompress(const uint8_t compressed[33], uint8_t public_key[64]) {
  secp256k1_pubkey point;
  if (secp256k1_ec_pubkey_parse(context(), &point, compressed, 33) != 1) return 0;
  serialize(point, public_key);
  return 1;
}
