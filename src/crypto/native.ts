/** The backend that runs in the addon (native/addon.cc). */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PeerlaneError } from '../base/errors.ts';
import { type AddonFile, findAddon, thisPlatform } from './addon-file.ts';
import {
  type Backend,
  ECIES_OVERHEAD,
  type FrameSession,
  type FrameSessionInit,
  PUBLIC_KEY_LENGTH,
  SECRET_KEY_LENGTH,
  SIGNATURE_LENGTH,
  type StagedPayloads,
} from './backend.ts';
import { isCutOff } from './elf.ts';

const DIGEST_LENGTH = 32;
const NO_SLOTS = new Uint32Array(0);
const NONE_STAGED: StagedPayloads = { bytes: new Uint8Array(0), places: new Uint32Array(0) };

/** A backend, and the file that it runs in. */
export interface LoadedBackend {
  readonly backend: Backend;
  readonly addon?: AddonFile;
}

/** What the addon exports. Results of a fixed size come at the start of `scratch`. */
interface Addon {
  readonly detail: string;
  readonly scratch: Uint8Array;
  keccak256OfScratch(length: number): void;
  keccak256(parts: readonly Uint8Array[]): void;
  keccak256Many(inputs: readonly Uint8Array[], out: Uint8Array): void;
  publicKey(secretKey: Uint8Array): boolean;
  sign(digest: Uint8Array, secretKey: Uint8Array): boolean;
  recover(digest: Uint8Array, signature: Uint8Array): boolean;
  ecdh(secretKey: Uint8Array, publicKey: Uint8Array): boolean;
  eciesEncrypt(
    publicKey: Uint8Array,
    ephemeralKey: Uint8Array,
    iv: Uint8Array,
    plaintext: Uint8Array,
    authData: Uint8Array,
    packet: Uint8Array,
  ): boolean;
  eciesDecrypt(
    secretKey: Uint8Array,
    packet: Uint8Array,
    authData: Uint8Array,
    plaintext: Uint8Array,
  ): boolean;
  /** Returns the slot that names the session. */
  createSession(
    aesSecret: Uint8Array,
    macSecret: Uint8Array,
    egressSeed: Uint8Array,
    ingressSeed: Uint8Array,
  ): number;
  configureSession(slot: number, snappy: boolean, maxFrameSize: number): void;
  disposeSession(slot: number): void;
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
  ): number;
  snappyCompress(input: Uint8Array, out: Uint8Array): number;
  snappyUncompress(input: Uint8Array, out: Uint8Array): boolean;
}

/** A session lives in the addon until this object has gone. */
class NativeFrameSession implements FrameSession {
  readonly #addon: Addon;
  readonly #slot: number;

  constructor(addon: Addon, slot: number) {
    this.#addon = addon;
    this.#slot = slot;
  }

  configure(snappy: boolean, maxFrameSize: number): void {
    this.#addon.configureSession(this.#slot, snappy, maxFrameSize);
  }

  dispose(): void {
    this.#addon.disposeSession(this.#slot);
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
  readonly #gone: FinalizationRegistry<number>;
  /** Kept from call to call; absent while a call has it. */
  #slots: Uint32Array = NO_SLOTS;

  constructor(addon: Addon) {
    this.detail = addon.detail;
    this.#addon = addon;
    this.#scratch = addon.scratch;
    this.#gone = new FinalizationRegistry((slot) => addon.freeSession(slot));
  }

  keccak256(...parts: readonly Uint8Array[]): Uint8Array {
    // For the addon to look into an array takes longer than to copy a short one.
    const scratch = this.#scratch;
    let length = 0;
    for (const part of parts) length += part.length;
    if (length <= scratch.length) {
      let at = 0;
      for (const part of parts) {
        scratch.set(part, at);
        at += part.length;
      }
      this.#addon.keccak256OfScratch(length);
    } else {
      this.#addon.keccak256(parts);
    }
    return scratch.slice(0, DIGEST_LENGTH);
  }

  keccak256Many(inputs: readonly Uint8Array[], out: Uint8Array): void {
    try {
      this.#addon.keccak256Many(inputs, out);
    } catch (error) {
      throw refusal(error);
    }
  }

  publicKey(secretKey: Uint8Array): Uint8Array | undefined {
    return this.#result(this.#addon.publicKey(secretKey), PUBLIC_KEY_LENGTH);
  }

  sign(digest: Uint8Array, secretKey: Uint8Array): Uint8Array | undefined {
    return this.#result(this.#addon.sign(digest, secretKey), SIGNATURE_LENGTH);
  }

  recover(digest: Uint8Array, signature: Uint8Array): Uint8Array | undefined {
    return this.#result(this.#addon.recover(digest, signature), PUBLIC_KEY_LENGTH);
  }

  ecdh(secretKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
    const shared = this.#result(this.#addon.ecdh(secretKey, publicKey), SECRET_KEY_LENGTH);
    this.#scratch.fill(0, 0, SECRET_KEY_LENGTH);
    return shared;
  }

  eciesEncrypt(
    publicKey: Uint8Array,
    ephemeralKey: Uint8Array,
    iv: Uint8Array,
    plaintext: Uint8Array,
    authData: Uint8Array,
  ): Uint8Array | undefined {
    const packet = new Uint8Array(ECIES_OVERHEAD + plaintext.length);
    const ok = this.#addon.eciesEncrypt(publicKey, ephemeralKey, iv, plaintext, authData, packet);
    return ok ? packet : undefined;
  }

  eciesDecrypt(secretKey: Uint8Array, packet: Uint8Array, authData: Uint8Array): Uint8Array | undefined {
    const plaintext = new Uint8Array(packet.length - ECIES_OVERHEAD);
    return this.#addon.eciesDecrypt(secretKey, packet, authData, plaintext) ? plaintext : undefined;
  }

  createFrameSession(init: FrameSessionInit): FrameSession {
    const { aesSecret, macSecret, egressSeed, ingressSeed } = init;
    const slot = this.#addon.createSession(aesSecret, macSecret, egressSeed, ingressSeed);
    const session = new NativeFrameSession(this.#addon, slot);
    this.#gone.register(session, slot);
    return session;
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
  ): number {
    const limit = Math.min(inlineLimit, 0xffffffff);
    const slots = this.#takeSlots(sessions, inputs.length);
    try {
      return this.#addon.decodeMany(slots, inputs, out, limit, lanes, messages);
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

  #result(ok: boolean, length: number): Uint8Array | undefined {
    return ok ? this.#scratch.slice(0, length) : undefined;
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
  return 'scratch' in addon && 'encodeMany' in addon;
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
