/**
 * Known answers that a backend must give before it is trusted with traffic: a binary built for another CPU, or
 * by a broken compiler, shows here and not as a peer's failed MAC.
 */
import { concatBytes, EMPTY, equalBytes, fromHex } from '../base/bytes.ts';
import {
  type Backend,
  DECODE_LANE_WORDS,
  DECODE_MESSAGE_WORDS,
  ENCODE_LANE_WORDS,
  frameBound,
  PLACE,
  STATUS,
  snappyBound,
} from './backend.ts';

/** `length` bytes without a short period. */
function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 167 + (i >> 3) * 13 + seed) & 0xff);
}

const SECRET_KEY = pattern(32, 1);
const OTHER_KEY = pattern(32, 2);
const DIGEST = pattern(32, 3);
const PLAINTEXT = pattern(77, 4);
const AUTH_DATA = Uint8Array.of(0, 190);

export const KNOWN = {
  keccakEmpty: fromHex('c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470'),
  /** Of `pattern(300, 0)`: three blocks. */
  keccakLong: fromHex('7fd77429324720123781e37f16ca6a0bab1f64f27e6b14bd8b7cab603f73265d'),
  publicKey: fromHex(
    'e65e883b80e23ff38800e608f18abfc328a465ab539d0829103dbcc69ce2654ed3ed5b46aa674e13f8b44a5ef11925dc98f34b6f8174fc16e06a73c09795d5ca',
  ),
  signature: fromHex(
    '29de5302380c61003a87ea61893358b2ead3a9ccfefb3947f4a31a50de631fc359d2330d1d22656f96345f03e7a7a6422019f0ca0a266d24740c0efee44c22a200',
  ),
  /** Between `SECRET_KEY` and the public key of `OTHER_KEY`. */
  shared: fromHex('32dd841231698fd06b7b0906fa1a641e5796b0a56da45b03ec90afe3314a7096'),
  /** AES-128-GCM of `PLAINTEXT`, and the tag. */
  sealed: fromHex(
    '56a2c04b0b15e03d1972686621866fb219ce53f7c796322734721f87e3f602f8ef884a3ec810b8acbbee635fcce997912f902e982e10ab84267081327b858b7953322db3b22254a3a46e761123236276fcd5e5b07f65976b8e68235bb7',
  ),
  /** AES-128-CTR of `PLAINTEXT`, from a counter that overflows. */
  masked: fromHex(
    'c9ab6f8b4e3d899dea4f35575ae37381e80d5d1954508fc7768d439cff3be76ab98a62e48c917ee3364124f47639e8d0e5a74332996351c4ea86a494c2043c14434ef3567f43f928411e6fddb0',
  ),
  sha256: fromHex('b2b0971ba1e6031e18ae3e85c783c3641bccf221db25c7d2768dc9d2bb44a278'),
  /** HKDF of `SECRET_KEY`, with `DIGEST` as salt and `PLAINTEXT` as info: two blocks. */
  hkdf: fromHex('8a6fea2aeaed9aedc25b6ffddf84ae425703fe74ff293863f9ca4e3dfb10b2ebab7ad123305630c7'),
  /** Keccak-256 of the ECIES packet. */
  packet: fromHex('86c608029b57acbf96df9c8f2ebd35fb678ab4b155dc1c008ed25b4d22db8539'),
  /** Keccak-256 of the frames of `MESSAGES`. */
  frames: fromHex('4c3edb0504dbc8f17c7ceaed13a61adc1def80ab535201c3fc33d9c10bb4709a'),
} as const;

/** After one block all of it is zero. */
const LAST_COUNTER = new Uint8Array(16).fill(0xff);

/** Enough lanes for the widest instruction set and a rest. */
const LANES = 11;

const MESSAGES = [
  { code: 0, payload: pattern(1, 5) },
  { code: 0x10, payload: pattern(40, 6) },
  { code: 0x1234, payload: pattern(300, 7) },
] as const;

