#include "snappy.h"

#ifdef _MSC_VER
#include <intrin.h>
static unsigned trailing_zeros(uint64_t v) {
  unsigned long index;
  _BitScanForward64(&index, v);
  return index;
}
#else
static unsigned trailing_zeros(uint64_t v) { return (unsigned)__builtin_ctzll(v); }
#endif

/* Matches are sought within fragments of 64 KiB, and not in the last bytes of one. */
#define FRAGMENT 65536
#define MARGIN 15
#define MAX_TABLE_BITS 14
#define HASH_FACTOR 0x1e35a7bd

/* snappyjs multiplies in floating point: the product of a signed word, rounded to 53 bits, of which the top bits of
 * the low word are the hash. A product is below 2^60, so rounding moves it by at most 64; unless that carries into
 * the 14 bits that matter, integers give the same. */
static uint32_t hash_of(const uint8_t *p, unsigned shift) {
  const int32_t key = (int32_t)pl_load32(p);
  const int64_t product = (int64_t)key * HASH_FACTOR;
  if ((((uint32_t)product + 64) & 0x3ffff) < 128) {
    return (uint32_t)(int64_t)((double)key * (double)HASH_FACTOR) >> shift;
  }
  return (uint32_t)product >> shift;
}

static size_t match_length(const uint8_t *a, const uint8_t *b, const uint8_t *b_end) {
  const uint8_t *const start = b;
  while (b_end - b >= 8) {
    const uint64_t difference = pl_load64(a) ^ pl_load64(b);
    if (difference != 0) return (size_t)(b - start) + trailing_zeros(difference) / 8;
    a += 8;
    b += 8;
  }
  while (b < b_end && *a == *b) {
    a++;
    b++;
  }
  return (size_t)(b - start);
}

static uint8_t *put_literal(uint8_t *op, const uint8_t *from, size_t length) {
  const size_t n = length - 1;
  if (n < 60) {
    *op++ = (uint8_t)(n << 2);
  } else if (n < 255) {
    *op++ = 60 << 2;
    *op++ = (uint8_t)n;
  } else {
    *op++ = 61 << 2;
    *op++ = (uint8_t)n;
    *op++ = (uint8_t)(n >> 8);
  }
  memcpy(op, from, length);
  return op + length;
}

static uint8_t *put_short_copy(uint8_t *op, size_t offset, size_t length) {
  if (length < 12 && offset < 2048) {
    *op++ = (uint8_t)(1 | (length - 4) << 2 | offset >> 8 << 5);
    *op++ = (uint8_t)offset;
  } else {
    *op++ = (uint8_t)(2 | (length - 1) << 2);
    *op++ = (uint8_t)offset;
    *op++ = (uint8_t)(offset >> 8);
  }
  return op;
}

static uint8_t *put_copy(uint8_t *op, size_t offset, size_t length) {
  /* What remains after the last 64 must be at least 4, the least that the short form can say. */
  for (; length >= 68; length -= 64) op = put_short_copy(op, offset, 64);
  if (length > 64) {
    op = put_short_copy(op, offset, 60);
    length -= 60;
  }
  return put_short_copy(op, offset, length);
}

static uint8_t *compress_fragment(const uint8_t *const base, size_t length, uint8_t *op) {
  const uint8_t *const end = base + length;
  const uint8_t *unwritten = base;
  if (length >= MARGIN) {
    uint16_t table[1 << MAX_TABLE_BITS];
    unsigned bits = 3;
    while (bits < MAX_TABLE_BITS && (size_t)2 << bits <= length) bits++;
    memset(table, 0, sizeof table[0] << bits);
    const unsigned shift = 32 - bits;
    const uint8_t *const limit = end - MARGIN;
    const uint8_t *ip = base + 1;
    for (;;) {
      /* Seek a match; the longer there is none, the longer the steps. */
      const uint8_t *candidate, *next = ip;
      uint32_t next_hash = hash_of(ip, shift);
      size_t skip = 32;
      do {
        ip = next;
        const uint32_t hash = next_hash;
        next = ip + (skip++ >> 5);
        if (ip > limit) goto rest;
        /* Beyond the limit the hash is not used, and the input may end. */
        if (next <= limit) next_hash = hash_of(next, shift);
        candidate = base + table[hash];
        table[hash] = (uint16_t)(ip - base);
      } while (pl_load32(ip) != pl_load32(candidate));
      op = put_literal(op, unwritten, (size_t)(ip - unwritten));
      do {
        const size_t matched = 4 + match_length(candidate + 4, ip + 4, end);
        op = put_copy(op, (size_t)(ip - candidate), matched);
        ip += matched;
        unwritten = ip;
        if (ip >= limit) goto rest;
        table[hash_of(ip - 1, shift)] = (uint16_t)(ip - 1 - base);
        const uint32_t hash = hash_of(ip, shift);
        candidate = base + table[hash];
        table[hash] = (uint16_t)(ip - base);
      } while (pl_load32(ip) == pl_load32(candidate));
      ip++;
    }
  }
rest:
  if (unwritten < end) op = put_literal(op, unwritten, (size_t)(end - unwritten));
  return op;
}

