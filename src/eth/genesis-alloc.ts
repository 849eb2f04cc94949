import { keccak256, keccak256Many } from '../crypto/index.ts';
import { bigUint, bytes, encode, struct } from '../rlp/index.ts';
import { EMPTY_ROOT, type SecureEntry, secureRoot } from '../trie/index.ts';
import { bytesOf, genesisError, JsonObject } from './genesis-json.ts';

const ADDRESS_LENGTH = 20;
const SLOT_LENGTH = 32;

/** An account in the state trie (Yellow Paper, section 4.1). */
const accountCodec = struct({
  nonce: bigUint(64),
  balance: bigUint(256),
  storageRoot: bytes(32),
  codeHash: bytes(32),
});

const slotCodec = bigUint(256);

/**
 * The state root of the `alloc` of a genesis file: addresses (0x optional) to accounts with `balance`, and where
 * needed `nonce`, `code` and `storage`. Accounts without anything are in the state as well.
 * @throws PeerlaneError `genesis-invalid`
 */
export function allocationRoot(alloc: JsonObject): Uint8Array {
  const addresses: Uint8Array[] = [];
  const accounts: Uint8Array[] = [];
  const seen = new Set<string>();
  for (const [name, value] of alloc.entries) {
    const path = alloc.path(name);
    const address = bytesOf(name, path, ADDRESS_LENGTH);
    const digits = name.slice(-2 * ADDRESS_LENGTH).toLowerCase();
    if (seen.has(digits)) throw genesisError(path, 'listed twice');
    seen.add(digits);
    addresses.push(address);
    accounts.push(encodedAccount(new JsonObject(value, path)));
  }
  return hashedRoot(addresses, accounts);
}

function encodedAccount(account: JsonObject): Uint8Array {
  const storage = account.object('storage');
  return encode(accountCodec, {
    nonce: account.quantity('nonce', 64) ?? 0n,
    balance: account.requiredQuantity('balance', 256),
    storageRoot: storage === undefined ? EMPTY_ROOT : storageRoot(storage),
    codeHash: keccak256(account.bytes('code') ?? new Uint8Array(0)),
  });
}

function storageRoot(storage: JsonObject): Uint8Array {
  const slots: Uint8Array[] = [];
  const values: Uint8Array[] = [];
  const seen = new Set<string>();
  for (const [name, text] of storage.entries) {
    const path = storage.path(name);
    const slot = wordDigits(name, path);
    if (seen.has(slot)) throw genesisError(path, 'listed twice');
    seen.add(slot);
    const value = BigInt(`0x${wordDigits(text, path)}`);
    // A slot that holds zero is not in the trie.
    if (value === 0n) continue;
    slots.push(bytesOf(slot, path));
    values.push(encode(slotCodec, value));
  }
  return hashedRoot(slots, values);
}

/** 64 digits: words may be written without leading zeros, and without 0x. */
function wordDigits(text: unknown, path: string): string {
  const digits = typeof text === 'string' ? text.replace(/^0x/i, '').toLowerCase() : undefined;
  if (digits === undefined || digits.length > 2 * SLOT_LENGTH || !/^[0-9a-f]*$/.test(digits)) {
    throw genesisError(path, `not a hexadecimal string of at most ${SLOT_LENGTH} bytes`);
  }
  return digits.padStart(2 * SLOT_LENGTH, '0');
}

function hashedRoot(keys: readonly Uint8Array[], values: readonly Uint8Array[]): Uint8Array {
  const digests = keccak256Many(keys);
  return secureRoot(values.map((value, i): SecureEntry => [digests.subarray(32 * i, 32 * i + 32), value]));
}
