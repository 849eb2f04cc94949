/** What callers of the frames may get wrong: an `invalid-argument`, and no session has changed. */
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import {
  compress,
  createFrameSession,
  decodeFrames,
  ecdh,
  eciesDecrypt,
  eciesEncrypt,
  encodeFrames,
  type FrameSession,
  keccak256,
  keccak256Many,
  publicKeyOf,
  recover,
  STATUS,
  sign,
  uncompress,
} from '../../src/crypto/index.ts';
import {
  aesSecret,
  bytes,
  connect,
  decodeOne,
  encodeOne,
  here,
  macSecret,
  noise,
  there,
} from './connection.ts';
import {
  alternating,
  alternatingByClass,
  cutOff,
  detach,
  detachedBytes,
  resizable,
  sharedBytes,
} from './memory.ts';

const invalid = expect.objectContaining({ name: 'PeerlaneError', code: 'invalid-argument' });
const good = noise(40);

/** Lengths, and what is said instead of them every other time. */
const ALTERNATING = [100, 5000, 100_000].flatMap((length) =>
  [-1, Number.NaN, 3, 50_000, 1e12].map((other) => [length, other] as const),
);

const NO_BYTES: [string, unknown][] = [
  ['undefined', undefined],
  ['an array', [1, 2]],
  ['a string', 'abc'],
  ['a Uint16Array', new Uint16Array(4)],
  ['a DataView', new DataView(new ArrayBuffer(4))],
  ['a proxy', new Proxy(good, {})],
  ['an object with the prototype', Object.create(Uint8Array.prototype)],
  ['detached', detachedBytes(good)],
  ['detached, though empty before', detachedBytes(bytes())],
  ['shared', sharedBytes(good)],
  ['cut off by a resize', cutOff(good)],
];

const NO_SESSIONS: [string, () => unknown][] = [
  ['undefined', () => undefined],
  ['null', () => null],
  ['an object', () => ({ configure: () => 0, dispose: () => 0 })],
  ['a number', () => 0],
  ['an object with the prototype', () => Object.create(Object.getPrototypeOf(connect().sender))],
  ['a proxy of a session', () => new Proxy(connect().sender, {})],
  ['what another thread gets of a session', () => structuredClone(connect().sender)],
];

/** Both ends go on as if nothing had been called. */
function expectUnchanged({ sender, receiver }: ReturnType<typeof connect>): void {
  const { messages, status } = decodeOne(receiver, encodeOne(sender, 9, good));
  expect([status, messages[0]?.code, messages[0]?.payload]).toEqual([STATUS.needMore, 9, good]);
}

function lane(session: unknown, payload: unknown, changes = {}) {
  return {
    session: session as FrameSession,
    code: 1,
    payload: payload as Uint8Array,
    snappy: false,
    ...changes,
  };
}