/** Literals and copies of all three kinds: 'abcdabcdabc' three times over, then 70 times 'x'. */
const BLOCK = fromHex('670c616263640d042a0b002b160000000078fe01000501');
const BLOCK_TEXT = `${'abcdabcdabc'.repeat(3)}${'x'.repeat(70)}`;

function keccak(backend: Backend): boolean {
  const long = pattern(300, 0);
  const split = [long.subarray(0, 7), long.subarray(7, 143), long.subarray(143)];
  const inputs = Array.from({ length: LANES }, (_, i) => pattern(i * 61, i));
  const digests = new Uint8Array(32 * LANES);
  backend.keccak256Many(inputs, digests);
  return (
    equalBytes(backend.keccak256(), KNOWN.keccakEmpty) &&
    equalBytes(backend.keccak256(long), KNOWN.keccakLong) &&
    equalBytes(backend.keccak256(...split), KNOWN.keccakLong) &&
    equalBytes(digests, concatBytes(...inputs.map((input) => backend.keccak256(input))))
  );
}

const COMPACT = KNOWN.signature.subarray(0, 64);
/** The y of the key is even. */
const COMPRESSED = concatBytes(Uint8Array.of(2), KNOWN.publicKey.subarray(0, 32));
/** Of the point whose x coordinate is `KNOWN.shared`. */
const SHARED_PARITY = 2;

function same(actual: Uint8Array | undefined, expected: Uint8Array): boolean {
  return actual !== undefined && equalBytes(actual, expected);
}

function secp256k1(backend: Backend): boolean {
  const other = backend.publicKey(OTHER_KEY);
  const zero = new Uint8Array(32);
  return (
    other !== undefined &&
    same(backend.publicKey(SECRET_KEY), KNOWN.publicKey) &&
    same(backend.sign(DIGEST, SECRET_KEY), KNOWN.signature) &&
    same(backend.recover(DIGEST, KNOWN.signature), KNOWN.publicKey) &&
    same(backend.ecdh(SECRET_KEY, other), KNOWN.shared) &&
    same(backend.ecdh(OTHER_KEY, KNOWN.publicKey), KNOWN.shared) &&
    same(backend.sharedPoint(SECRET_KEY, other), concatBytes(Uint8Array.of(SHARED_PARITY), KNOWN.shared)) &&
    same(backend.decompress(COMPRESSED), KNOWN.publicKey) &&
    backend.verify(DIGEST, COMPACT, KNOWN.publicKey) &&
    !backend.verify(DIGEST, COMPACT, other) &&
    !backend.verify(PLAINTEXT.subarray(0, 32), COMPACT, KNOWN.publicKey) &&
    backend.publicKey(zero) === undefined &&
    backend.ecdh(SECRET_KEY, pattern(64, 9)) === undefined
  );
}

function ecies(backend: Backend): boolean {
  const packet = backend.eciesEncrypt(KNOWN.publicKey, OTHER_KEY, pattern(16, 8), PLAINTEXT, AUTH_DATA);
  if (packet === undefined || !equalBytes(backend.keccak256(packet), KNOWN.packet)) return false;
  if (!same(backend.eciesDecrypt(SECRET_KEY, packet, AUTH_DATA), PLAINTEXT)) return false;
  packet[100] = (packet[100] ?? 0) ^ 1;
  return backend.eciesDecrypt(SECRET_KEY, packet, AUTH_DATA) === undefined;
}

function sha256(backend: Backend): boolean {
  return (
    same(backend.sha256(PLAINTEXT.subarray(0, 7), PLAINTEXT.subarray(7)), KNOWN.sha256) &&
    same(backend.hkdfSha256(SECRET_KEY, DIGEST, PLAINTEXT, 40), KNOWN.hkdf)
  );
}

