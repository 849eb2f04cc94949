/** Frames of one connection (rlpx.md, "Framing"): the ciphers, the MAC states and what a header announced. */
import {
  DISCONNECT_CODE,
  FRAME_HEADER_LENGTH,
  FRAME_MAC_LENGTH,
  type FrameSession,
  type FrameSessionInit,
  MAX_FRAME_SIZE,
  MAX_MESSAGE_SIZE,
  PLACE,
  STATUS,
  type Status,
} from '../backend.ts';
import { RunningKeccak } from './keccak.ts';
import { codeLength, NO_CODE, readCode, writeCode } from './message-code.ts';
import { aes256Block, aes256CtrStream, type ByteCipher, equalConstantTime } from './node.ts';
import { declaredLength, snappyCompress, uncompressInto } from './snappy.ts';

const BLOCK = 16;
const INITIAL_MAX_FRAME_SIZE = 2048;

function padded(size: number): number {
  return (size + BLOCK - 1) & -BLOCK;
}

/**
 * The MAC state of one direction (rlpx.md, "MAC"). The digest that opens a header's MAC is the MAC of the frame
 * before, so it is kept: three digests a frame, not four.
 */
class FrameMac {
  readonly #state = new RunningKeccak();
  readonly #block: ByteCipher;
  readonly #seed = new Uint8Array(BLOCK);
  #digest: Uint8Array;

  constructor(seed: Uint8Array, block: ByteCipher) {
    this.#block = block;
    this.#state.absorb(seed);
    this.#digest = this.#state.peek(FRAME_MAC_LENGTH);
  }

  /** Takes in the 16 bytes of an encrypted header; the header's MAC. */
  header(ciphertext: Uint8Array): Uint8Array {
    return this.#mix(ciphertext);
  }

  /** Takes in an encrypted, padded body; the frame's MAC. */
  body(ciphertext: Uint8Array): Uint8Array {
    this.#state.absorb(ciphertext);
    this.#digest = this.#state.peek(FRAME_MAC_LENGTH);
    return this.#mix(this.#digest);
  }

  wipe(): void {
    this.#state.wipe();
    this.#digest.fill(0);
    this.#seed.fill(0);
  }

  #mix(block: Uint8Array): Uint8Array {
    const mask = this.#block.update(this.#digest);
    for (let i = 0; i < BLOCK; i++) this.#seed[i] = (mask[i] ?? 0) ^ (block[i] ?? 0);
    this.#state.absorb(this.#seed);
    this.#digest = this.#state.peek(FRAME_MAC_LENGTH);
    return this.#digest;
  }
}

/** What one call of `encodeMany` fills. */
export interface EncodeBatch {
  readonly out: Uint8Array;
  /** Where the next frame begins in `out`. */
  end: number;
}

/** What one call of `decodeMany` fills. */
export interface DecodeBatch {
  readonly out: Uint8Array;
  readonly inlineLimit: number;
  readonly messages: Uint32Array;
  /** Messages that there may be at the end of the lane at work. */
  limit: number;
  /** Messages so far. */
  count: number;
  /** Where the next decompressed payload begins in `out`. */
  end: number;
  /** Of the lane at work: its number, and the results besides its status. */
  lane: number;
  consumed: number;
  needed: number;
}

/** A payload that several lanes of one call send is compressed for the first of them only. */
export class SharedBlock {
  #payload: Uint8Array | undefined;
  #block: Uint8Array | undefined;

  /** Writes the block of `payload` to the start of `out`; its length. `again`: the next lane wants it too. */
  write(payload: Uint8Array, out: Uint8Array, again: boolean): number {
    if (this.#block !== undefined && this.#payload === payload) {
      out.set(this.#block);
      return this.#block.length;
    }
    const length = snappyCompress(payload, out);
    this.#payload = again ? payload : undefined;
    this.#block = again ? out.slice(0, length) : undefined;
    return length;
  }
}

export class JsFrameSession implements FrameSession {
  readonly #encryptor: ByteCipher;
  readonly #decryptor: ByteCipher;
  readonly #egress: FrameMac;
  readonly #ingress: FrameMac;
  #snappy = false;
  #maxFrameSize = INITIAL_MAX_FRAME_SIZE;
  /** frame-size of the header consumed last, or 0 when a header comes next. */
  #frameSize = 0;
  #disposed = false;
  /** Decoding has failed; what is sent is still in order. */
  #broken = false;

  constructor(init: FrameSessionInit) {
    this.#encryptor = aes256CtrStream(init.aesSecret);
    this.#decryptor = aes256CtrStream(init.aesSecret);
    const block = aes256Block(init.macSecret);
    this.#egress = new FrameMac(init.egressSeed, block);
    this.#ingress = new FrameMac(init.ingressSeed, block);
  }

  configure(snappy: boolean, maxFrameSize: number): void {
    this.#snappy = snappy;
    this.#maxFrameSize = maxFrameSize;
  }

  /** The keys inside the ciphers are out of reach; what JavaScript holds is overwritten. */
  dispose(): void {
    this.#disposed = true;
    this.#egress.wipe();
    this.#ingress.wipe();
  }

