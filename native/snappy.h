/* The block format of snappy (google/snappy, format_description.txt).
 *
 * Both backends accept and reject the same blocks. A block is
 *   - its decoded length as a varint of at most five bytes, below 2^32; a longer form than needed is accepted;
 *   - tags, each of which must lie in the block with its bytes, and fit into the rest of the output:
 *     a literal (its length in the tag or in 1 to 4 bytes behind it, in any form that names the right length), or
 *     a copy, whose offset is neither 0 nor beyond what was written so far;
 *   - nothing behind the tag that fills the output, and no end before it is full.
 *
 * Both compress to the same bytes, too: `snappy_compress` makes the decisions of snappyjs 0.7.0. */
#ifndef PEERLANE_SNAPPY_H
#define PEERLANE_SNAPPY_H

#include "bytes.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The longest block that `length` bytes can compress to. */
static inline size_t snappy_bound(size_t length) { return 32 + length + length / 6; }

/* `output` has `snappy_bound(length)` bytes; `length` is below 2^32. Returns the block's length. */
size_t snappy_compress(const uint8_t *input, size_t length, uint8_t *output);

/* Reads the decoded length. Returns the bytes that the varint takes, or 0 if there is none. */
size_t snappy_length(const uint8_t *input, size_t length, uint32_t *decoded);

/* `output` has exactly the decoded length. Returns whether the block is valid. */
int snappy_uncompress(const uint8_t *input, size_t length, uint8_t *output, size_t decoded);

#ifdef __cplusplus
}
#endif

#endif
