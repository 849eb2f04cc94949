import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/base/errors.ts';
import type { Backend } from '../../src/crypto/backend.ts';
import { backend as info } from '../../src/crypto/index.ts';
import { jsBackend } from '../../src/crypto/js.ts';
import { backend, chooseBackend } from '../../src/crypto/load.ts';
import { failedSelfTest, KNOWN } from '../../src/crypto/self-test.ts';
import {
  OracleSender,
  oracleEcdh,
  oracleEciesEncrypt,
  oracleKeccak256,
  oraclePublicKey,
  oracleSign,
} from './oracles.ts';

/** An addon that works: JavaScript under its name. */
const addon: Backend = { ...jsBackend, name: 'native', detail: 'a double' };
const working = () => ({ backend: addon });
const missing = () => ({ reason: 'the addon was not built' });
const broken = (): never => {
  throw new TypeError('undefined symbol');
};
const lying = () => ({ backend: { ...addon, ecdh: () => new Uint8Array(32) } });
const exploding = () => ({
  backend: {
    ...addon,
    decodeMany: (): number => {
      throw new RangeError('out of bounds');
    },
  },
});

const unavailable = (message: string | RegExp) =>
  expect.objectContaining({
    code: 'backend-unavailable' satisfies ErrorCode,
    message: expect.stringMatching(message),
  });

describe('PEERLANE_BACKEND', () => {
  it.each([undefined, '', 'auto'])('%s takes the addon that works', (wanted) => {
    expect(chooseBackend(wanted, working, jsBackend)).toEqual({
      backend: addon,
      info: { name: 'native', detail: 'a double', reason: 'the addon works here' },
    });
  });

  it.each([
    ['is missing', missing, 'the addon was not built'],
    ['throws while it loads', broken, 'the addon does not work: undefined symbol'],
    ['gives a wrong answer', lying, 'the addon fails its self-test: secp256k1'],
    ['throws in its self-test', exploding, 'the addon does not work: out of bounds'],
  ])('auto takes JavaScript, and says why, when the addon %s', (_, load, reason) => {
    const choice = chooseBackend('auto', load, jsBackend);
    expect(choice.backend).toBe(jsBackend);
    expect(choice.info).toEqual({ name: 'js', detail: jsBackend.detail, reason });
  });

  it('native takes the addon', () => {
    const choice = chooseBackend('native', working, jsBackend);
    expect(choice.backend).toBe(addon);
    expect(choice.info.reason).toBe('PEERLANE_BACKEND=native');
  });

  it.each([
    [missing, /not built/],
    [broken, /undefined symbol/],
    [lying, /self-test: secp256k1/],
    [exploding, /out of bounds/],
  ])('native fails loudly without a working addon', (load, message) => {
    expect(() => chooseBackend('native', load, jsBackend)).toThrow(unavailable(message));
  });

  it('js does not even load the addon', () => {
    const choice = chooseBackend('js', broken, jsBackend);
    expect(choice.backend).toBe(jsBackend);
    expect(choice.info).toEqual({ name: 'js', detail: jsBackend.detail, reason: 'PEERLANE_BACKEND=js' });
  });

  it.each(['JS', 'wasm', ' native'])('"%s" is an error', (wanted) => {
    expect(() => chooseBackend(wanted, working, jsBackend)).toThrow(unavailable(wanted));
  });
});

describe('the choice of this process', () => {
  it('follows from its environment and says why', () => {
    const wanted = process.env.PEERLANE_BACKEND;
    expect(info.name).toBe(backend.name);
    expect(info.detail).toBe(backend.detail);
    expect(info.reason).not.toBe('');
    if (wanted === 'js' || wanted === 'native') expect(info.name).toBe(wanted);
    if (info.name === 'js') expect(backend).toBe(jsBackend);
    expect(failedSelfTest(backend)).toBeUndefined();
  });
});

