/** The addon by itself, below all checks in TypeScript: whatever it is called with, it throws or it works. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../src/base/bytes.ts';
import { frameBound, STATUS } from '../../src/crypto/backend.ts';
import { cutOff, detached, resizable, sharedBytes } from './memory.ts';

const file = process.env.PEERLANE_ADDON ?? join(import.meta.dirname, '../../build/Release/peerlane.node');
const require = createRequire(import.meta.url);

type Exports = Record<string, (...parameters: unknown[]) => unknown> & { readonly scratch: Uint8Array };

const KEY = new Uint8Array(32).fill(7);
const PAYLOAD = new Uint8Array(100).fill(9);
const BOUND = frameBound(PAYLOAD.length, false);

function load(): Exports {
  return require(file) as Exports;
}

function newSession(addon: Exports): unknown {
  return addon.createSession?.(KEY, KEY, new Uint8Array(5), new Uint8Array(5));
}

/** Puts arguments where the exports `...OfScratch` read them. */
function give({ scratch }: Exports, ...parts: Uint8Array[]): void {
  scratch.set(Buffer.concat(parts), scratch.length / 2);
}

/** Arguments that each export works with. */
function validCalls(addon: Exports): Record<string, () => unknown[]> {
  const given = (parts: Uint8Array[], ...parameters: unknown[]) => {
    give(addon, ...parts);
    return parameters;
  };
  const publicKey = () => {
    addon.publicKeyOfScratch?.(...given([KEY]));
    return addon.scratch.slice(0, 64);
  };
  const packetOf = (plaintext: Uint8Array) => {
    const packet = new Uint8Array(plaintext.length + 113);
    addon.eciesEncrypt?.(publicKey(), KEY, new Uint8Array(16), plaintext, new Uint8Array(2), packet);
    return packet;
  };
  const slots = () => Uint32Array.of(Number(newSession(addon)), Number(newSession(addon)));
  const copies = () => [PAYLOAD.slice(), PAYLOAD.slice()];
  return {
    keccak256OfScratch: () => [32],
    keccak256: () => [copies()],
    keccak256Many: () => [copies(), new Uint8Array(64)],
    publicKeyOfScratch: () => given([KEY]),
    signOfScratch: () => given([KEY, KEY]),
    recoverOfScratch: () => {
      addon.signOfScratch?.(...given([KEY, KEY]));
      return given([KEY, addon.scratch.slice(0, 65)]);
    },
    ecdhOfScratch: () => given([KEY, publicKey()]),
    sharedPointOfScratch: () => given([KEY, publicKey()]),
    verifyOfScratch: () => {
      addon.signOfScratch?.(...given([KEY, KEY]));
      const signature = addon.scratch.slice(0, 64);
      return given([KEY, signature, publicKey()]);
    },
    sha256OfScratch: () => [32],
    hkdfSha256OfScratch: () => given([new Uint8Array(33 + 64 + 9)], 40, 33, 64, 9),
    aes128CtrOfScratch: () => given([new Uint8Array(16 + 16 + 9)], 9),
    gcmSealOfScratch: () => given([new Uint8Array(16 + 12 + 9 + 5)], 9, 5),
    gcmOpenOfScratch: () => given([new Uint8Array(16 + 12 + 20 + 5)], 20, 5),
    sealPacketOfScratch: () => given([new Uint8Array(32 + 16 + 71 + 9)], 71, 9),
    unmaskOfScratch: () => given([new Uint8Array(32 + 90)], 71, 90),
    decompressOfScratch: () => given([Uint8Array.of(2), publicKey().subarray(0, 32)]),
    eciesEncrypt: () => {
      return [
        publicKey(),
        KEY.slice(),
        new Uint8Array(16),
        new Uint8Array(3),
        new Uint8Array(2),
        new Uint8Array(116),
      ];
    },
    eciesEncryptOfScratch: () => given([publicKey(), KEY, new Uint8Array(16 + 3 + 2)], 3, 2),
    eciesDecrypt: () => [KEY.slice(), packetOf(new Uint8Array(3)), new Uint8Array(2), new Uint8Array(3)],
    eciesDecryptOfScratch: () => given([KEY, packetOf(new Uint8Array(3)), new Uint8Array(2)], 116, 2),
    // One to be opened, which nobody signed, and one to be sealed.
    envelopes: () => [new Uint8Array(110), Uint32Array.of(100, 10), 1, KEY.slice(), new Uint8Array(65 + 107)],
    envelopesBeside: () => [new Uint8Array(110), Uint32Array.of(100, 10), 1, KEY.slice()],
    createSession: () => [KEY.slice(), KEY.slice(), KEY.slice(), KEY.slice()],
    createSessionOfScratch: () => given([KEY, KEY, new Uint8Array(9)], 5, 4),
    configureSession: () => [newSession(addon), true, 5000],
    freeSession: () => [newSession(addon)],
    encodeMany: () => [
      slots(),
      Uint32Array.of(1, 2),
      copies(),
      new Uint8Array(2 * BOUND),
      new Uint32Array(4),
      new Uint8Array(10),
      Uint32Array.of(0, 2 ** 32 - 1, 0, 2 ** 32 - 1),
    ],
    decodeMany: () => [
      slots(),
      copies(),
      new Uint8Array(100),
      100,
      new Uint32Array(8),
      new Uint32Array(60),
      copies(),
      Uint32Array.of(1, 1),
    ],
    snappyCompress: () => [PAYLOAD.slice(), new Uint8Array(200)],
    snappyUncompress: () => [Uint8Array.of(1, 0, 5), new Uint8Array(1)],
  };
}