function aes(backend: Backend): boolean {
  const [key, nonce] = [pattern(16, 15), pattern(12, 16)];
  const sealed = backend.gcmSeal(key, nonce, PLAINTEXT, AUTH_DATA);
  if (!same(sealed, KNOWN.sealed) || !same(backend.aes128Ctr(key, LAST_COUNTER, PLAINTEXT), KNOWN.masked))
    return false;
  if (!same(backend.gcmOpen(key, nonce, sealed, AUTH_DATA), PLAINTEXT)) return false;
  sealed[80] = (sealed[80] ?? 0) ^ 1;
  return backend.gcmOpen(key, nonce, sealed, AUTH_DATA) === undefined;
}

function frames(backend: Backend): boolean {
  const secrets = { aesSecret: pattern(32, 10), macSecret: pattern(32, 11) };
  const [here, there] = [pattern(200, 12), pattern(300, 13)];
  const lanes = Array.from({ length: LANES }, () => ({
    sender: backend.createFrameSession({ ...secrets, egressSeed: here, ingressSeed: there }),
    receiver: backend.createFrameSession({ ...secrets, egressSeed: there, ingressSeed: here }),
    sent: EMPTY,
  }));
  for (const { code, payload } of MESSAGES) {
    const out = new Uint8Array(LANES * frameBound(payload.length, false));
    const words = new Uint32Array(LANES * ENCODE_LANE_WORDS);
    const codes = new Uint32Array(LANES).fill(code);
    const payloads = lanes.map(() => payload);
    const sessions = lanes.map(({ sender }) => sender);
    backend.encodeMany(sessions, codes, payloads, out, words);
    let start = 0;
    lanes.forEach((lane, i) => {
      const end = words[ENCODE_LANE_WORDS * i + 1] ?? 0;
      lane.sent = concatBytes(lane.sent, out.subarray(start, end));
      start = end;
    });
  }
  if (!lanes.every(({ sent }) => equalBytes(backend.keccak256(sent), KNOWN.frames))) return false;
  return decodes(
    backend,
    lanes.map(({ receiver }) => receiver),
    lanes.map(({ sent }) => sent),
  );
}

function decodes(
  backend: Backend,
  sessions: Parameters<Backend['decodeMany']>[0],
  inputs: readonly Uint8Array[],
): boolean {
  const words = new Uint32Array(LANES * DECODE_LANE_WORDS);
  const table = new Uint32Array(LANES * MESSAGES.length * DECODE_MESSAGE_WORDS);
  const count = backend.decodeMany(sessions, inputs, EMPTY, 0, words, table);
  if (count !== LANES * MESSAGES.length) return false;
  for (let k = 0; k < count; k++) {
    const [lane = 0, code, start, end, place] = table.subarray(k * DECODE_MESSAGE_WORDS);
    const expected = MESSAGES[k % MESSAGES.length];
    const payload = inputs[lane]?.subarray(start, end);
    if (expected === undefined || code !== expected.code || place !== PLACE.input) return false;
    if (!same(payload, expected.payload)) return false;
  }
  return sessions.every((session, i) => {
    session.dispose();
    return words[DECODE_LANE_WORDS * i] === STATUS.needMore;
  });
}

function snappy(backend: Backend): boolean {
  const text = new TextEncoder().encode(BLOCK_TEXT);
  const out = new Uint8Array(text.length);
  if (!backend.snappyUncompress(BLOCK, out) || !equalBytes(out, text)) return false;
  if (backend.snappyUncompress(BLOCK.subarray(0, -1), out)) return false;
  const long = concatBytes(pattern(5000, 14), new Uint8Array(5000), pattern(5000, 14));
  const room = new Uint8Array(snappyBound(long.length));
  const block = room.subarray(0, backend.snappyCompress(long, room));
  const back = new Uint8Array(long.length);
  return block.length < long.length && backend.snappyUncompress(block, back) && equalBytes(back, long);
}

const CHECKS = { keccak, secp256k1, sha256, ecies, aes, frames, snappy } as const;

/** The name of the first check that `backend` fails, or `undefined`. @throws whatever the backend throws */
export function failedSelfTest(backend: Backend): string | undefined {
  return Object.entries(CHECKS).find(([, check]) => !check(backend))?.[0];
}
