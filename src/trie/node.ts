/**
 * RLP of the nodes of a Merkle Patricia trie (Yellow Paper, appendices B to D). Paths are the nibbles of a key,
 * high nibble first, from one position to another.
 */

/** A node whose encoding is at least this long is referred to by its hash; a shorter one lies in its parent. */
export const HASHED_FROM = 32;

const HASH_REFERENCE = 0xa0;
const LEAF_FLAG = 0x20;
const ODD_FLAG = 0x10;

/** The nibble at `position` of `key`. */
export function nibbleAt(key: Uint8Array, position: number): number {
  const byte = key[position >> 1] ?? 0;
  return position % 2 === 0 ? byte >> 4 : byte & 0x0f;
}

/** `[hex-prefix(path), value]` for the path from the nibble at `from` to the end of `key`. */
export function leafNode(key: Uint8Array, from: number, value: Uint8Array): Uint8Array {
  const nibbles = 2 * key.length - from;
  const isItself = value.length === 1 && (value[0] ?? 0) < 0x80;
  const valueHeader = isItself ? 0 : headerLength(value.length);
  const payload = pathLength(nibbles) + valueHeader + value.length;
  const node = new Uint8Array(headerLength(payload) + payload);
  let at = writeHeader(node, 0, 0xc0, payload);
  at = writePath(node, at, key, from, nibbles, LEAF_FLAG);
  if (!isItself) at = writeHeader(node, at, 0x80, value.length);
  node.set(value, at);
  return node;
}

/** `[hex-prefix(path), reference]`; `hash` is given unless `child` is short enough to lie in the node itself. */
export function extensionNode(
  key: Uint8Array,
  from: number,
  to: number,
  child: Uint8Array,
  hash: Uint8Array | undefined,
): Uint8Array {
  const payload = pathLength(to - from) + (hash === undefined ? child.length : 33);
  const node = new Uint8Array(headerLength(payload) + payload);
  let at = writeHeader(node, 0, 0xc0, payload);
  at = writePath(node, at, key, from, to - from, 0);
  writeReference(node, at, child, hash);
  return node;
}

/**
 * Sixteen references and no value: no key of an Ethereum trie is a prefix of another. `slots` holds the nibble
 * of each child in ascending order, `digests` the hashes of those with at least `HASHED_FROM` bytes, in order.
 */
export function branchNode(
  slots: readonly number[],
  children: readonly Uint8Array[],
  digests: Uint8Array,
): Uint8Array {
  let payload = 17 - slots.length;
  for (const child of children) payload += child.length < HASHED_FROM ? child.length : 33;
  const node = new Uint8Array(headerLength(payload) + payload).fill(0x80);
  let at = writeHeader(node, 0, 0xc0, payload);
  let slot = 0;
  let hashed = 0;
  for (const [i, child] of children.entries()) {
    const nibble = slots[i] ?? 0;
    at += nibble - slot;
    slot = nibble + 1;
    let hash: Uint8Array | undefined;
    if (child.length >= HASHED_FROM) {
      hash = digests.subarray(hashed, hashed + 32);
      hashed += 32;
    }
    at = writeReference(node, at, child, hash);
  }
  return node;
}

function writeReference(
  node: Uint8Array,
  at: number,
  child: Uint8Array,
  hash: Uint8Array | undefined,
): number {
  if (hash === undefined) {
    node.set(child, at);
    return at + child.length;
  }
  node[at] = HASH_REFERENCE;
  node.set(hash, at + 1);
  return at + 33;
}

/** Bytes that the RLP of a hex-prefixed path takes. */
function pathLength(nibbles: number): number {
  return nibbles < 2 ? 1 : 2 + (nibbles >> 1);
}

function writePath(
  node: Uint8Array,
  start: number,
  key: Uint8Array,
  from: number,
  nibbles: number,
  kind: number,
): number {
  let at = start;
  if (nibbles > 1) node[at++] = 0x81 + (nibbles >> 1);
  let position = from;
  if (nibbles % 2 === 1) node[at++] = kind | ODD_FLAG | nibbleAt(key, position++);
  else node[at++] = kind;
  for (const end = from + nibbles; position < end; position += 2) {
    node[at++] = (nibbleAt(key, position) << 4) | nibbleAt(key, position + 1);
  }
  return at;
}

function headerLength(payload: number): number {
  if (payload < 56) return 1;
  if (payload < 0x100) return 2;
  if (payload < 0x10000) return 3;
  return payload < 0x1000000 ? 4 : 5;
}

/** Writes an RLP header; `kind` is 0x80 (bytes) or 0xc0 (list). */
function writeHeader(node: Uint8Array, start: number, kind: number, payload: number): number {
  let at = start;
  if (payload < 56) {
    node[at++] = kind + payload;
    return at;
  }
  const bytes = headerLength(payload) - 1;
  node[at++] = kind + 55 + bytes;
  for (let shift = 8 * (bytes - 1); shift >= 0; shift -= 8) node[at++] = (payload >>> shift) & 0xff;
  return at;
}
