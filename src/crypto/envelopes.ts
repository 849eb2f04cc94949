/** The checked face of work on packets of discovery v4: `hash || signature || content`, many in a call. */
import { PeerlaneError } from '../base/errors.ts';
import { ENVELOPE_HEAD_LENGTH, type EnvelopeBatch, MAX_ENVELOPE_BATCH, OPENED_LENGTH } from './backend.ts';
import { checkBytes, checkObject, checkObjects, checkOwnBytes } from './checks.ts';
import { isValidSecretKey } from './crypto.ts';
import { backend } from './load.ts';

export interface EnvelopeWork {
  /** To be opened; each is at least `ENVELOPE_HEAD_LENGTH` bytes long. */
  readonly envelopes: readonly Uint8Array[];
  /** To be signed and hashed. */
  readonly contents: readonly Uint8Array[];
}

/** Both may be views of one array. */
export interface EnvelopeResults {
  /**
   * The 64-byte key that signed each envelope; `undefined` for one with a bad signature. s above half of the order is one,
   * as elsewhere in Ethereum: whoever copied a packet could else give it a second hash.
   */
  readonly publicKeys: readonly (Uint8Array | undefined)[];
  readonly sealed: readonly Uint8Array[];
}

/** Opens envelopes, and makes those of one key. */
export class EnvelopeWorker {
  readonly #secretKey: Uint8Array;

  /** @throws PeerlaneError `invalid-secret-key` */
  constructor(secretKey: Uint8Array) {
    if (!isValidSecretKey(secretKey)) {
      throw new PeerlaneError(
        'invalid-secret-key',
        'not a secret key of secp256k1: 32 bytes, 0 < key < order',
      );
    }
    this.#secretKey = new Uint8Array(checkBytes(secretKey, 'the secret key'));
  }

  /** Whether `workBeside` leaves this thread free meanwhile. */
  get isBeside(): boolean {
    return backend.envelopesBeside !== undefined;
  }

  /** Does it at once. @throws PeerlaneError `invalid-argument` */
  work(work: EnvelopeWork): EnvelopeResults {
    const { batch, outLength } = this.#batchOf(work);
    const out = new Uint8Array(outLength);
    return resultsOf(batch, backend.envelopes(batch, out) ? out : undefined);
  }

  /**
   * Does it in another thread, where the backend can; what it works on is copied before the call returns.
   * @throws PeerlaneError `invalid-argument`
   */
  async workBeside(work: EnvelopeWork): Promise<EnvelopeResults> {
    if (backend.envelopesBeside === undefined) return this.work(work);
    const { batch } = this.#batchOf(work);
    return resultsOf(batch, await backend.envelopesBeside(batch));
  }

  #batchOf(work: EnvelopeWork): { readonly batch: EnvelopeBatch; readonly outLength: number } {
    checkObject(work, 'the work');
    const envelopes = checkObjects(work.envelopes, 'envelopes');
    const all = [...envelopes, ...checkObjects(work.contents, 'contents')];
    const lengths = new Uint32Array(all.length);
    const opens = envelopes.length;
    let length = 0;
    for (const [i, input] of all.entries()) {
      checkOwnBytes(input, i < opens ? 'an envelope' : 'a content');
      if (i < opens && input.length < ENVELOPE_HEAD_LENGTH) {
        throw new PeerlaneError('invalid-argument', `an envelope has at least ${ENVELOPE_HEAD_LENGTH} bytes`);
      }
      lengths[i] = input.length;
      length += input.length;
    }
    if (length > MAX_ENVELOPE_BATCH) {
      throw new PeerlaneError('invalid-argument', `a batch has at most ${MAX_ENVELOPE_BATCH} bytes`);
    }
    const inputs = new Uint8Array(length);
    let [at, opened] = [0, 0];
    for (const [i, input] of all.entries()) {
      inputs.set(input, at);
      at += input.length;
      if (i < opens) opened = at;
    }
    const outLength = OPENED_LENGTH * opens + (length - opened) + ENVELOPE_HEAD_LENGTH * (all.length - opens);
    return { batch: { inputs, lengths, opens, secretKey: this.#secretKey }, outLength };
  }
}

function resultsOf({ lengths, opens }: EnvelopeBatch, out: Uint8Array | undefined): EnvelopeResults {
  if (out === undefined) throw new PeerlaneError('internal', 'a secret key that was checked does not sign');
  const publicKeys: (Uint8Array | undefined)[] = [];
  const sealed: Uint8Array[] = [];
  let at = 0;
  for (const [i, length] of lengths.entries()) {
    if (i < opens) {
      publicKeys.push(out[at] === 1 ? out.subarray(at + 1, at + OPENED_LENGTH) : undefined);
      at += OPENED_LENGTH;
    } else {
      const end = at + ENVELOPE_HEAD_LENGTH + length;
      sealed.push(out.subarray(at, end));
      at = end;
    }
  }
  return { publicKeys, sealed };
}
