/* Running MACs of many sessions, side by side. Each lane works through a chain of its own: bytes go in, a digest comes
 * out, what follows depends on it. The lanes need not keep step: one absorbs while another is at a digest. */
#ifndef PEERLANE_MAC_LANES_H
#define PEERLANE_MAC_LANES_H

#include "keccak.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MAC_DIGEST 16

typedef struct {
  const uint8_t *data;
  size_t length;
} mac_piece;

typedef struct {
  /* Set by `begin`: the state, which is in use until the chain has ended, and what the callbacks make of it. */
  keccak_state *state;
  void *chain;
  /* What goes in before the next digest; set by `begin` and `digested`. */
  const uint8_t *input;
  size_t length;
  /* So many bytes more, which lie in pieces; 0 unless set. */
  size_t more;
  const mac_piece *next;
  uint8_t seed[MAC_DIGEST];
  int stage;
} mac_lane;

typedef struct {
  void *context;
  /* Starts the next chain in `lane`; 0 when there is none. */
  int (*begin)(void *context, mac_lane *lane);
  /* Takes the digest; 0 when the chain ends. */
  int (*digested)(void *context, mac_lane *lane, const uint8_t digest[MAC_DIGEST]);
} mac_work;

/* Works through all chains, of which there are `chains`. */
void mac_lanes_run(const mac_work *work, size_t chains);

#ifdef __cplusplus
}
#endif

#endif