describe('the self-test', () => {
  /** The backend with one result falsified in its first byte. */
  const falsified = (name: keyof Backend): Backend => ({
    ...addon,
    [name]: (...parameters: unknown[]) => {
      const real = addon[name];
      if (typeof real !== 'function') throw new Error(`${name} is no function`);
      const result: unknown = Reflect.apply(real, addon, parameters);
      if (result instanceof Uint8Array) result[0] = (result[0] ?? 0) ^ 1;
      return result;
    },
  });

  it('passes JavaScript', () => {
    expect(failedSelfTest(jsBackend)).toBeUndefined();
  });

  it.each([
    ['keccak256', 'keccak'],
    ['publicKey', 'secp256k1'],
    ['sign', 'secp256k1'],
    ['recover', 'secp256k1'],
    ['ecdh', 'secp256k1'],
    ['sharedPoint', 'secp256k1'],
    ['decompress', 'secp256k1'],
    ['aes128Ctr', 'aes'],
    ['gcmSeal', 'aes'],
    ['gcmOpen', 'aes'],
    ['eciesEncrypt', 'ecies'],
    ['eciesDecrypt', 'ecies'],
  ] as const)('finds a wrong %s', (name, check) => {
    expect(failedSelfTest(falsified(name))).toBe(check);
  });

  const decodeOff = (word: number): Partial<Backend> => ({
    decodeMany: (sessions, inputs, out, limit, lanes, messages) => {
      const count = jsBackend.decodeMany(sessions, inputs, out, limit, lanes, messages);
      const at = messages.length - 6 + word;
      messages[at] = (messages[at] ?? 0) + 1;
      return count;
    },
  });

  it.each<[string, Partial<Backend>, string]>([
    ['digest in the last of many lanes', { keccak256Many: (_, out) => void out.fill(1) }, 'keccak'],
    [
      'frame in the last of many lanes',
      {
        encodeMany: (sessions, codes, payloads, out, lanes, staged) => {
          jsBackend.encodeMany(sessions, codes, payloads, out, lanes, staged);
          const last = (lanes[lanes.length - 1] ?? 0) - 1;
          out[last] = (out[last] ?? 0) ^ 1;
        },
      },
      'frames',
    ],
    ['message count', { decodeMany: () => 0 }, 'frames'],
    ['message code', decodeOff(1), 'frames'],
    ['message start', decodeOff(2), 'frames'],
    ['message place', decodeOff(4), 'frames'],
    ['acceptance of bad blocks', { snappyUncompress: () => true }, 'snappy'],
    ['refusal of good blocks', { snappyUncompress: () => false }, 'snappy'],
    ['compressed length', { snappyCompress: (input) => input.length - 1 }, 'snappy'],
    ['tolerance of any ECIES tag', { eciesDecrypt: () => new Uint8Array(77) }, 'ecies'],
    [
      'tolerance of a zero key',
      { publicKey: (key) => jsBackend.publicKey(key) ?? new Uint8Array(64) },
      'secp256k1',
    ],
  ])('finds a wrong %s', (_, change, check) => {
    expect(failedSelfTest({ ...addon, ...change })).toBe(check);
  });

  it('knows answers that other libraries give too', () => {
    const pattern = (length: number, seed: number): Uint8Array =>
      Uint8Array.from({ length }, (_, i) => (i * 167 + (i >> 3) * 13 + seed) & 0xff);
    const [key, other] = [pattern(32, 1), pattern(32, 2)];
    expect(KNOWN.keccakEmpty).toEqual(oracleKeccak256());
    expect(KNOWN.keccakLong).toEqual(oracleKeccak256(pattern(300, 0)));
    expect(KNOWN.publicKey).toEqual(oraclePublicKey(key));
    expect(KNOWN.signature).toEqual(oracleSign(pattern(32, 3), key));
    expect(KNOWN.shared).toEqual(oracleEcdh(other, KNOWN.publicKey));
    const packet = oracleEciesEncrypt(
      KNOWN.publicKey,
      other,
      pattern(16, 8),
      pattern(77, 4),
      Uint8Array.of(0, 190),
    );
    expect(KNOWN.packet).toEqual(oracleKeccak256(packet ?? Uint8Array.of()));
    const sender = new OracleSender({
      aesSecret: pattern(32, 10),
      macSecret: pattern(32, 11),
      seed: pattern(200, 12),
    });
    const frames = [
      sender.frame(Uint8Array.of(0x80, ...pattern(1, 5))),
      sender.frame(Uint8Array.of(0x10, ...pattern(40, 6))),
      sender.frame(Uint8Array.of(0x82, 0x12, 0x34, ...pattern(300, 7))),
    ];
    expect(KNOWN.frames).toEqual(oracleKeccak256(...frames));
  });
});
