import { EMPTY } from '../base/bytes.ts';
import { keccak256, keccak256Many } from '../crypto/index.ts';
import { branchNode, extensionNode, HASHED_FROM, leafNode, nibbleAt } from './node.ts';

/**
 * Root of the empty trie: the hash of RLP's empty string (Yellow Paper, appendix D). Not to be written to.
 */
export const EMPTY_ROOT: Uint8Array = keccak256(Uint8Array.of(0x80));

/**
 * Root of the trie that maps `keys[i]` to `values[i]`. Keys ascend and none is a prefix of another.
 *
 * Subtries are encoded depth first and each is forgotten once its parent has its hash, so that at most sixteen
 * encodings a level are alive. The children of a branch are hashed together: sixteen leaves are one batch.
 */
export function sortedRoot(keys: readonly Uint8Array[], values: readonly Uint8Array[]): Uint8Array {
  if (keys.length === 0) return EMPTY_ROOT;
  return keccak256(new SortedTrie(keys, values).node(0, keys.length, 0));
}

class SortedTrie {
  readonly #keys: readonly Uint8Array[];
  readonly #values: readonly Uint8Array[];

  constructor(keys: readonly Uint8Array[], values: readonly Uint8Array[]) {
    this.#keys = keys;
    this.#values = values;
  }

  /** Encoding of the subtrie of the entries from `from` to before `to`, which agree on `depth` nibbles. */
  node(from: number, to: number, depth: number): Uint8Array {
    const key = this.#key(from);
    if (to - from === 1) return leafNode(key, depth, this.#values[from] ?? EMPTY);
    // Keys are sorted: what the first and the last share, all share.
    const last = this.#key(to - 1);
    let fork = depth;
    while (nibbleAt(key, fork) === nibbleAt(last, fork)) fork++;
    const branch = this.#branch(from, to, fork);
    if (fork === depth) return branch;
    const hash = branch.length < HASHED_FROM ? undefined : keccak256(branch);
    return extensionNode(key, depth, fork, branch, hash);
  }

  #branch(from: number, to: number, depth: number): Uint8Array {
    const slots: number[] = [];
    const children: Uint8Array[] = [];
    const hashed: Uint8Array[] = [];
    for (let start = from; start < to; ) {
      const nibble = nibbleAt(this.#key(start), depth);
      let end = start + 1;
      while (end < to && nibbleAt(this.#key(end), depth) === nibble) end++;
      const child = this.node(start, end, depth + 1);
      slots.push(nibble);
      children.push(child);
      if (child.length >= HASHED_FROM) hashed.push(child);
      start = end;
    }
    return branchNode(slots, children, keccak256Many(hashed));
  }

  #key(index: number): Uint8Array {
    return this.#keys[index] ?? EMPTY;
  }
}
