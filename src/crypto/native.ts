/** The backend that runs in the addon (native/addon.cc). */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PeerlaneError } from '../base/errors.ts';
import { type AddonFile, findAddon, thisPlatform } from './addon-file.ts';
import {
  type Backend,
  COMPRESSED_KEY_LENGTH,
  ECIES_OVERHEAD,
  type EnvelopeBatch,
  type FrameSession,
  type FrameSessionInit,
  GCM_TAG_LENGTH,
  type InputPieces,
  PUBLIC_KEY_LENGTH,
  SECRET_KEY_LENGTH,
  SIGNATURE_LENGTH,
  type StagedPayloads,
} from './backend.ts';
import { lengthOf } from './checks.ts';
import { isCutOff } from './elf.ts';
import { aes128Ctr, gcmOpen, gcmSeal, hkdfSha256, sha256 } from './js/node.ts';
import { PacketMemory } from './packet-memory.ts';

const DIGEST_LENGTH = 32;
/** The longest key of an HMAC that the addon takes: a longer one would have to be hashed first. */
const MAX_HMAC_KEY = 64;
const NO_SLOTS = new Uint32Array(0);
const NO_PIECES: InputPieces = { pieces: [], counts: new Uint32Array(0) };
const NONE_STAGED: StagedPayloads = { bytes: new Uint8Array(0), places: new Uint32Array(0) };

/** A backend, and the file that it runs in. */
export interface LoadedBackend {
  readonly backend: Backend;
  readonly addon?: AddonFile;
}

/**
 * What the addon exports. Results of a fixed size come at the start of `scratch`; what an export `...OfScratch` reads
 * has to lie behind its middle, one argument after another, and is overwritten by the call.
 */
interface Addon {
  readonly detail: string;
  readonly scratch: Uint8Array;
  keccak256OfScratch(length: number): void;
  keccak256(parts: readonly Uint8Array[]): void;
  keccak256Many(inputs: readonly Uint8Array[], out: Uint8Array): void;
  /** Of the secret key. */
  publicKeyOfScratch(): boolean;
  /** Of the digest and the secret key. */
  signOfScratch(): boolean;
  /** Of the digest and the signature. */
  recoverOfScratch(): boolean;
  /** Of the secret key and the public key. */
  ecdhOfScratch(): boolean;
  /** Of the secret key and the public key. */
  sharedPointOfScratch(): boolean;
  /** Of the digest, the signature without a recovery id, and the public key. */
  verifyOfScratch(): boolean;
  /** Of the compressed key. */
  decompressOfScratch(): boolean;
  sha256OfScratch(length: number): void;
  /** Of the secret, the salt of at most 64 bytes, and the info. */
  hkdfSha256OfScratch(length: number, secretLength: number, saltLength: number, infoLength: number): void;
  /** Of the key, the IV and the message. */
  aes128CtrOfScratch(length: number): void;
  /** Of the key, the nonce, the plaintext and the authenticated data. */
  gcmSealOfScratch(plaintextLength: number, authDataLength: number): void;
  /** Of the key, the nonce, the sealed message and the authenticated data. */
  gcmOpenOfScratch(sealedLength: number, authDataLength: number): boolean;
  /** Of the id, the key, masking-iv and header, and the plaintext. */
  sealPacketOfScratch(headLength: number, plaintextLength: number): void;
  /** Of the id and the packet. */
  unmaskOfScratch(end: number, packetLength: number): void;
  /** Of the public key, the ephemeral key, the IV, the plaintext and the authenticated data. */
  eciesEncryptOfScratch(plaintextLength: number, authDataLength: number): boolean;
  eciesEncrypt(
    publicKey: Uint8Array,
    ephemeralKey: Uint8Array,
    iv: Uint8Array,
    plaintext: Uint8Array,
    authData: Uint8Array,
    packet: Uint8Array,
  ): boolean;
  /** Of the secret key, the packet and the authenticated data. */
  eciesDecryptOfScratch(packetLength: number, authDataLength: number): boolean;
  eciesDecrypt(
    secretKey: Uint8Array,
    packet: Uint8Array,
    authData: Uint8Array,
    plaintext: Uint8Array,
  ): boolean;
  /** Of so many envelopes to be opened, and contents to be sealed. */
  envelopes(
    inputs: Uint8Array,
    lengths: Uint32Array,
    opens: number,
    secretKey: Uint8Array,
    out: Uint8Array,
  ): boolean;
  envelopesBeside(
    inputs: Uint8Array,
    lengths: Uint32Array,
    opens: number,
    secretKey: Uint8Array,
  ): Promise<Uint8Array | undefined>;
  /** Of both secrets and both seeds. Returns the slot that names the session; never 0, which stands for those that are over. */
  createSessionOfScratch(egressSeedLength: number, ingressSeedLength: number): number;
  createSession(
    aesSecret: Uint8Array,
    macSecret: Uint8Array,
    egressSeed: Uint8Array,
    ingressSeed: Uint8Array,
  ): number;
  configureSession(slot: number, snappy: boolean, maxFrameSize: number): void;
  /** Overwrites its secrets; the slot names another session from then on. */
  freeSession(slot: number): void;
  encodeMany(
    slots: Uint32Array,
    codes: Uint32Array,
    payloads: readonly Uint8Array[],
    out: Uint8Array,
    lanes: Uint32Array,
    staged: Uint8Array,
    places: Uint32Array,
  ): void;
  decodeMany(
    slots: Uint32Array,
    inputs: readonly Uint8Array[],
    out: Uint8Array,
    inlineLimit: number,
    lanes: Uint32Array,
    messages: Uint32Array,
    pieces: readonly Uint8Array[],
    counts: Uint32Array,
  ): number;
  snappyCompress(input: Uint8Array, out: Uint8Array): number;
  snappyUncompress(input: Uint8Array, out: Uint8Array): boolean;
}