size_t snappy_compress(const uint8_t *input, size_t length, uint8_t *output) {
  uint8_t *op = output;
  size_t left = length;
  for (; left >= 0x80; left >>= 7) *op++ = (uint8_t)(left | 0x80);
  *op++ = (uint8_t)left;
  while (length > 0) {
    const size_t fragment = length < FRAGMENT ? length : FRAGMENT;
    op = compress_fragment(input, fragment, op);
    input += fragment;
    length -= fragment;
  }
  return (size_t)(op - output);
}

size_t snappy_length(const uint8_t *input, size_t length, uint32_t *decoded) {
  uint64_t value = 0;
  for (size_t i = 0; i < length && i < 5; i++) {
    value |= (uint64_t)(input[i] & 0x7f) << (7 * i);
    if (input[i] < 0x80) {
      *decoded = (uint32_t)value;
      return value > UINT32_MAX ? 0 : i + 1;
    }
  }
  return 0;
}

/* Repeats `count` of the bytes that lie `offset` before `op`; the two ranges may overlap. */
static void put_match(uint8_t *op, size_t offset, size_t count, size_t room) {
  const uint8_t *from = op - offset;
  if (room < 64) {
    for (size_t i = 0; i < count; i++) op[i] = from[i];
    return;
  }
  /* Eight at a time, past the end of the copy but not of the output, where the next tag writes. */
  size_t i = 0;
  if (offset < 8) {
    for (; i < 8; i++) op[i] = from[i];
    /* The pattern repeats at every multiple of its length: from here on, take one that eight bytes fit into. */
    from = op - (7 + offset) / offset * offset;
  }
  for (; i < count; i += 8) pl_store64(op + i, pl_load64(from + i));
}

int snappy_uncompress(const uint8_t *input, size_t length, uint8_t *output, size_t decoded) {
  uint32_t declared;
  const size_t prefix = snappy_length(input, length, &declared);
  if (prefix == 0 || declared != decoded) return 0;
  const uint8_t *ip = input + prefix;
  const uint8_t *const ip_end = input + length;
  uint8_t *op = output;
  uint8_t *const op_end = output + decoded;
  while (ip < ip_end) {
    const uint8_t tag = *ip++;
    const size_t left = (size_t)(ip_end - ip);
    const size_t room = (size_t)(op_end - op);
    size_t count, offset;
    switch (tag & 3) {
      case 0:
        count = (tag >> 2) + 1;
        if (count > 60) {
          const size_t extra = count - 60;
          if (extra > left) return 0;
          count = 0;
          for (size_t i = 0; i < extra; i++) count |= (size_t)ip[i] << (8 * i);
          ip += extra;
          /* Compared before the 1 is added, which could overflow where size_t has 32 bits. */
          if (count >= left - extra || count >= room) return 0;
          count++;
        } else if (count > left || count > room) {
          return 0;
        }
        if (count <= 16 && ip_end - ip >= 16 && room >= 16) {
          memcpy(op, ip, 16);
        } else {
          memcpy(op, ip, count);
        }
        ip += count;
        op += count;
        continue;
      case 1:
        if (left < 1) return 0;
        count = (tag >> 2 & 7) + 4;
        offset = (size_t)(tag >> 5) << 8 | ip[0];
        ip += 1;
        break;
      case 2:
        if (left < 2) return 0;
        count = (tag >> 2) + 1;
        offset = (size_t)ip[1] << 8 | ip[0];
        ip += 2;
        break;
      default:
        if (left < 4) return 0;
        count = (tag >> 2) + 1;
        offset = pl_load32(ip);
        ip += 4;
    }
    if (offset == 0 || offset > (size_t)(op - output) || count > room) return 0;
    put_match(op, offset, count, room);
    op += count;
  }
  return op == op_end;
}