function shared(view: Uint8Array | Uint32Array): Uint8Array | Uint32Array {
  if (view instanceof Uint8Array) return sharedBytes(view);
  return new Uint32Array(new SharedArrayBuffer(view.byteLength));
}

const NONSENSE: [string, unknown][] = [
  ['undefined', undefined],
  ['null', null],
  ['a string', '32'],
  ['a symbol', Symbol('x')],
  ['a bigint', 3n],
  ['an object', {}],
  ['a function', () => 0],
  ['-1', -1],
  ['1.5', 1.5],
  ['NaN', Number.NaN],
  ['2^32', 2 ** 32],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['a Float64Array', new Float64Array(50)],
  ['a Uint8ClampedArray', new Uint8ClampedArray(32)],
  ['a DataView', new DataView(new ArrayBuffer(32))],
  ['an ArrayBuffer', new ArrayBuffer(32)],
  ['a proxy of a Uint8Array', new Proxy(new Uint8Array(32), {})],
  ['a proxy of an array', new Proxy([KEY], {})],
  ['an object with the prototype of Uint8Array', Object.create(Uint8Array.prototype)],
  ['an array of nonsense', [KEY, {}]],
  ['an array with holes', Object.assign([KEY], { length: 3 })],
];

/** `valid` in wrong ways. */
function corruptions(name: string, valid: unknown): [string, unknown][] {
  if (valid instanceof Uint8Array || valid instanceof Uint32Array) {
    return [...NONSENSE, ['detached', detached(valid)], ['shared', shared(valid)]];
  }
  if (!Array.isArray(valid)) return NONSENSE;
  const [first, second] = valid;
  return [
    ...NONSENSE,
    ['a detached element', [first, detached(second)]],
    // To read each byte once is safe.
    ...(name.startsWith('keccak256')
      ? []
      : ([['a shared element', [first, shared(second)]]] as [string, unknown][])),
    ['2^32 - 1 holes', Object.assign([], { length: 2 ** 32 - 1 })],
  ];
}

