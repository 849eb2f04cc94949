/** Hello (rlpx.md, "Hello (0x00)"). */
import { PeerlaneError } from '../base/errors.ts';
import { bytes, decode, encode, list, struct, text, uint } from '../rlp/index.ts';
import type { Capability } from './protocol.ts';

/** Version 5 brought snappy (EIP-706). */
export const P2P_VERSION = 5;
export const SNAPPY_VERSION = 5;
/** A Hello message has at most this many bytes, and nothing larger may come before it. */
export const MAX_HELLO_SIZE = 2048;
/** Capability names have at most eight characters; a peer that breaks the rule only loses that capability. */
const MAX_NAME_LENGTH = 8;
const NODE_ID_LENGTH = 64;

export interface Hello {
  readonly version: number;
  readonly clientId: string;
  readonly capabilities: readonly Capability[];
  /** Legacy; 0 when the node does not listen, and not to be relied on. */
  readonly listenPort: number;
  /** The node's public key, 64 bytes. */
  readonly id: Uint8Array;
}

const capability = struct({ name: text(MAX_HELLO_SIZE), version: uint(53) }, { trailing: 'ignore' });
const codec = struct(
  {
    version: uint(53),
    clientId: text(MAX_HELLO_SIZE),
    capabilities: list(capability),
    listenPort: uint(53),
    id: bytes({ max: MAX_HELLO_SIZE }),
  },
  { trailing: 'ignore' },
);

export function encodeHello(hello: Hello): Uint8Array {
  return encode(codec, hello);
}

const encodings = new WeakMap<Hello, Uint8Array>();

/** As `encodeHello`, done once for an object: a node says the same to all. */
export function encodedHello(hello: Hello): Uint8Array {
  const known = encodings.get(hello);
  if (known !== undefined) return known;
  const encoding = encodeHello(hello);
  encodings.set(hello, encoding);
  return encoding;
}

/**
 * Reads and checks the Hello of the node that has proved to have the key `remoteId`.
 * @throws PeerlaneError `hello-invalid`, `null-identity`, `unexpected-identity`
 */
export function decodeHello(payload: Uint8Array, remoteId: Uint8Array): Hello {
  const hello = parseHello(payload);
  if (hello.id.length !== NODE_ID_LENGTH || hello.id.every((byte) => byte === 0)) {
    throw new PeerlaneError('null-identity', 'the Hello carries no node id');
  }
  if (!hello.id.every((byte, index) => byte === remoteId[index])) {
    throw new PeerlaneError('unexpected-identity', 'the Hello carries another id than the handshake proved');
  }
  // The bytes of the handshake, so that a peer keeps them once.
  return { ...hello, id: remoteId };
}

function parseHello(payload: Uint8Array): Hello {
  try {
    const { version, clientId, capabilities, listenPort, id } = decode(codec, payload);
    return {
      version,
      clientId,
      capabilities: capabilities
        .toArray()
        .map(({ name, version }) => ({ name, version }))
        .filter(({ name }) => name.length > 0 && name.length <= MAX_NAME_LENGTH)
        // What a filter gives has room for more.
        .slice(),
      listenPort,
      id,
    };
  } catch (cause) {
    throw new PeerlaneError('hello-invalid', 'the Hello is malformed', { cause });
  }
}
