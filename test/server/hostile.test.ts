import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ByteQueue, concatBytes } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import type { ErrorCode } from '../../src/base/errors.ts';
import { eciesEncrypt, generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import {
  type EthVersion,
  encodeMessage,
  type LocalStatus,
  localStatus,
  MAX_MESSAGE_SIZE,
} from '../../src/eth/index.ts';
import { encodeHello } from '../../src/p2p/index.ts';
import { accept, freshRandomness, identityOf, initiate } from '../../src/rlpx/index.ts';
import { chain, network } from '../eth/sessions.ts';
import { type Attacker, AttackerListener, type Ending, HELLO, PING, PONG } from '../support/attacker.ts';
import { rejectionOf } from '../support/errors.ts';
import { DIRECTIONS, Target } from '../support/hostile.ts';
import { snappyBomb } from '../support/raw-frames.ts';

const bytes = (...values: number[]) => Uint8Array.from(values);
const breach = 'breach-of-protocol';

let target: Target;
beforeAll(async () => {
  target = await Target.start();
});
afterAll(() => target[Symbol.asyncDispose]());

/** What the attacker hears at the end, what the server's event says, and that the honest peer is served. */
async function outcome(attacker: Attacker): Promise<[Ending, ErrorCode]> {
  const [ending, code, served] = await Promise.all([
    attacker.ending(),
    target.verdict(attacker),
    target.serves(),
  ]);
  expect(served).toBe(true);
  return [ending, code];
}

/** An auth of `key` for `remoteId`. */
const authOf = (key: Uint8Array, remoteId: Uint8Array) =>
  initiate({ identity: identityOf(key), remoteId, randomness: freshRandomness(systemEnv) }).opening;

/** A handshake packet around any body. */
function seal(plaintext: Uint8Array, publicKey: Uint8Array, emptyAuthData = false): Uint8Array {
  const size = plaintext.length + 113;
  const field = bytes(size >> 8, size & 0xff);
  const { eciesEphemeralKey: ephemeralKey, eciesIv: iv } = freshRandomness(systemEnv);
  const authData = emptyAuthData ? bytes() : field;
  const packet = eciesEncrypt({ publicKey, ephemeralKey, iv, plaintext, authData });
  return emptyAuthData ? packet : concatBytes(field, packet);
}

function flipped(packet: Uint8Array, at: number): Uint8Array {
  const copy = packet.slice();
  const index = at < 0 ? copy.length + at : at;
  copy[index] = (copy[index] ?? 0) ^ 1;
  return copy;
}

/** `[signature, public key, nonce, 4]` with one byte repeated in each. */
const authBody = (signature: number, publicKey: number) =>
  concatBytes(
    bytes(0xf8, 167, 0xb8, 65),
    new Uint8Array(65).fill(signature),
    bytes(0xb8, 64),
    new Uint8Array(64).fill(publicKey),
    bytes(0xa0),
    new Uint8Array(32).fill(3),
    bytes(4),
    new Uint8Array(100),
  );

describe('an auth', () => {
  type Forge = (attacker: Attacker, serverId: Uint8Array) => Uint8Array;
  it.each<[string, Forge, ErrorCode]>([
    ['of more than 2,048 bytes', () => bytes(0x08, 0x01), 'handshake-size'],
    ['of the largest size a field can say', () => bytes(0xff, 0xff), 'handshake-size'],
    ['too short for its own encryption', () => bytes(0x00, 113), 'handshake-size'],
    ['with a wrong tag', ({ key }, id) => flipped(authOf(key, id), -1), 'handshake-decrypt'],
    [
      'with a changed size',
      ({ key }, id) => flipped(authOf(key, id), 1).subarray(0, -1),
      'handshake-decrypt',
    ],
    ['with an ECIES point off the curve', ({ key }, id) => flipped(authOf(key, id), 20), 'handshake-decrypt'],
    ['for another node', ({ key, id }) => authOf(key, id), 'handshake-decrypt'],
    ['with a public key off the curve', (_, id) => seal(authBody(1, 0x11), id), 'handshake-invalid'],
    ['that is no list', (_, id) => seal(new Uint8Array(200), id), 'handshake-invalid'],
    [
      'in the plain form from before EIP-8',
      (_, id) => seal(new Uint8Array(194), id, true),
      'handshake-plain',
    ],
  ])('%s is met with silence', async (_, forge, code) => {
    const attacker = await target.attacker();
    let packet = forge(attacker, target.server.id);
    // What a changed size asks for has to arrive.
    if (code === 'handshake-decrypt') packet = concatBytes(packet, new Uint8Array(300));
    void attacker.write(packet);
    expect(await outcome(attacker)).toEqual(['silence', code]);
  });

  it('that is cut off is met with silence', async () => {
    const attacker = await target.attacker();
    void attacker.write(authOf(attacker.key, target.server.id).subarray(0, 200));
    attacker.finish();
    expect(await outcome(attacker)).toEqual(['silence', 'network-error']);
  });

  it("with the server's own key is met with silence", async () => {
    const ownKey = systemEnv.randomBytes(32);
    await using own = await Target.start({ key: ownKey });
    const attacker = await own.attacker();
    void attacker.write(authOf(ownKey, own.server.id));
    expect(await attacker.ending()).toBe('silence');
    expect(await own.verdict(attacker)).toBe('handshake-self');
    expect(await own.serves()).toBe(true);
  });

  it('that is replayed is answered, and the connection closed at the first frame', async () => {
    const victim = await target.attacker();
    const auth = authOf(victim.key, target.server.id);
    for (const attacker of [victim, await target.attacker()]) {
      void attacker.write(auth);
      expect(await attacker.bytes(300)).toBeDefined();
      void attacker.write(new Uint8Array(48).fill(7));
      const [, code] = await outcome(attacker);
      expect(code).toBe('frame-header-mac');
    }
  });
});

describe('an ack', () => {
  type Forge = (auth: Uint8Array, key: Uint8Array, dialerId: Uint8Array) => Uint8Array;
  const ackOf = (auth: Uint8Array, key: Uint8Array) => {
    const queue = new ByteQueue();
    queue.push(auth.slice());
    const established = accept({ identity: identityOf(key), randomness: freshRandomness(systemEnv) }).read(
      queue,
    );
    if (established === undefined) throw new Error('the auth was not whole');
    return established.reply;
  };
  /** `[ephemeral public key, nonce, 4]`. */
  const ackBody = (point: number) =>
    concatBytes(
      bytes(0xf8, 100, 0xb8, 64),
      new Uint8Array(64).fill(point),
      bytes(0xa0),
      new Uint8Array(32),
      bytes(4),
    );

  it.each<[string, Forge, ErrorCode]>([
    ['that is cut off', (auth, key) => ackOf(auth, key).subarray(0, 100), 'network-error'],
    ['of more than 2,048 bytes', () => bytes(0x08, 0x01), 'handshake-size'],
    ['with a wrong tag', (auth, key) => flipped(ackOf(auth, key), -1), 'handshake-decrypt'],
    [
      'with a point off the curve',
      (_, __, id) => seal(concatBytes(ackBody(0x11), new Uint8Array(100)), id),
      'handshake-invalid',
    ],
    [
      'in the plain form from before EIP-8',
      (_, __, id) => seal(new Uint8Array(97), id, true),
      'handshake-plain',
    ],
  ])('%s fails the dial, without another byte', async (_, forge, code) => {
    const listener = await AttackerListener.listen();
    const dialing = rejectionOf(target.server.dial(listener.enode));
    const { socket, auth } = await listener.next();
    let rest = 0;
    socket.on('data', (chunk) => {
      rest += chunk.length;
    });
    socket.write(forge(auth, listener.key, target.server.id));
    if (code === 'network-error') socket.end();
    expect(await dialing).toBe(code);
    expect(await target.serves()).toBe(true);
    expect(rest).toBe(0);
    await listener.close();
  });
});

describe('a node that was dialed and has another key', () => {
  it('can make an ack, and not one frame', async () => {
    const listener = await AttackerListener.listen();
    const dialing = rejectionOf(target.server.dial(listener.enode));
    const { socket } = await listener.next();
    // It cannot read the auth, so that the secrets that it would have are others.
    const ephemeral = publicKeyOf(generateSecretKey(systemEnv));
    const body = concatBytes(
      bytes(0xf8, 100, 0xb8, 64),
      ephemeral,
      bytes(0xa0),
      systemEnv.randomBytes(32),
      bytes(4),
      new Uint8Array(100),
    );
    socket.write(seal(body, target.server.id));
    socket.write(systemEnv.randomBytes(64));
    expect(await dialing).toBe('frame-header-mac');
    expect(await target.serves()).toBe(true);
    await listener.close();
  });
});

/** Codes of eth on a connection that shares nothing else. */
const eth = (code: number) => 0x10 + code;
const status = (change: Partial<LocalStatus> = {}, version: EthVersion = 69) =>
  encodeMessage(version, 'Status', { ...localStatus(version, network, chain), ...change }).payload;

describe.each(DIRECTIONS)('on a connection that %s,', (direction) => {
  describe('a frame before Hello', () => {
    it('of more than 2,048 bytes is refused by its header', async () => {
      const attacker = await (await target.by(direction)).handshake();
      void attacker.write(attacker.frames.header(2049));
      expect(await outcome(attacker)).toEqual([breach, 'frame-too-large']);
    });

    it.each<[string, (attacker: Attacker) => Uint8Array, ErrorCode]>([
      [
        'with a wrong header MAC',
        ({ frames }) => flipped(frames.frame(bytes(0x80, 0xc0)), 16),
        'frame-header-mac',
      ],
      [
        'with a wrong body MAC',
        ({ frames }) => flipped(frames.frame(bytes(0x80, 0xc0)), -1),
        'frame-body-mac',
      ],
    ])('%s is met with silence', async (_, forge, code) => {
      const attacker = await (await target.by(direction)).handshake();
      void attacker.write(forge(attacker));
      expect(await outcome(attacker)).toEqual(['silence', code]);
    });

    it.each<[string, number[], ErrorCode]>([
      ['is a breach when it is empty', [], 'frame-empty'],
      ['is a breach when it is no Hello', [0x10, 0xc0], 'hello-expected'],
      ['is a breach when its code is no integer', [0x81, 0x05], 'message-code-invalid'],
      ['is a breach when it is a Hello that is no list', [0x80, 0x01], 'hello-invalid'],
      ['is a breach when it is a Hello without fields', [0x80, 0xc0], 'hello-invalid'],
    ])('%s', async (_, data, code) => {
      const attacker = await (await target.by(direction)).handshake();
      void attacker.frame(Uint8Array.from(data));
      expect(await outcome(attacker)).toEqual([breach, code]);
    });
  });

  describe('a Hello', () => {
    type Change = Parameters<Attacker['sendHello']>[0];
    const thousand = Array.from({ length: 1000 }, (_, version) => ({ name: 'echo', version }));
    it.each<[string, Change, Ending, ErrorCode]>([
      ['with another id', { id: new Uint8Array(64).fill(9) }, 'unexpected-identity', 'unexpected-identity'],
      ['with an id of zeros', { id: new Uint8Array(64) }, 'null-identity', 'null-identity'],
      ['without an id', { id: bytes() }, 'null-identity', 'null-identity'],
      ['with a short id', { id: new Uint8Array(63).fill(1) }, 'null-identity', 'null-identity'],
      ['without capabilities', { capabilities: [] }, 'useless-peer', 'no-shared-capability'],
      [
        'with foreign ones',
        { capabilities: [{ name: 'xyz', version: 1 }] },
        'useless-peer',
        'no-shared-capability',
      ],
      ['with a thousand capabilities', { capabilities: thousand }, breach, 'frame-too-large'],
    ])('%s', async (_, change, ending, code) => {
      const attacker = await (await target.by(direction)).handshake();
      void attacker.sendHello(change);
      expect(await outcome(attacker)).toEqual([ending, code]);
    });

    it('of one byte more than 2,048 is refused, though all of it is well-formed', async () => {
      const attacker = await (await target.by(direction)).handshake();
      // The code is a byte of the frame too.
      const hello = (length: number) =>
        encodeHello({
          version: 5,
          clientId: 'x'.repeat(length),
          capabilities: [{ name: 'echo', version: 1 }],
          listenPort: 0,
          id: attacker.id,
        });
      const rest = 2048 - hello(1000).length;
      const payload = hello(1000 + rest);
      expect(payload).toHaveLength(2048);
      void attacker.plain(HELLO, payload);
      expect(await outcome(attacker)).toEqual([breach, 'frame-too-large']);
    });

    it('with a non-canonical version is malformed', async () => {
      const attacker = await (await target.by(direction)).handshake();
      const hello = { version: 5, clientId: 'x', capabilities: [], listenPort: 0, id: attacker.id };
      const encoded = encodeHello(hello);
      // [version, ...]: 05 becomes 81 05, and the list a byte longer.
      const [tag = 0, length = 0] = encoded;
      void attacker.plain(HELLO, concatBytes(bytes(tag, length + 1, 0x81), encoded.subarray(2)));
      expect(await outcome(attacker)).toEqual([breach, 'hello-invalid']);
    });

    it('said twice is a breach', async () => {
      const attacker = await target.opened(direction);
      const again = { version: 5, clientId: 'x', capabilities: [], listenPort: 0, id: attacker.id };
      void attacker.send(HELLO, encodeHello(again));
      expect(await outcome(attacker)).toEqual([breach, 'hello-repeated']);
    });
  });

  describe('after Hello', () => {
    it.each<[string, (attacker: Attacker) => Promise<void>, Ending, ErrorCode]>([
      [
        'a wrong header MAC',
        (a) => a.write(flipped(a.frames.frame(bytes(0x10, 0)), 20)),
        'silence',
        'frame-header-mac',
      ],
      [
        'a wrong body MAC',
        (a) => a.write(flipped(a.frames.frame(bytes(0x10, 0)), -1)),
        'silence',
        'frame-body-mac',
      ],
      ['an empty frame', (a) => a.frame(bytes()), breach, 'frame-empty'],
      [
        'a code with a leading zero',
        (a) => a.frame(bytes(0x82, 0x00, 0x10, 0)),
        breach,
        'message-code-invalid',
      ],
      ['a code of five bytes', (a) => a.frame(bytes(0x85, 1, 1, 1, 1, 1, 0)), breach, 'message-code-invalid'],
      ['a code behind the last protocol', (a) => a.send(0x20, bytes()), breach, 'message-code-out-of-range'],
      [
        'a code of four bytes',
        (a) => a.frame(bytes(0x84, 255, 255, 255, 255, 0)),
        breach,
        'message-code-out-of-range',
      ],
      [
        'a snappy block that declares 16 MiB',
        (a) => a.plain(0x10, bytes(0x80, 0x80, 0x80, 0x08, 0)),
        breach,
        'snappy-too-large',
      ],
      [
        'a snappy block that declares 4 GiB',
        (a) => a.plain(0x10, bytes(0xff, 0xff, 0xff, 0xff, 0x0f, 0)),
        breach,
        'snappy-too-large',
      ],
      ['no snappy block', (a) => a.plain(0x10, bytes()), breach, 'snappy-invalid'],
      [
        'a snappy length without end',
        (a) => a.plain(0x10, new Uint8Array(9).fill(0xff)),
        breach,
        'snappy-invalid',
      ],
      [
        'a snappy block that copies from nowhere',
        (a) => a.plain(0x10, bytes(5, 0x11, 9)),
        breach,
        'snappy-invalid',
      ],
      [
        'a large snappy block that declares what it cannot hold',
        (a) => a.plain(0x10, concatBytes(bytes(0x80, 0x80, 0x40), new Uint8Array(20))),
        breach,
        'snappy-invalid',
      ],
      [
        'a large snappy block that goes wrong at its end',
        (a) => a.plain(0x10, concatBytes(snappyBomb(2_000_000).subarray(0, -1), bytes(0xff, 0xff))),
        breach,
        'snappy-invalid',
      ],
    ])('%s ends the connection', async (_, attack, ending, code) => {
      const attacker = await target.opened(direction);
      void attack(attacker);
      expect(await outcome(attacker)).toEqual([ending, code]);
    });

    it('the messages before the bad one count, and a Ping among them is answered', async () => {
      const attacker = await target.opened(direction);
      void attacker.send(PING, bytes(0xc0));
      void attacker.send(0x1f, bytes(1, 2, 3));
      expect((await attacker.next())?.code).toBe(PONG);
      expect(await attacker.next()).toEqual({ code: 0x1f, payload: bytes(1, 2, 3) });
      void attacker.send(0x20, bytes());
      expect(await outcome(attacker)).toEqual([breach, 'message-code-out-of-range']);
    });
  });

  describe('instead of a fitting Status,', () => {
    const foreign = { hash: bytes(1, 2, 3, 4), next: 0n };
    it.each<[string, number, Uint8Array, Ending, ErrorCode]>([
      ['another message', 3, bytes(0xc0), breach, 'status-expected'],
      ['another network', 0, status({ networkId: 2n }), 'useless-peer', 'network-mismatch'],
      ['another genesis', 0, status({ genesisHash: new Uint8Array(32) }), 'useless-peer', 'genesis-mismatch'],
      ['another fork id', 0, status({ forkId: foreign }), 'useless-peer', 'fork-id-mismatch'],
      ['another version', 0, status({ version: 68 }), 'subprotocol-error', 'protocol-version-mismatch'],
      ['an impossible range', 0, status({ earliest: 301 }), breach, 'block-range-invalid'],
      ['the form of another version', 0, status({}, 68), breach, 'rlp-unexpected'],
      ['no bytes at all', 0, bytes(), breach, 'rlp-truncated'],
      ['a list that is cut off', 0, status().subarray(0, -1), breach, 'rlp-truncated'],
      ['more than one item', 0, concatBytes(status(), bytes(0xc0)), breach, 'rlp-trailing-bytes'],
      ['a version with a leading zero', 0, bytes(0xc1, 0x00), breach, 'rlp-non-canonical'],
      ['a version in long form', 0, bytes(0xc2, 0x81, 0x45), breach, 'rlp-non-canonical'],
    ])('%s ends the connection', async (_, code, payload, ending, expected) => {
      const attacker = await target.openedEth(direction);
      void attacker.send(eth(code), payload);
      expect(await outcome(attacker)).toEqual([ending, expected]);
    });
  });

  describe('after the Status,', () => {
    /** A list within a list, and so on. */
    const nested = (depth: number) => {
      let item: Uint8Array = bytes(0xc0);
      while (depth-- > 0) item = concatBytes(bytes(0xc0 + item.length), item);
      return item;
    };
    it.each<[string, number, Uint8Array, ErrorCode]>([
      ['another Status', 0, status(), 'status-repeated'],
      ['a message that is gone', 0x0d, bytes(0xc0), 'message-unsupported'],
      ['an answer to nothing', 4, bytes(0xc2, 0x05, 0xc0), 'request-unknown'],
      ['bodies for nothing', 6, bytes(0xc2, 0x05, 0xc0), 'request-unknown'],
      ['a request without an id', 3, bytes(0xc0), 'rlp-unexpected'],
      ['an id of 65 bits', 5, bytes(0xcb, 0x89, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0xc0), 'rlp-unexpected'],
      ['a request id with a leading zero', 5, bytes(0xc2, 0x00, 0xc0), 'rlp-non-canonical'],
      ['a list in long form', 5, bytes(0xf8, 0x02, 0x05, 0xc0), 'rlp-non-canonical'],
      ['a list longer than its message', 5, bytes(0xc4, 0x05, 0xc2), 'rlp-truncated'],
      ['a request for what is no hash', 5, bytes(0xc3, 0x05, 0xc1, 0x01), 'rlp-unexpected'],
      [
        'lists forty deep for a number',
        3,
        concatBytes(bytes(0xee, 5, 0xec), nested(40), bytes(1, 0x80, 0x80)),
        'rlp-unexpected',
      ],
      ['a range that ends before it begins', 0x11, range(9, 8), 'block-range-invalid'],
      ['a block announced on eth/69', 1, bytes(0xc0), 'message-unsupported'],
    ])('%s is a breach', async (_, code, payload, expected) => {
      const attacker = await target.openedEth(direction);
      void attacker.send(eth(0), status());
      expect((await attacker.next())?.code).toBe(eth(0));
      void attacker.send(eth(code), payload);
      expect(await outcome(attacker)).toEqual([breach, expected]);
    });

    it('a message of more than 10 MiB is refused before it is decompressed', async () => {
      const attacker = await target.openedEth(direction);
      void attacker.send(eth(0), status());
      void attacker.plain(eth(2), snappyBomb(MAX_MESSAGE_SIZE + 1));
      expect(await outcome(attacker)).toEqual([breach, 'message-too-large']);
    });

    it('a request with the extremes of its numbers is answered', async () => {
      const attacker = await target.openedEth(direction);
      void attacker.send(eth(0), status());
      const huge = 2n ** 64n - 1n;
      const query = { start: huge, limit: huge, skip: huge, reverse: true };
      const { payload } = encodeMessage(69, 'GetBlockHeaders', { id: huge, query });
      void attacker.send(eth(3), payload);
      const answer = await attacker.until(eth(4));
      expect(answer?.payload).toEqual(bytes(0xca, 0x88, ...new Array(8).fill(0xff), 0xc0));
    });
  });
});

function range(earliest: number, latest: number): Uint8Array {
  return concatBytes(bytes(0xe3, earliest, latest, 0xa0), new Uint8Array(32).fill(1));
}
