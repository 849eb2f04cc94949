/** Feeds both backends the same operations. Where there is no addon, npm's libraries stand in for it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, EMPTY, fromHex, toHex } from '../../src/base/bytes.ts';
import { type Backend, snappyBound } from '../../src/crypto/backend.ts';
import { jsBackend as js } from '../../src/crypto/js.ts';
import { runs } from '../support/runs.ts';
import { byteArrays, longBytes, payloads } from './arbitraries.ts';
import {
  oracleDecompress,
  oracleEcdh,
  oracleEciesEncrypt,
  oracleKeccak256,
  oraclePublicKey,
  oracleRecover,
  oracleSharedPoint,
  oracleSign,
  oracleUncompress,
  oracleVerify,
} from './oracles.ts';
import { hex, native, reason, shifted } from './parity.ts';

const ORDER = fromHex('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141');
const GENERATOR = fromHex(
  '79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798' +
    '483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8',
);

/** The order less `scalar`. */
function negated(scalar: Uint8Array): Uint8Array {
  const value = (BigInt(toHex(ORDER)) - BigInt(toHex(scalar)) + 2n ** 256n) % 2n ** 256n;
  return fromHex(value.toString(16).padStart(64, '0'));
}

const secretKeys = fc.oneof(
  { weight: 8, arbitrary: byteArrays(32) },
  { weight: 1, arbitrary: fc.constantFrom(new Uint8Array(32), ORDER, new Uint8Array(32).fill(0xff)) },
);
/** Below the group order: crypto.ts reduces them. */
const digests = byteArrays(32).map((digest) => digest.fill((digest[0] ?? 0) & 0x7f, 0, 1));
const publicKeys = fc.oneof(
  byteArrays(32).map((key) => js.publicKey(key) ?? GENERATOR),
  byteArrays(64),
  fc.constantFrom(new Uint8Array(64), new Uint8Array(64).fill(0xff)),
);

type Functions = Pick<
  Backend,
  | 'keccak256'
  | 'keccak256Many'
  | 'publicKey'
  | 'sign'
  | 'recover'
  | 'ecdh'
  | 'sharedPoint'
  | 'verify'
  | 'decompress'
  | 'eciesEncrypt'
  | 'snappyUncompress'
>;

const oracle: Functions = {
  keccak256: oracleKeccak256,
  keccak256Many: (inputs, out) => out.set(concatBytes(...inputs.map((input) => oracleKeccak256(input)))),
  publicKey: oraclePublicKey,
  sign: oracleSign,
  recover: (digest, signature) => ((signature[64] ?? 0) > 3 ? undefined : oracleRecover(digest, signature)),
  ecdh: oracleEcdh,
  sharedPoint: oracleSharedPoint,
  verify: oracleVerify,
  decompress: oracleDecompress,
  eciesEncrypt: oracleEciesEncrypt,
  snappyUncompress: (input, out) => {
    const decoded = oracleUncompress(input);
    if (decoded?.length !== out.length) return false;
    out.set(decoded);
    return true;
  },
};

const others: [string, Functions][] = [["npm's libraries", oracle]];
if (native !== undefined) others.push(['the addon', native]);