describe('lanes', () => {
  it.each(NO_BYTES)('take no payload and no input that is %s', (_, wrong) => {
    const one = connect();
    const other = connect();
    const input = encodeOne(connect().sender, 1, good);
    const copy = input.slice();
    expect(() => encodeFrames([lane(one.sender, good), lane(other.sender, wrong)])).toThrow(invalid);
    expect(() =>
      decodeFrames([
        { session: one.receiver, input },
        { session: other.receiver, input: wrong as Uint8Array },
      ]),
    ).toThrow(invalid);
    expect(input).toEqual(copy);
    expectUnchanged(one);
    expectUnchanged(other);
  });

  it.each([alternating, alternatingByClass])(
    'take no payload whose length is another one each time',
    (make) => {
      for (const [length, other] of ALTERNATING) {
        const one = connect();
        expect(() => encodeFrames([lane(one.sender, good), lane(one.sender, make(length, other))])).toThrow(
          invalid,
        );
        expect(() => compress(make(length, other))).toThrow(invalid);
        expect(() => uncompress(make(length, other), 5000)).toThrow(invalid);
        expectUnchanged(one);
      }
    },
  );

  it('take payloads of other realms and of classes that change nothing', () => {
    class Plain extends Uint8Array {}
    const payloads: Uint8Array[] = [
      Plain.from(good),
      Buffer.from(good),
      runInNewContext('new Uint8Array(40)'),
    ];
    for (const payload of payloads) {
      const { sender, receiver } = connect();
      const { messages } = decodeOne(receiver, encodeOne(sender, 1, payload));
      expect(messages[0]?.payload).toEqual(Uint8Array.from(payload));
    }
  });

  it.each(NO_SESSIONS)('take no session that is %s', (_, make) => {
    const one = connect();
    const wrong = make();
    expect(() => encodeFrames([lane(one.sender, good), lane(wrong, good)])).toThrow(invalid);
    expect(() =>
      decodeFrames([
        { session: one.receiver, input: good.slice() },
        { session: wrong as FrameSession, input: good.slice() },
      ]),
    ).toThrow(invalid);
    expectUnchanged(one);
  });

  it.each([undefined, null, -1, 1.5, 2 ** 32, Number.NaN, '1', 1n, Symbol('x'), {}, Object.create(null)])(
    'take no message code that is none',
    (code) => {
      const one = connect();
      expect(() => encodeFrames([lane(one.sender, good), lane(one.sender, good, { code })])).toThrow(invalid);
      expect(() => one.sender.configure(true, code as number)).toThrow(invalid);
      expectUnchanged(one);
    },
  );

  it('are an array of objects', () => {
    for (const wrong of [
      undefined,
      null,
      5,
      'x',
      {},
      [undefined],
      [5],
      new Proxy({}, {}),
      { length: 1 },
      Array(1),
    ]) {
      expect(() => encodeFrames(wrong as never)).toThrow(invalid);
      expect(() => decodeFrames(wrong as never)).toThrow(invalid);
    }
  });

  it('have a session of their own each when they decode', () => {
    const { sender, receiver } = connect();
    const input = encodeOne(sender, 1, good);
    const lanes = [input.slice(), input].map((input) => ({ session: receiver, input }));
    expect(() => decodeFrames(lanes)).toThrow(invalid);
    expect(decodeOne(receiver, input).messages.length).toBe(1);
  });

  it('are checked after all getters ran: what one of them spoils is refused', () => {
    const spoils: ((victim: ReturnType<typeof connect>, memory: Uint8Array) => void)[] = [
      (_, memory) => detach(memory),
      ({ sender }) => sender.configure(true, 5000),
    ];
    for (const spoil of spoils) {
      const one = connect();
      const two = connect();
      const memory = good.slice();
      const late = {
        ...lane(two.sender, good),
        get payload() {
          spoil(one, memory);
          return good;
        },
      };
      expect(() => encodeFrames([lane(one.sender, memory), late])).toThrow(invalid);
      one.sender.configure(false, 5000);
      expectUnchanged(one);
      expectUnchanged(two);
    }
    const one = connect();
    const two = connect();
    const memory = encodeOne(one.sender, 1, good);
    const late = {
      session: two.receiver,
      get input() {
        detach(memory);
        return good.slice();
      },
    };
    expect(() => decodeFrames([{ session: one.receiver, input: memory }, late])).toThrow(invalid);
    expectUnchanged(two);
  });

  it('of a session that a getter disposes of, or that was, fail alone', () => {
    const [one, two, three] = [connect(), connect(), connect()];
    const late = {
      ...lane(two.sender, good),
      get code() {
        one.sender.dispose();
        return 5;
      },
    };
    const { results } = encodeFrames([lane(one.sender, good), late, lane(three.sender, good)]);
    expect(results.map(({ status }) => status)).toEqual([STATUS.sessionFailed, STATUS.ok, STATUS.ok]);
    const disposing = {
      session: three.receiver,
      get input() {
        two.receiver.dispose();
        return encodeOne(connect().sender, 4, good);
      },
    };
    const { lanes, messages } = decodeFrames([{ session: two.receiver, input: good.slice() }, disposing]);
    expect(lanes.map(({ status }) => status)).toEqual([STATUS.sessionFailed, STATUS.needMore]);
    expect(messages.map(({ code, payload }) => [code, payload])).toEqual([[4, good]]);
  });

  it('take memory that can be resized, as long as the view is within it', () => {
    const { sender, receiver } = connect();
    const payload = new Uint8Array(resizable(10), 4, 6).fill(3);
    const frame = encodeOne(sender, 1, payload);
    const buffer = resizable(frame.length + 4);
    const input = new Uint8Array(buffer, 4);
    input.set(frame);
    const { messages } = decodeOne(receiver, input);
    expect(messages[0]?.payload).toEqual(payload);
    buffer.resize(4);
    expect(() => decodeOne(receiver, new Uint8Array(buffer, 4))).not.toThrow();
    expect(messages[0]?.payload?.length).toBe(0);
  });

  it('take no payload that lies where frames are about to be written', () => {
    const one = connect();
    const { slab } = encodeFrames([lane(connect().sender, good)]);
    const behind = new Uint8Array(slab.buffer, slab.byteOffset + slab.length, 30);
    expect(() => encodeFrames([lane(one.sender, behind)])).toThrow(invalid);
    expect(() =>
      encodeFrames([lane(one.sender, new Uint8Array(slab.buffer, slab.byteOffset, slab.length + 1))]),
    ).toThrow(invalid);
    expectUnchanged(one);
    const again = encodeFrames([lane(one.sender, slab)]);
    expect(decodeOne(one.receiver, again.slab.slice()).messages[0]?.payload).toEqual(slab);
  });

  it('go on after somebody handed a slab to another thread', () => {
    const { sender, receiver } = connect({ snappy: true });
    for (let i = 0; i < 3; i++) {
      const frame = encodeOne(sender, 1, noise(200, i), true);
      const { messages } = decodeOne(receiver, frame);
      expect(messages[0]?.payload).toEqual(noise(200, i));
      detach(messages[0]?.payload ?? bytes(1));
      detach(encodeFrames([lane(connect().sender, good)]).slab);
      detach(encodeFrames([]).slab);
    }
    const { messages } = decodeOne(receiver, encodeOne(sender, 1, bytes(), true));
    detach(messages[0]?.payload ?? bytes(1));
    expect(decodeOne(receiver, encodeOne(sender, 2, bytes(), true)).messages[0]?.payload).toEqual(bytes());
  });
});