  /**
   * Appends a frame to the batch. Header and body stand side by side, so one call encrypts both.
   * @param compression how, where the session compresses; absent: the payload is compressed already
   */
  encode(
    batch: EncodeBatch,
    code: number,
    payload: Uint8Array,
    compression: { readonly shared: SharedBlock; readonly again: boolean } | undefined,
  ): Status {
    if (this.#disposed) return STATUS.sessionFailed;
    const { out, end: start } = batch;
    const headerAt = start + FRAME_HEADER_LENGTH - BLOCK;
    const bodyAt = start + FRAME_HEADER_LENGTH;
    const payloadAt = bodyAt + codeLength(code);
    let length = payload.length;
    const compressor = this.#snappy ? compression : undefined;
    if (compressor !== undefined) {
      length = compressor.shared.write(payload, out.subarray(payloadAt), compressor.again);
    }
    const size = payloadAt - bodyAt + length;
    if (size > MAX_FRAME_SIZE) return STATUS.frameTooLarge;
    const macAt = bodyAt + padded(size);
    if (compressor === undefined) out.set(payload, payloadAt);
    writeCode(code, out, bodyAt);
    out.fill(0, payloadAt + length, macAt);
    out.fill(0, headerAt, bodyAt);
    out[headerAt] = size >>> 16;
    out[headerAt + 1] = size >>> 8;
    out[headerAt + 2] = size;
    // header-data: [capability-id, context-id], both zero
    out[headerAt + 3] = 0xc2;
    out[headerAt + 4] = 0x80;
    out[headerAt + 5] = 0x80;
    const ciphertext = this.#encryptor.update(out.subarray(headerAt, macAt));
    const header = ciphertext.subarray(0, BLOCK);
    const body = ciphertext.subarray(BLOCK);
    out.set(header, start);
    out.set(this.#egress.header(header), headerAt);
    out.set(body, bodyAt);
    out.set(this.#egress.body(body), macAt);
    batch.end = macAt + FRAME_MAC_LENGTH;
    return STATUS.ok;
  }

  /** Decodes the whole frames at the start of `input`; the status of the lane. */
  decode(input: Uint8Array, batch: DecodeBatch): Status {
    batch.consumed = 0;
    batch.needed = 0;
    if (this.#disposed || this.#broken) return STATUS.sessionFailed;
    for (;;) {
      const status =
        this.#frameSize === 0 ? this.#decodeHeader(input, batch) : this.#decodeBody(input, batch);
      if (status === STATUS.ok) continue;
      if (status === STATUS.needMore || status === STATUS.tableFull) return status;
      this.#broken = true;
      return status;
    }
  }

  #decodeHeader(input: Uint8Array, batch: DecodeBatch): Status {
    const at = batch.consumed;
    if (input.length - at < FRAME_HEADER_LENGTH) {
      batch.needed = FRAME_HEADER_LENGTH;
      return STATUS.needMore;
    }
    const ciphertext = input.subarray(at, at + BLOCK);
    const mac = input.subarray(at + BLOCK, at + FRAME_HEADER_LENGTH);
    if (!equalConstantTime(this.#ingress.header(ciphertext), mac)) return STATUS.headerMac;
    const header = this.#decryptor.update(ciphertext);
    const size = ((header[0] ?? 0) << 16) | ((header[1] ?? 0) << 8) | (header[2] ?? 0);
    if (size > this.#maxFrameSize) return STATUS.frameTooLarge;
    if (size === 0) return STATUS.frameEmpty;
    this.#frameSize = size;
    batch.consumed = at + FRAME_HEADER_LENGTH;
    return STATUS.ok;
  }

  #decodeBody(input: Uint8Array, batch: DecodeBatch): Status {
    const at = batch.consumed;
    const size = this.#frameSize;
    const macAt = at + padded(size);
    const next = macAt + FRAME_MAC_LENGTH;
    if (next > input.length) {
      batch.needed = next - at;
      return STATUS.needMore;
    }
    if (batch.count === batch.limit) return STATUS.tableFull;
    const body = input.subarray(at, macAt);
    if (!equalConstantTime(this.#ingress.body(body), input.subarray(macAt, next))) return STATUS.bodyMac;
    input.set(this.#decryptor.update(body), at);
    const code = readCode(input, at, at + size);
    if (code === NO_CODE) return STATUS.codeInvalid;
    const status = this.#place(input, at + codeLength(code), at + size, code, batch);
    if (status !== STATUS.ok) return status;
    this.#frameSize = 0;
    batch.consumed = next;
    return STATUS.ok;
  }

  /** Adds the message whose payload, as received, is `input[start..end)` to the table. */
  #place(input: Uint8Array, start: number, end: number, code: number, batch: DecodeBatch): Status {
    if (this.#snappy) {
      const status = placeBlock(input, start, end, code, batch);
      // Some clients never compress Disconnect; it is short, and the last thing that they say.
      if (status === STATUS.ok || code !== DISCONNECT_CODE) return status;
    }
    return addMessage(batch, code, start, end, PLACE.input, end - start);
  }
}

/** The same for a payload that is a snappy block. */
function placeBlock(input: Uint8Array, start: number, end: number, code: number, batch: DecodeBatch): Status {
  const length = declaredLength(input, start, end);
  if (length < 0) return STATUS.snappyInvalid;
  if (length > MAX_MESSAGE_SIZE) return STATUS.snappyTooLarge;
  const from = batch.end;
  const to = from + length;
  if (length > batch.inlineLimit || to > batch.out.length) {
    return addMessage(batch, code, start, end, PLACE.compressed, length);
  }
  if (!uncompressInto(input, start, end, batch.out, from, to)) return STATUS.snappyInvalid;
  batch.end = to;
  return addMessage(batch, code, from, to, PLACE.out, length);
}

function addMessage(
  batch: DecodeBatch,
  code: number,
  start: number,
  end: number,
  place: number,
  length: number,
): Status {
  const { messages } = batch;
  let word = 6 * batch.count++;
  messages[word++] = batch.lane;
  messages[word++] = code;
  messages[word++] = start;
  messages[word++] = end;
  messages[word++] = place;
  messages[word] = length;
  return STATUS.ok;
}