describe.each(others)(`JavaScript and %s agree${native ? '' : ` (no addon here: ${reason})`}`, (_, other) => {
  const same = <T extends unknown[]>(run: (backend: Functions, ...parameters: T) => unknown) => {
    return (...parameters: T): void => {
      expect(run(js, ...parameters)).toEqual(run(other, ...parameters));
    };
  };

  it('on digests', () => {
    fc.assert(
      fc.property(
        fc.array(byteArrays(0, 600), { maxLength: 6 }),
        same((backend, parts) => hex(backend.keccak256(...parts.map((part) => shifted(part))))),
      ),
      { numRuns: runs(50) },
    );
  });

  it('on many digests', () => {
    fc.assert(
      fc.property(
        fc.array(byteArrays(0, 500), { maxLength: 40 }),
        same((backend, inputs) => {
          const out = shifted(new Uint8Array(32 * inputs.length));
          backend.keccak256Many(inputs, out);
          return hex(out);
        }),
      ),
      { numRuns: runs(30) },
    );
  });

  it('on public keys and signatures', () => {
    fc.assert(
      fc.property(
        secretKeys,
        digests,
        same((backend, key, digest) => [hex(backend.publicKey(key)), hex(backend.sign(digest, key))]),
      ),
      { numRuns: runs(25) },
    );
  });

  it('on recovery, of signatures and of what is none', () => {
    const edges = fc.constantFrom<[Uint8Array, number, number] | undefined>(
      undefined,
      [new Uint8Array(32), 0, 32],
      [new Uint8Array(32), 32, 64],
      [ORDER, 0, 32],
      [ORDER, 32, 64],
      [new Uint8Array(32).fill(0xff), 32, 64],
      [Uint8Array.of(...new Uint8Array(31), 5), 0, 32],
    );
    fc.assert(
      fc.property(
        byteArrays(32),
        digests,
        edges,
        fc.oneof(fc.nat(3), fc.nat(255)),
        fc.boolean(),
        same((backend, key, digest, edge, id, exact) => {
          const signature = js.sign(digest, key) ?? new Uint8Array(65);
          if (edge !== undefined) signature.set(edge[0], edge[1]);
          if (!exact) signature[64] = id;
          return hex(backend.recover(digest, signature));
        }),
      ),
      { numRuns: runs(60) },
    );
  });

  it('on key agreement', () => {
    fc.assert(
      fc.property(
        secretKeys,
        publicKeys,
        same((backend, key, publicKey) => [
          hex(backend.ecdh(key, publicKey)),
          hex(backend.sharedPoint(key, publicKey)),
        ]),
      ),
      { numRuns: runs(30) },
    );
  });

  it('on what a signature proves', () => {
    const edges = fc.constantFrom<[Uint8Array, number]>(
      [new Uint8Array(32), 0],
      [new Uint8Array(32), 32],
      [ORDER, 0],
      [ORDER, 32],
      [new Uint8Array(32).fill(0xff), 32],
    );
    let valid = 0;
    fc.assert(
      fc.property(
        byteArrays(32),
        digests,
        fc.option(edges, { freq: 2, nil: undefined }),
        fc.option(publicKeys, { freq: 2, nil: undefined }),
        fc.boolean(),
        (key, digest, edge, other, upper) => {
          const signature = (js.sign(digest, key) ?? new Uint8Array(65)).slice(0, 64);
          if (edge !== undefined) signature.set(edge[0], edge[1]);
          if (upper) signature.set(negated(signature.subarray(32)), 32);
          const publicKey = other ?? js.publicKey(key) ?? GENERATOR;
          same((backend) => backend.verify(digest, signature, publicKey))();
          const isTrue =
            edge === undefined && other === undefined && !upper && js.publicKey(key) !== undefined;
          expect(js.verify(digest, signature, publicKey)).toBe(isTrue);
          if (isTrue) valid++;
        },
      ),
      { numRuns: runs(60) },
    );
    expect(valid).toBeGreaterThan(0);
  });

  it('on compressed keys', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          byteArrays(33),
          fc
            .tuple(fc.constantFrom(2, 3, 4, 6), byteArrays(32))
            .map(([first, x]) => Uint8Array.of(first, ...x)),
          fc.constantFrom(Uint8Array.of(2, ...new Uint8Array(32).fill(0xff)), new Uint8Array(33)),
        ),
        same((backend, compressed) => hex(backend.decompress(compressed))),
      ),
      { numRuns: runs(60) },
    );
  });

  it('on ECIES packets', () => {
    fc.assert(
      fc.property(
        publicKeys,
        secretKeys,
        byteArrays(16),
        byteArrays(0, 200),
        byteArrays(0, 5),
        same((backend, ...parameters) => hex(backend.eciesEncrypt(...parameters))),
      ),
      { numRuns: runs(20) },
    );
  });

  it('on which blocks are snappy, and what they say', () => {
    const damaged = fc
      .tuple(payloads(3000), fc.nat(), fc.option(fc.nat(255)), fc.nat(3))
      .map(([bytes, at, value, cut]) => {
        const room = new Uint8Array(snappyBound(bytes.length));
        const block = room.subarray(0, js.snappyCompress(bytes, room));
        if (value !== null && block.length > 3) block[3 + (at % (block.length - 3))] = value;
        return { block: block.slice(0, block.length - (cut % block.length)), length: bytes.length };
      });
    const garbage = fc
      .tuple(fc.nat(100), fc.uint8Array({ maxLength: 20 }))
      .map(([length, rest]) => ({ block: Uint8Array.of(length, ...rest), length }));
    fc.assert(
      fc.property(
        fc.oneof(damaged, garbage),
        same((backend, { block, length }) => {
          const out = new Uint8Array(length);
          return backend.snappyUncompress(shifted(block), out) && hex(out);
        }),
      ),
      { numRuns: runs(400) },
    );
  });
});

