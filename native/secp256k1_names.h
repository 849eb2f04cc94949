/* libsecp256k1 under its own names, from either of its two sources: the npm package `secp256k1`, which has the
 * library of 2019, or the crate `secp256k1-sys`, which prefixes all names with its version. Only the latter keeps
 * tables in files of their own. */
#ifndef PEERLANE_SECP256K1_NAMES_H
#define PEERLANE_SECP256K1_NAMES_H

#if __has_include(<src/precomputed_ecmult.h>)
#define PEERLANE_SECP256K1_CRATE 1
#define PEERLANE_SECP256K1_VERSION "libsecp256k1 0.8.0"

#define secp256k1_context rustsecp256k1_v0_14_context
#define secp256k1_context_preallocated_create rustsecp256k1_v0_14_context_preallocated_create
#define secp256k1_context_preallocated_size rustsecp256k1_v0_14_context_preallocated_size
#define secp256k1_ec_pubkey_create rustsecp256k1_v0_14_ec_pubkey_create
#define secp256k1_ec_pubkey_parse rustsecp256k1_v0_14_ec_pubkey_parse
#define secp256k1_ec_pubkey_serialize rustsecp256k1_v0_14_ec_pubkey_serialize
#define secp256k1_ecdh rustsecp256k1_v0_14_ecdh
#define secp256k1_ecdsa_recover rustsecp256k1_v0_14_ecdsa_recover
#define secp256k1_ecdsa_recoverable_signature rustsecp256k1_v0_14_ecdsa_recoverable_signature
#define secp256k1_ecdsa_recoverable_signature_parse_compact \
  rustsecp256k1_v0_14_ecdsa_recoverable_signature_parse_compact
#define secp256k1_ecdsa_recoverable_signature_serialize_compact \
  rustsecp256k1_v0_14_ecdsa_recoverable_signature_serialize_compact
#define secp256k1_ecdsa_sign_recoverable rustsecp256k1_v0_14_ecdsa_sign_recoverable
#define secp256k1_pubkey rustsecp256k1_v0_14_pubkey
#else
#define PEERLANE_SECP256K1_VERSION "libsecp256k1 of 2019"
#endif

#endif
