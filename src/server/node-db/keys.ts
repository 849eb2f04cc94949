/** Keys of the disk, and the names of nodes in memory: a string of one byte a character takes half of what hex does. */

const ascii = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));

/** RLP `[version]`; the name is ours alone, so that no other program's directory is taken for a damaged one of ours. */
export const VERSION_KEY: Uint8Array = ascii('peerlane-nodes');

const PREFIX = ascii('node:');
const SEQ_PREFIX = ascii('local-seq:');
const BANS_PREFIX = ascii('local-bans:');
const ID_LENGTH = 32;

export function nameOf(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.length).toString('latin1');
}

export function idOf(name: string): Uint8Array {
  return ascii(name);
}

export function keyOf(name: string): Uint8Array {
  const key = new Uint8Array(PREFIX.length + ID_LENGTH);
  key.set(PREFIX);
  key.set(idOf(name), PREFIX.length);
  return key;
}

/** Where the sequence number of the record of a node of this machine is kept. */
export function seqKeyOf(name: string): Uint8Array {
  return localKeyOf(SEQ_PREFIX, idOf(name));
}

/** Where the bans of a node of this machine are kept. */
export function bansKeyOf(id: Uint8Array): Uint8Array {
  return localKeyOf(BANS_PREFIX, id);
}

/** Whose bans are kept under a key: the id of a node of this machine; undefined when it is no such key. */
export function ownerOfBansKey(key: Uint8Array): Uint8Array | undefined {
  return isUnder(BANS_PREFIX, key) ? key.slice(BANS_PREFIX.length) : undefined;
}

function isUnder(prefix: Uint8Array, key: Uint8Array): boolean {
  return key.length === prefix.length + ID_LENGTH && prefix.every((byte, i) => key[i] === byte);
}

function localKeyOf(prefix: Uint8Array, id: Uint8Array): Uint8Array {
  const key = new Uint8Array(prefix.length + ID_LENGTH);
  key.set(prefix);
  key.set(id, prefix.length);
  return key;
}

/** Whether it is the key of something that a node database keeps beside its version. */
export function isOwnKey(key: Uint8Array): boolean {
  return [PREFIX, SEQ_PREFIX, BANS_PREFIX].some((prefix) => isUnder(prefix, key));
}

/** The name of the node that a key of the disk stands for; undefined when it is no such key. */
export function nameOfKey(key: Uint8Array): string | undefined {
  return isUnder(PREFIX, key) ? nameOf(key.subarray(PREFIX.length)) : undefined;
}