if (native !== undefined) {
  const addon = native;

  describe('the blocks of JavaScript and of the addon agree', () => {
    it('byte for byte', () => {
      fc.assert(
        fc.property(payloads(200_000), (bytes) => {
          const [mine, theirs] = [js, addon].map((backend) => {
            const out = new Uint8Array(snappyBound(bytes.length));
            return hex(out.subarray(0, backend.snappyCompress(shifted(bytes), out)));
          });
          expect(mine === theirs).toBe(true);
        }),
        { numRuns: runs(60) },
      );
    });
  });

  describe('the packets of JavaScript and of the addon agree', () => {
    it('when they are decrypted, damaged or not', () => {
      const key = new Uint8Array(32).fill(9);
      const publicKey = js.publicKey(key) ?? EMPTY;
      fc.assert(
        fc.property(
          byteArrays(32),
          byteArrays(0, 80),
          fc.option(fc.nat()),
          (ephemeralKey, plaintext, flip) => {
            const iv = new Uint8Array(16);
            const packet = js.eciesEncrypt(publicKey, ephemeralKey, iv, plaintext, iv) ?? new Uint8Array(113);
            if (flip !== null) packet[flip % packet.length] = (packet[flip % packet.length] ?? 0) ^ 2;
            const [mine, theirs] = [js, addon].map((backend) =>
              hex(backend.eciesDecrypt(key, shifted(packet), iv)),
            );
            expect(mine).toEqual(theirs);
            expect(mine === undefined).toBe(flip !== null);
          },
        ),
        { numRuns: runs(25) },
      );
    });
  });
}

describe.skipIf(native === undefined)('JavaScript and the addon', () => {
  // In its place where there is none; nothing here runs then.
  const addon: Backend = native ?? js;

  it('agree on AES-128, in the mode of a counter and with a tag', () => {
    fc.assert(
      fc.property(
        byteArrays(16),
        byteArrays(16),
        fc.oneof(byteArrays(0, 40), byteArrays(0, 1300), longBytes(5000)),
        fc.oneof(byteArrays(0, 100), longBytes(5000)),
        fc.nat(),
        (key, iv, message, authData, at) => {
          const nonce = shifted(iv.subarray(0, 12));
          const counter = at % 2 === 0 ? iv : iv.fill(0xff, 1 + (at % 15));
          const results = [js, addon].map((backend) => {
            const sealed = backend.gcmSeal(shifted(key), nonce, shifted(message), shifted(authData));
            const opened = backend.gcmOpen(key, nonce, shifted(sealed), authData);
            expect(hex(opened)).toBe(hex(message));
            const masked = backend.aes128Ctr(key, shifted(counter), shifted(message));
            const whole = hex(sealed);
            sealed[at % sealed.length] = (sealed[at % sealed.length] ?? 0) ^ (1 << (at % 8));
            expect(backend.gcmOpen(key, nonce, sealed, authData)).toBeUndefined();
            const id = new Uint8Array(32).fill(at);
            const head = message.slice(0, 400);
            const packet =
              head.length < 39 ? head : backend.sealPacket(id, key, head, authData.slice(0, 1600));
            const end = Math.min(16 + (at % 400), packet.length);
            return [whole, hex(masked), hex(packet), end < 16 ? '' : hex(backend.unmask(id, packet, end))];
          });
          expect(results[1]).toEqual(results[0]);
        },
      ),
      { numRuns: runs(100) },
    );
  });
});
