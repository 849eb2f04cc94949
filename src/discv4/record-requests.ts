/** ENRRequests that await their ENRResponses (EIP-868). */
import { equalBytes } from '../base/bytes.ts';
import { isPeerlaneError, type PeerlaneError, remoteError } from '../base/errors.ts';
import { decodeRecord, type NodeRecord } from '../enr/index.ts';
import { ATTEMPTS, type Attempts } from './attempts.ts';
import { type EnrResponse, encodeMessage } from './messages.ts';
import {
  type Done,
  isAsked,
  NO_TIMEOUT,
  type Pending,
  type Remote,
  remoteKey,
  type Sender,
} from './pending.ts';

interface PendingRecord extends Pending {
  readonly waiters: Done<NodeRecord>[];
}

export class RecordRequests {
  readonly #attempts: Attempts;
  readonly #pending = new Map<string, PendingRecord>();

  constructor(attempts: Attempts) {
    this.#attempts = attempts;
  }

  /** Asks a node that has a proof of us, or waits for the answer to what it has been asked already. */
  ask(remote: Remote, done: Done<NodeRecord>): void {
    const known = this.#pending.get(remote.key);
    if (known !== undefined) {
      known.waiters.push(done);
      return;
    }
    const pending: PendingRecord = {
      remote,
      hashes: [],
      attemptsLeft: ATTEMPTS,
      waiters: [done],
      timeout: NO_TIMEOUT,
    };
    this.#pending.set(remote.key, pending);
    const content = () => encodeMessage({ kind: 'enrRequest', expiration: this.#attempts.expiration });
    this.#attempts.begin(pending, content, () => this.#end(pending, undefined));
  }

  #end(pending: PendingRecord, answer: NodeRecord | PeerlaneError | undefined): void {
    const { remote, waiters, timeout } = pending;
    this.#pending.delete(remote.key);
    timeout.cancel();
    if (answer === undefined) this.#attempts.unanswered(remote);
    for (const done of waiters) {
      if (isPeerlaneError(answer)) done(undefined, answer);
      else done(answer);
    }
  }

  /** Whether a record is to come from that endpoint, in answer to this request. */
  expects(endpointKey: string, requestHash: Uint8Array): boolean {
    return isAsked(this.#pending.values(), endpointKey, requestHash);
  }

  /** Whether the node has been asked for its record, by this request: what it sends is its answer, of use or not. */
  take({ origin, publicKey }: Sender, { requestHash, record }: EnrResponse): boolean {
    const pending = this.#pending.get(remoteKey(origin.key, publicKey));
    if (!pending?.hashes.some((hash) => equalBytes(hash, requestHash))) return false;
    this.#end(pending, answerOf(record, publicKey));
    return true;
  }
}

function answerOf(encoded: Uint8Array, publicKey: Uint8Array): NodeRecord | PeerlaneError {
  try {
    const record = decodeRecord(encoded);
    if (equalBytes(record.publicKey, publicKey)) return record;
    return remoteError('invalid-record', 'the node has answered with the record of another node');
  } catch (error) {
    if (!isPeerlaneError(error)) throw error;
    const message = `the node has answered with a record that is invalid: ${error.message}`;
    return remoteError('invalid-record', message, { cause: error });
  }
}
