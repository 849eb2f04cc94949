/* The MACs of a frame, digest by digest, which are the same for what is sent and what is received. */
#ifndef PEERLANE_LANE_STAGES_H
#define PEERLANE_LANE_STAGES_H

#include "frame.h"

/* What the next digest of a lane is for. */
enum { HEADER_MAC, BODY_SEED, BODY_MAC };

/* Lets `mac` absorb what goes into the MAC for `block`; `stage` is what the digest after that is for. */
PL_INLINE void absorb_seed(const frame_session *session, mac_lane *mac, const uint8_t digest[MAC_DIGEST],
                           const uint8_t block[FRAME_BLOCK], int stage) {
  frame_mac_seed(session, digest, block, mac->seed);
  mac->input = mac->seed;
  mac->length = sizeof mac->seed;
  mac->stage = stage;
}

#endif