describe.runIf(existsSync(file))('the addon (where it was built)', () => {
  const addon = load();
  const calls = validCalls(addon);
  const names = Object.keys(addon).filter((name) => typeof addon[name] === 'function');
  const call = (name: string, parameters: unknown[]) => addon[name]?.(...parameters);

  it('has no export that is not tried here', () => {
    expect(Object.keys(calls).sort()).toEqual(names.sort());
  });

  it.each(names)('%s throws a TypeError or RangeError for each wrong argument, and works on', (name) => {
    const valid = calls[name] ?? (() => []);
    const count = valid().length;
    for (let index = 0; index < count; index++) {
      for (const [what, wrong] of corruptions(name, valid()[index])) {
        const parameters = valid().with(index, wrong);
        let thrown: unknown = 'nothing';
        try {
          call(name, parameters);
        } catch (error) {
          thrown = error;
        }
        const typed = thrown instanceof TypeError || thrown instanceof RangeError;
        expect(typed, `argument ${index} is ${what}: ${String(thrown)}`).toBe(true);
      }
      expect(() => call(name, valid().slice(0, index))).toThrow();
    }
    expect(() => call(name, [...valid(), 'more', 'than', 'it', 'takes', 'and', 'more'])).not.toThrow();
  });

  it.each(names)('%s cares for no `this`', (name) => {
    for (const other of [undefined, null, {}, 5, new Proxy({}, {})]) {
      expect(() => Reflect.apply(addon[name] ?? expect.fail, other, calls[name]?.() ?? [])).not.toThrow();
    }
  });

  it('finds no bytes where a buffer has become too short', () => {
    expect(() => call('createSession', [cutOff(KEY), KEY, KEY, KEY])).toThrow(RangeError);
    expect(() => call('keccak256Many', [[PAYLOAD], cutOff(KEY)])).toThrow(RangeError);
    call('keccak256', [[]]);
    const digest = addon.scratch.slice(0, 32);
    call('keccak256', [[cutOff(PAYLOAD)]]);
    expect(addon.scratch.slice(0, 32)).toEqual(digest);
    const lanes = new Uint32Array(4);
    call('decodeMany', [
      Uint32Array.of(Number(newSession(addon))),
      [cutOff(PAYLOAD)],
      KEY.slice(),
      9,
      lanes,
      lanes.slice(),
      [],
      new Uint32Array(0),
    ]);
    expect([...lanes]).toEqual([STATUS.needMore, 0, 32, 0]);
  });

  it('reads what a view that follows its buffer has now', () => {
    const buffer = resizable(10);
    const view = new Uint8Array(buffer, 4);
    buffer.resize(104);
    view.set(PAYLOAD);
    call('keccak256', [[view]]);
    const digest = addon.scratch.slice(0, 32);
    call('keccak256', [[PAYLOAD]]);
    expect(addon.scratch.slice(0, 32)).toEqual(digest);
  });

  it('writes nothing where it reads', () => {
    const memory = new ArrayBuffer(4096);
    const at = (from: number, length: number) => new Uint8Array(memory, from, length);
    const words = (from: number, length: number) => new Uint32Array(memory, from, length);
    const [, , , out, lanes] = calls.encodeMany?.() ?? [];
    const codes = Uint32Array.of(1);
    const [staged, places] = [new Uint8Array(100), Uint32Array.of(0, 100)];
    const none = [new Uint8Array(0), new Uint32Array(0)];
    const whole = [[], new Uint32Array(0)];
    const [results, one] = [[new Uint32Array(4), new Uint32Array(6)], Uint32Array.of(1)];
    const slot = () => Uint32Array.of(Number(newSession(addon)));
    const overlapping: [string, unknown[]][] = [
      ['keccak256Many', [[at(31, 5)], at(0, 32)]],
      ['eciesEncrypt', [at(115, 64), KEY, at(500, 16), at(500, 3), at(500, 2), at(0, 116)]],
      ['eciesEncrypt', [at(200, 64), KEY, at(60, 16), at(500, 3), at(500, 2), at(0, 116)]],
      ['eciesEncrypt', [at(200, 64), KEY, at(500, 16), at(113, 3), at(500, 2), at(0, 116)]],
      ['eciesDecrypt', [KEY, at(0, 116), at(500, 2), at(97, 3)]],
      ['snappyCompress', [at(0, 100), at(99, 300)]],
      ['snappyUncompress', [at(0, 100), at(50, 300)]],
      ['encodeMany', [slot(), codes, [at(0, 100)], at(99, BOUND), lanes, ...none]],
      ['encodeMany', [slot(), codes, [at(0, 100)], out, words(96, 2), ...none]],
      ['encodeMany', [slot(), codes, [PAYLOAD], at(4, BOUND), words(0, 2), ...none]],
      ['encodeMany', [slot(), codes, [], at(99, BOUND), lanes, at(0, 100), places]],
      ['encodeMany', [slot(), codes, [], out, words(96, 2), at(0, 100), places]],
      ['encodeMany', [slot(), codes, [], at(4, BOUND), lanes, staged, words(0, 2)]],
      ['encodeMany', [slot(), words(0, 1), [], at(3, BOUND), lanes, staged, places]],
      [
        'decodeMany',
        [slot(), [at(0, 100)], at(99, 200), 9, new Uint32Array(4), new Uint32Array(6), ...whole],
      ],
      ['decodeMany', [slot(), [at(0, 100)], at(200, 9), 9, words(96, 4), new Uint32Array(6), ...whole]],
      ['decodeMany', [slot(), [at(0, 100)], at(200, 9), 9, new Uint32Array(4), words(96, 6), ...whole]],
      ['decodeMany', [slot(), [KEY.slice()], at(0, 9), 9, ...results, [at(8, 32)], one]],
      ['decodeMany', [slot(), [KEY.slice()], out, 9, words(0, 4), results[1], [at(8, 32)], one]],
      ['decodeMany', [slot(), [KEY.slice()], out, 9, results[0], words(0, 6), [at(8, 32)], one]],
      ['decodeMany', [slot(), [KEY.slice()], at(0, 9), 9, ...results, [KEY], words(8, 1)]],
      ['decodeMany', [slot(), [at(0, 32)], out, 9, ...results, [KEY], words(28, 1)]],
      ['decodeMany', [slot(), [PAYLOAD.slice()], at(0, 9), 9, words(8, 4), new Uint32Array(6), ...whole]],
      ['decodeMany', [slot(), [PAYLOAD.slice()], at(0, 9), 9, new Uint32Array(4), words(8, 6), ...whole]],
      ['decodeMany', [slot(), [PAYLOAD.slice()], KEY.slice(), 9, words(0, 4), words(12, 6), ...whole]],
    ];
    for (const [name, parameters] of overlapping) {
      expect(() => call(name, parameters), name).toThrow('arguments overlap');
    }
    expect(new Uint8Array(memory).every((byte) => byte === 0)).toBe(true);
    call('encodeMany', [slot(), codes, [at(0, 100)], at(100, BOUND), words(1000, 2), ...none]);
  });

  it('lets a session have several lanes that encode, and one that decodes', () => {
    const slot = Number(newSession(addon));
    const twice = Uint32Array.of(slot, slot);
    call('encodeMany', calls.encodeMany?.().with(0, twice) ?? []);
    const inputs = [PAYLOAD.slice(), PAYLOAD.slice()];
    const decode = (slots: Uint32Array) => {
      return call('decodeMany', [
        slots,
        inputs,
        new Uint8Array(9),
        9,
        new Uint32Array(8),
        new Uint32Array(60),
        [],
        new Uint32Array(0),
      ]);
    };
    expect(() => decode(twice)).toThrow('a frame session is in two lanes');
    expect(inputs).toEqual([PAYLOAD, PAYLOAD]);
    expect(decode(Uint32Array.of(slot, Number(newSession(addon))))).toBe(0);
  });

  it('takes staged payloads from within their bytes only, and each other one from the array', () => {
    const staged = concatBytes(new Uint8Array(5), PAYLOAD);
    const NEXT = 2 ** 32 - 1;
    const encode = (payloads: unknown[], places: Uint32Array) => {
      const [, codes, , out, lanes] = calls.encodeMany?.() ?? [];
      const slots = Uint32Array.of(Number(newSession(addon)), Number(newSession(addon)));
      call('encodeMany', [slots, codes, payloads, out, lanes, staged, places]);
      return out;
    };
    const expected = encode([PAYLOAD, PAYLOAD], new Uint32Array(0));
    for (const places of [
      [5, 100, 5, 100],
      [0, NEXT, 5, 100],
      [5, 100, 0, NEXT],
    ]) {
      const direct = places.filter((word) => word === NEXT).map(() => PAYLOAD);
      expect(encode(direct, Uint32Array.from(places))).toEqual(expected);
      expect(() => encode([...direct, PAYLOAD], Uint32Array.from(places))).toThrow(RangeError);
      if (direct.length > 0) expect(() => encode([], Uint32Array.from(places))).toThrow(RangeError);
    }
    for (const place of [
      [6, 100],
      [106, 0],
      [NEXT, 1],
      [5, NEXT - 1],
    ]) {
      expect(() => encode([], Uint32Array.from([5, 100, ...place]))).toThrow(RangeError);
    }
    expect(() => encode([], Uint32Array.of(5, 100, 5))).toThrow(RangeError);
  });

  it('takes pieces that are as long as their input only, and all of them', () => {
    const decode = (inputs: Uint8Array[], pieces: Uint8Array[], ...counts: number[]) => {
      const slots = Uint32Array.from(inputs, () => Number(newSession(addon)));
      const results = new Uint32Array(4 * inputs.length);
      const [out, table] = [new Uint8Array(9), new Uint32Array(60)];
      call('decodeMany', [slots, inputs, out, 9, results, table, pieces, Uint32Array.from(counts)]);
      return results[0];
    };
    const [header, half] = [new Uint8Array(32), new Uint8Array(16)];
    expect(decode([header.slice()], [half, half], 2)).toBe(STATUS.headerMac);
    expect(decode([new Uint8Array(0), header.slice()], [half, half], 0, 2)).toBe(STATUS.needMore);
    expect(() => decode([header.slice()], [half], 1)).toThrow(RangeError);
    expect(() => decode([header.slice()], [half, half], 1)).toThrow(RangeError);
    expect(() => decode([header.slice()], [half, half], 3)).toThrow(RangeError);
    expect(() => decode([header.slice()], [half, half], 2 ** 32 - 1)).toThrow(RangeError);
    expect(() => decode([header.slice()], [half, half], 0)).toThrow(RangeError);
    expect(() => decode([header.slice()], [half, half])).toThrow(RangeError);
    expect(() => decode([header.slice(), header.slice()], [header, header], 1)).toThrow(RangeError);
  });

  it('knows a session no more that was freed, and gives its slot to another', () => {
    const slot = newSession(addon);
    call('freeSession', [slot]);
    expect(() => call('freeSession', [slot])).toThrow(TypeError);
    expect(() => call('configureSession', [slot, true, 1])).toThrow('not a frame session');
    expect(newSession(addon)).toBe(slot);
  });

  it('has a session that is over, which takes no work and cannot be changed', () => {
    expect(() => call('freeSession', [0])).toThrow(RangeError);
    expect(() => call('configureSession', [0, true, 5000])).toThrow(RangeError);
    const over = new Uint32Array(2);
    const encoding = calls.encodeMany?.() ?? [];
    call('encodeMany', encoding.with(0, over));
    expect(encoding[4]).toEqual(Uint32Array.of(STATUS.sessionFailed, 0, STATUS.sessionFailed, 0));
    const decoding = calls.decodeMany?.() ?? [];
    expect(call('decodeMany', decoding.with(0, over))).toBe(0);
    const results = decoding[4];
    expect(results).toEqual(Uint32Array.of(STATUS.sessionFailed, 0, 0, 0, STATUS.sessionFailed, 0, 0, 0));
  });

  it('takes no lengths beyond scratch, and leaves no argument in it', () => {
    const half = addon.scratch.length / 2;
    for (const [name, ...lengths] of [
      ['keccak256OfScratch', half + 1],
      ['eciesEncryptOfScratch', half - 112, 1],
      ['eciesEncryptOfScratch', 2 ** 32 - 1, 2 ** 32 - 1],
      ['eciesEncryptOfScratch', half - 112, 0],
      ['eciesDecryptOfScratch', half - 31, 0],
      ['eciesDecryptOfScratch', 112, 0],
      ['createSessionOfScratch', half - 64, 1],
    ] as const) {
      expect(() => call(name, lengths), name).toThrow(RangeError);
    }
    for (const name of names.filter((name) => name.endsWith('OfScratch'))) {
      call(name, calls[name]?.() ?? []);
      expect(
        addon.scratch.subarray(half).every((byte) => byte === 0),
        name,
      ).toBe(true);
    }
  });

  it('leaves a call that a getter breaks off as if it had not been made', () => {
    const [slots, codes, payloads, out, lanes, ...staged] = calls.encodeMany?.() ?? [];
    const broken = Object.defineProperty([PAYLOAD], 0, {
      get: () => {
        call('freeSession', [newSession(addon)]);
        throw new EvalError('from the getter');
      },
    });
    expect(() => call('encodeMany', [slots, codes, broken, out, lanes, ...staged])).toThrow(EvalError);
    call('encodeMany', [slots, codes, payloads, out, lanes, ...staged]);
    expect(lanes).toEqual(Uint32Array.of(STATUS.ok, 32 + 112 + 16, STATUS.ok, 2 * (32 + 112 + 16)));
  });

  it('keeps the memory of its results, which cannot be handed to another thread', () => {
    expect(() =>
      structuredClone(addon.scratch, { transfer: [addon.scratch.buffer as ArrayBuffer] }),
    ).toThrow();
    call('keccak256', [[]]);
    expect(Buffer.from(addon.scratch.slice(0, 4)).toString('hex')).toBe('c5d24601');
  });

  it('loads many times, each with sessions of its own', () => {
    const loads = Array.from({ length: 100 }, () => {
      delete require.cache[require.resolve(file)];
      return load();
    });
    expect(new Set(loads.map(({ scratch }) => scratch.buffer)).size).toBe(loads.length);
    const slot = loads[0]?.createSession?.(KEY, KEY, KEY, KEY);
    for (const { freeSession } of loads.slice(1)) expect(() => freeSession?.(slot)).toThrow(TypeError);
    expect(() => loads[0]?.freeSession?.(slot)).not.toThrow();
  });
});