/** The slot of a session that is over: all that were disposed of are this one, which takes no work. */
const DISPOSED = 0;

/** A session lives in the addon until it is disposed of, or this object has gone. */
class NativeFrameSession implements FrameSession {
  readonly #addon: Addon;
  readonly #gone: FinalizationRegistry<number>;
  #slot: number;

  constructor(addon: Addon, gone: FinalizationRegistry<number>, slot: number) {
    this.#addon = addon;
    this.#gone = gone;
    this.#slot = slot;
    gone.register(this, slot, this);
  }

  configure(snappy: boolean, maxFrameSize: number): void {
    if (this.#slot !== DISPOSED) this.#addon.configureSession(this.#slot, snappy, maxFrameSize);
  }

  dispose(): void {
    if (this.#slot === DISPOSED) return;
    this.#gone.unregister(this);
    this.#addon.freeSession(this.#slot);
    this.#slot = DISPOSED;
  }

  /** The slot that names the session in `addon`. */
  static slotOf(session: FrameSession | undefined, addon: Addon): number {
    if (session !== undefined && #slot in session && session.#addon === addon) return session.#slot;
    throw new PeerlaneError('internal', 'a frame session of another backend');
  }
}

/** What the addon refused, as an error with a code; before it refuses it changes nothing. */
function refusal(error: unknown): PeerlaneError {
  if (error instanceof PeerlaneError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new PeerlaneError('invalid-argument', message, { cause: error });
}

class NativeBackend implements Backend {
  readonly name = 'native';
  readonly detail: string;
  readonly #addon: Addon;
  readonly #scratch: Uint8Array;
  /** The length of the results' part of scratch, and of the arguments'. */
  readonly #half: number;
  readonly #gone: FinalizationRegistry<number>;
  readonly #packets = new PacketMemory();
  /** Kept from call to call; absent while a call has it. */
  #slots: Uint32Array = NO_SLOTS;

  constructor(addon: Addon) {
    this.detail = addon.detail;
    this.#addon = addon;
    this.#scratch = addon.scratch;
    this.#half = addon.scratch.length / 2;
    this.#gone = new FinalizationRegistry((slot) => addon.freeSession(slot));
  }

  keccak256(...parts: readonly Uint8Array[]): Uint8Array {
    const length = this.#give(...parts);
    if (length === undefined) this.#addon.keccak256(parts);
    else this.#addon.keccak256OfScratch(length);
    // Secrets are digests, too.
    return this.#takeSecret(DIGEST_LENGTH);
  }

  keccak256Many(inputs: readonly Uint8Array[], out: Uint8Array): void {
    try {
      this.#addon.keccak256Many(inputs, out);
    } catch (error) {
      throw refusal(error);
    }
  }

  publicKey(secretKey: Uint8Array): Uint8Array | undefined {
    this.#give(secretKey);
    return this.#result(this.#addon.publicKeyOfScratch(), PUBLIC_KEY_LENGTH);
  }

  sign(digest: Uint8Array, secretKey: Uint8Array): Uint8Array | undefined {
    this.#give(digest, secretKey);
    return this.#result(this.#addon.signOfScratch(), SIGNATURE_LENGTH);
  }

  recover(digest: Uint8Array, signature: Uint8Array): Uint8Array | undefined {
    this.#give(digest, signature);
    return this.#result(this.#addon.recoverOfScratch(), PUBLIC_KEY_LENGTH);
  }

  ecdh(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
    this.#give(secretKey, publicKey);
    const shared = this.#result(this.#addon.ecdhOfScratch(), SECRET_KEY_LENGTH);
    this.#scratch.fill(0, 0, SECRET_KEY_LENGTH);
    return shared;
  }

  sharedPoint(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
    this.#give(secretKey, publicKey);
    const point = this.#result(this.#addon.sharedPointOfScratch(), COMPRESSED_KEY_LENGTH);
    this.#scratch.fill(0, 0, COMPRESSED_KEY_LENGTH);
    return point;
  }

  verify(digest: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean {
    this.#give(digest, signature, publicKey);
    return this.#addon.verifyOfScratch();
  }

  decompress(compressed: Uint8Array): Uint8Array | undefined {
    this.#give(compressed);
    return this.#result(this.#addon.decompressOfScratch(), PUBLIC_KEY_LENGTH);
  }

  sha256(...parts: readonly Uint8Array[]): Uint8Array {
    const length = this.#give(...parts);
    if (length === undefined) return sha256(...parts);
    this.#addon.sha256OfScratch(length);
    return this.#takeSecret(DIGEST_LENGTH);
  }

  hkdfSha256(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array {
    const isShort = salt.length <= MAX_HMAC_KEY && length <= this.#half;
    if (!isShort || this.#give(secret, salt, info) === undefined)
      return hkdfSha256(secret, salt, info, length);
    this.#addon.hkdfSha256OfScratch(length, secret.length, salt.length, info.length);
    return this.#takeSecret(length);
  }

  sealPacket(destId: Uint8Array, key: Uint8Array, head: Uint8Array, plaintext: Uint8Array): Uint8Array {
    this.#give(destId, key, head, plaintext);
    this.#addon.sealPacketOfScratch(head.length, plaintext.length);
    return this.#packet(head.length + plaintext.length + GCM_TAG_LENGTH);
  }

  unmask(localId: Uint8Array, packet: Uint8Array, end: number): Uint8Array {
    this.#give(localId, packet);
    this.#addon.unmaskOfScratch(end, packet.length);
    return this.#scratch.slice(0, end);
  }

  // What is longer than any packet is left to Node.js, for which it takes no longer.

  aes128Ctr(key: Uint8Array, iv: Uint8Array, message: Uint8Array): Uint8Array {
    if (this.#give(key, iv, message) === undefined) return aes128Ctr(key, iv, message);
    const { length } = message;
    this.#addon.aes128CtrOfScratch(length);
    return this.#scratch.slice(0, length);
  }

  gcmSeal(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, authData: Uint8Array): Uint8Array {
    const length = plaintext.length + GCM_TAG_LENGTH;
    if (length > this.#half || this.#give(key, nonce, plaintext, authData) === undefined)
      return gcmSeal(key, nonce, plaintext, authData);
    this.#addon.gcmSealOfScratch(plaintext.length, authData.length);
    return this.#scratch.slice(0, length);
  }

  gcmOpen(
    key: Uint8Array,
    nonce: Uint8Array,
    sealed: Uint8Array,
    authData: Uint8Array,
  ): Uint8Array | undefined {
    if (this.#give(key, nonce, sealed, authData) === undefined) return gcmOpen(key, nonce, sealed, authData);
    const length = sealed.length - GCM_TAG_LENGTH;
    const plaintext = this.#result(this.#addon.gcmOpenOfScratch(sealed.length, authData.length), length);
    this.#scratch.fill(0, 0, length);
    return plaintext;
  }

  eciesEncrypt(
    publicKey: Uint8Array,
    ephemeralKey: Uint8Array,
    iv: Uint8Array,
    plaintext: Uint8Array,
    authData: Uint8Array,
  ): Uint8Array | undefined {
    const length = ECIES_OVERHEAD + plaintext.length;
    if (length <= this.#half && this.#give(publicKey, ephemeralKey, iv, plaintext, authData) !== undefined) {
      return this.#result(this.#addon.eciesEncryptOfScratch(plaintext.length, authData.length), length);
    }
    const packet = new Uint8Array(length);
    // Copies, of what may lie in shared memory.
    const [key, ephemeral, start, data] = [
      new Uint8Array(publicKey),
      new Uint8Array(ephemeralKey),
      new Uint8Array(iv),
      new Uint8Array(authData),
    ];
    return this.#addon.eciesEncrypt(key, ephemeral, start, plaintext, data, packet) ? packet : undefined;
  }

  eciesDecrypt(secretKey: Uint8Array, packet: Uint8Array, authData: Uint8Array): Uint8Array | undefined {
    const length = packet.length - ECIES_OVERHEAD;
    if (this.#give(secretKey, packet, authData) !== undefined) {
      const plaintext = this.#result(
        this.#addon.eciesDecryptOfScratch(packet.length, authData.length),
        length,
      );
      this.#scratch.fill(0, 0, length);
      return plaintext;
    }
    const plaintext = new Uint8Array(length);
    const [key, data] = [new Uint8Array(secretKey), new Uint8Array(authData)];
    return this.#addon.eciesDecrypt(key, packet, data, plaintext) ? plaintext : undefined;
  }

  envelopes({ inputs, lengths, opens, secretKey }: EnvelopeBatch, out: Uint8Array): boolean {
    return this.#addon.envelopes(inputs, lengths, opens, secretKey, out);
  }

  envelopesBeside({ inputs, lengths, opens, secretKey }: EnvelopeBatch): Promise<Uint8Array | undefined> {
    return this.#addon.envelopesBeside(inputs, lengths, opens, secretKey);
  }

  createFrameSession(init: FrameSessionInit): FrameSession {
    const { aesSecret, macSecret, egressSeed, ingressSeed } = init;
    const given = this.#give(aesSecret, macSecret, egressSeed, ingressSeed);
    const slot =
      given === undefined
        ? this.#addon.createSession(aesSecret, macSecret, egressSeed, ingressSeed)
        : this.#addon.createSessionOfScratch(egressSeed.length, ingressSeed.length);
    return new NativeFrameSession(this.#addon, this.#gone, slot);
  }

  encodeMany(
    sessions: readonly FrameSession[],
    codes: Uint32Array,
    payloads: readonly Uint8Array[],
    out: Uint8Array,
    lanes: Uint32Array,
    staged: StagedPayloads = NONE_STAGED,
  ): void {
    const slots = this.#takeSlots(sessions, staged === NONE_STAGED ? payloads.length : codes.length);
    try {
      this.#addon.encodeMany(slots, codes, payloads, out, lanes, staged.bytes, staged.places);
    } catch (error) {
      throw refusal(error);
    } finally {
      this.#slots = slots;
    }
  }

  decodeMany(
    sessions: readonly FrameSession[],
    inputs: readonly Uint8Array[],
    out: Uint8Array,
    inlineLimit: number,
    lanes: Uint32Array,
    messages: Uint32Array,
    { pieces, counts }: InputPieces = NO_PIECES,
  ): number {
    const limit = Math.min(inlineLimit, 0xffffffff);
    const slots = this.#takeSlots(sessions, inputs.length);
    try {
      return this.#addon.decodeMany(slots, inputs, out, limit, lanes, messages, pieces, counts);
    } catch (error) {
      throw refusal(error);
    } finally {
      this.#slots = slots;
    }
  }

  snappyCompress(input: Uint8Array, out: Uint8Array): number {
    return this.#addon.snappyCompress(input, out);
  }

  snappyUncompress(input: Uint8Array, out: Uint8Array): boolean {
    return this.#addon.snappyUncompress(input, out);
  }

  /** Copies arguments to where the addon reads them. Their length; `undefined`, with nothing copied, if they are too long. */
  #give(...parts: readonly Uint8Array[]): number | undefined {
    let length = 0;
    for (const part of parts) length += lengthOf(part);
    if (length > this.#half) return undefined;
    let at = this.#half;
    for (const part of parts) {
      this.#scratch.set(part, at);
      at += lengthOf(part);
    }
    return length;
  }

  #result(ok: boolean, length: number): Uint8Array | undefined {
    return ok ? this.#scratch.slice(0, length) : undefined;
  }

  /** Bytes at the start of scratch, which stay there no longer. */
  #takeSecret(length: number): Uint8Array {
    const bytes = this.#scratch.slice(0, length);
    this.#scratch.fill(0, 0, length);
    return bytes;
  }

  /** Bytes at the start of scratch, in memory that they share with other packets. */
  #packet(length: number): Uint8Array {
    const packet = this.#packets.take(length);
    packet.set(this.#scratch.subarray(0, length));
    return packet;
  }

  /** A call within a call, from a getter, gets slots of its own. */
  #takeSlots(sessions: readonly FrameSession[], lanes: number): Uint32Array {
    if (sessions.length !== lanes) throw new PeerlaneError('internal', 'not as many sessions as lanes');
    const slots = this.#slots.length < lanes ? new Uint32Array(Math.max(64, 2 * lanes)) : this.#slots;
    this.#slots = NO_SLOTS;
    for (let i = 0; i < lanes; i++) slots[i] = NativeFrameSession.slotOf(sessions[i], this.#addon);
    return slots;
  }
}

/** The directory of this package: sources, the compiled code and a benchmark's build lie at different depths. */
function packageRoot(): string | undefined {
  let directory = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const file = join(directory, 'package.json');
    if (
      existsSync(file) &&
      (JSON.parse(readFileSync(file, 'utf8')) as { name?: unknown }).name === 'peerlane'
    ) {
      return directory;
    }
    const parent = dirname(directory);
    if (parent === directory) return undefined;
    directory = parent;
  }
}

/** The addon's file, or why there is none. */
function locate(): AddonFile | { readonly reason: string } {
  const forced = process.env.PEERLANE_ADDON;
  if (forced) return { file: forced, prebuilt: false };
  const root = packageRoot();
  if (root === undefined) return { reason: 'the package directory was not found' };
  return findAddon(root, thisPlatform());
}

function unusable(addon: object): string | undefined {
  if ('unusable' in addon && typeof addon.unusable === 'string') return addon.unusable;
  return undefined;
}

function isAddon(addon: object): addon is Addon {
  return (
    'scratch' in addon &&
    'encodeMany' in addon &&
    'envelopesBeside' in addon &&
    'hkdfSha256OfScratch' in addon
  );
}

/** Loads the addon. Never throws; `reason` is a sentence for people. `PEERLANE_ADDON` names another file. */
export function loadNative(): LoadedBackend | { readonly reason: string } {
  try {
    const found = locate();
    if ('reason' in found) return found;
    if (isCutOff(found.file)) return { reason: `the addon ${found.file} is damaged: its end is missing` };
    const addon: unknown = createRequire(import.meta.url)(found.file);
    if (typeof addon !== 'object' || addon === null) return { reason: `${found.file} is not the addon` };
    const reason = unusable(addon);
    if (reason !== undefined) return { reason: `the addon cannot be used: ${reason}` };
    if (!isAddon(addon)) return { reason: `${found.file} is not the addon` };
    return { backend: new NativeBackend(addon), addon: found };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { reason: `the addon failed to load: ${message.split('\n', 1)[0]}` };
  }
}