describe('a frame session', () => {
  it.each(NO_BYTES)('starts from no secret and no seed that is %s', (_, wrong) => {
    const init = { aesSecret, macSecret, egressSeed: here, ingressSeed: there };
    for (const name of Object.keys(init)) {
      expect(() => createFrameSession({ ...init, [name]: wrong })).toThrow(invalid);
    }
  });

  it('starts from what was checked, whatever a getter gives the second time', () => {
    const secrets: unknown[] = [aesSecret, 'wrong'];
    const init = { aesSecret, macSecret, egressSeed: here, ingressSeed: there };
    Object.defineProperty(init, 'aesSecret', { get: () => secrets.shift() });
    const { receiver } = connect();
    expect(decodeOne(receiver, encodeOne(createFrameSession(init), 1, good)).messages.length).toBe(1);
  });

  it.each([...NO_SESSIONS])('has methods for itself only, and not for %s', (_, make) => {
    const { sender } = connect();
    const { configure, dispose } = sender;
    const wrong = make();
    expect(() => Reflect.apply(configure, wrong, [true, 5000])).toThrow(invalid);
    expect(() => Reflect.apply(dispose, wrong, [])).toThrow(invalid);
  });
});

describe('memory that is gone or shared', () => {
  const key = new Uint8Array(32).fill(1);
  const signature = sign(key, key);

  const options = { publicKey: publicKeyOf(key), ephemeralKey: key, iv: key.slice(16), plaintext: key };

  it.each([
    ['detached', detachedBytes],
    ['cut off', cutOff],
  ])('is no argument of any function when it is %s', (_, spoil) => {
    const wrong = spoil(key);
    expect(() => sign(wrong, key)).toThrow(invalid);
    expect(() => sign(key, wrong)).toThrow('not a secret key');
    expect(() => ecdh(wrong, signature)).toThrow('not a secret key');
    expect(() => recover(wrong, signature)).toThrow(invalid);
    expect(() => uncompress(wrong, 5000)).toThrow(invalid);
    expect(() => eciesDecrypt({ secretKey: key, packet: wrong, authData: key })).toThrow(invalid);
    expect(() => eciesDecrypt({ secretKey: key, packet: key, authData: wrong })).toThrow(invalid);
    expect(() => eciesEncrypt({ ...options, authData: wrong })).toThrow(invalid);
    expect(() => keccak256(key, wrong)).toThrow(invalid);
    expect(() => keccak256Many([key, wrong])).toThrow(invalid);
  });

  it('can be hashed and is good for keys, digests and signatures when it is shared', () => {
    const same = sharedBytes(key);
    expect(sign(same, same)).toEqual(signature);
    expect(recover(same, sharedBytes(signature))).toEqual(options.publicKey);
    expect(ecdh(same, sharedBytes(options.publicKey))).toEqual(ecdh(key, options.publicKey));
    expect(keccak256(same)).toEqual(keccak256(key));
    expect(keccak256Many([key, same]).slice(32)).toEqual(keccak256(key));
    // The longer one is too long for the short way into the addon.
    for (const length of [10, 10_000]) {
      const plaintext = new Uint8Array(length).fill(5);
      const authData = sharedBytes(key);
      const iv = sharedBytes(options.iv);
      const packet = eciesEncrypt({
        publicKey: sharedBytes(options.publicKey),
        ephemeralKey: same,
        iv,
        plaintext,
        authData,
      });
      expect(packet).toEqual(eciesEncrypt({ ...options, plaintext, authData: key }));
      expect(eciesDecrypt({ secretKey: same, packet, authData })).toEqual(plaintext);
    }
  });

  it('is no plaintext, packet or block of any length when it is shared', () => {
    const wrong = sharedBytes(key);
    expect(() => uncompress(wrong, 5000)).toThrow(invalid);
    expect(() => eciesDecrypt({ secretKey: key, packet: wrong, authData: key })).toThrow(invalid);
    expect(() => eciesEncrypt({ ...options, plaintext: wrong, authData: key })).toThrow(invalid);
  });
});

describe('what only seems to be bytes or an array', () => {
  const key = new Uint8Array(32).fill(1);

  it.each([
    ['length', 0],
    ['length', -5],
    ['length', 1e9],
    ['length', Number.NaN],
    ['length', 10n],
    ['buffer', new ArrayBuffer(1)],
    ['byteOffset', 1e9],
  ])('is an invalid argument: a property %s of %s', (name, value) => {
    const liar = Object.defineProperty(new Uint8Array(100), name, { value });
    const session = () => connect().sender;
    expect(() => decodeFrames([{ session: session(), input: liar }])).toThrow(invalid);
    if (name === 'length') {
      expect(() => keccak256(liar)).toThrow(invalid);
      expect(() => encodeFrames([{ session: session(), code: 1, payload: liar, snappy: false }])).toThrow(
        invalid,
      );
      const options = { publicKey: publicKeyOf(key), ephemeralKey: key, iv: key.slice(16), authData: key };
      expect(() => eciesEncrypt({ ...options, plaintext: liar })).toThrow(invalid);
    }
  });

  it('is an array of more elements than any call takes', () => {
    const huge = Object.assign([], { length: 2 ** 32 - 1 });
    for (const call of [encodeFrames, decodeFrames, keccak256Many]) expect(() => call(huge)).toThrow(invalid);
  });

  it('is memory of two lanes at once', () => {
    const input = new Uint8Array(200);
    const lanes = (...inputs: Uint8Array[]) => inputs.map((input) => ({ session: connect().sender, input }));
    expect(() => decodeFrames(lanes(input, input))).toThrow(invalid);
    expect(() => decodeFrames(lanes(input.subarray(99), input.subarray(0, 100)))).toThrow(invalid);
    expect(decodeFrames(lanes(input.subarray(100), input.subarray(0, 100))).lanes.length).toBe(2);
  });

  it('is in pieces that are none, that are not its own, or too short', () => {
    const pair = connect();
    const input = new Uint8Array(32);
    const half = new Uint8Array(16);
    const decode = (pieces: unknown) => decodeFrames([{ session: pair.receiver, input, pieces } as never]);
    for (const [what, none] of NO_BYTES) expect(() => decode([half, none]), what).toThrow(invalid);
    for (const wrong of [null, 'abc', half, [], [half], [half, half.slice(), half.slice()], [half, half]]) {
      expect(() => decode(wrong)).toThrow(invalid);
    }
    expect(() => decode([half, input.subarray(16)])).toThrow(invalid);
    expectUnchanged(pair);
  });

  it('is room for frames that is none', () => {
    const lanes = Array.from({ length: 3 }, () => {
      return { session: connect().sender, code: 1, payload: new Uint8Array(90_000), snappy: false };
    });
    for (const room of [
      undefined,
      new Uint8Array(10),
      new Uint8Array(new SharedArrayBuffer(300_000)),
      'room',
    ]) {
      expect(() => encodeFrames(lanes, () => room as Uint8Array)).toThrow(invalid);
    }
    expect(encodeFrames(lanes).length).toBe(3);
  });
});
