/** Requests to others, and the proofs that have to come before them. */
import type { NodeRecord } from '../enr/index.ts';
import { type KadNode, RequestRoom } from '../kad/index.ts';
import { ATTEMPTS, Attempts, type AttemptsContext } from './attempts.ts';
import { Bonds, ENR_SETTLE_MS, FIND_NODE_SETTLE_MS } from './bonds.ts';
import { FindNodes } from './find-nodes.ts';
import type { Message } from './messages.ts';
import { type Done, type PingResult, type Remote, remoteKey, remoteOf, type Sender } from './pending.ts';
import { Pings, type PingsContext } from './pings.ts';
import { RecordRequests } from './record-requests.ts';

/**
 * How often a node is asked from the proofs on: where its Ping for a proof, or our Pong, got lost, or it has been started
 * again, it passes over all questions until it is pinged again.
 */
const ROUNDS = 2;

export interface RequestsContext extends AttemptsContext, Omit<PingsContext, 'attempts'> {
  /** Our own, 64 bytes. */
  readonly publicKey: Uint8Array;
  /** Whether there is a way to the address. */
  reaches(ip: string): boolean;
  /** Told of each node that others have named, and that is not taken since there is none. */
  unreached(node: KadNode): void;
}

export class Requests {
  readonly #context: RequestsContext;
  readonly #bonds: Bonds;
  readonly #findNodes: FindNodes;
  readonly #records: RecordRequests;
  /** Beside those of `ping`, those that make proofs, and those that go back to strangers. */
  readonly pings: Pings;
  /** For those of our own. */
  readonly room = new RequestRoom();

  constructor(context: RequestsContext) {
    const { agenda, proofs, publicKey } = context;
    const reaches = (ip: string) => context.reaches(ip);
    const unreached = (node: KadNode) => context.unreached(node);
    const attempts = new Attempts(context);
    const pings = new Pings({ ...context, attempts });
    this.#context = context;
    this.pings = pings;
    const ping = (remote: Remote, done: Done<PingResult>) => pings.pingNamed(remote, ATTEMPTS, done);
    this.#bonds = new Bonds({ agenda, proofs, ping });
    this.#findNodes = new FindNodes({ agenda, attempts, publicKey, reaches, unreached });
    this.#records = new RecordRequests(attempts);
  }

  ping(node: KadNode, done: Done<PingResult>): void {
    this.#opened(done, (finish) => this.pings.ping(remoteOf(node), 1, finish));
  }

  /** Pings a node that others have named. */
  pingNamed(node: KadNode, done: Done<PingResult>): void {
    this.#opened(done, (finish) => this.pings.pingNamed(remoteOf(node), 1, finish));
  }

  /** Nodes close to a target, at most `BUCKET_SIZE`, whose addresses have been checked. */
  findNode(node: KadNode, target: Uint8Array, done: Done<KadNode[]>): void {
    const remote = remoteOf(node);
    this.#asked(remote, FIND_NODE_SETTLE_MS, done, (answered) =>
      this.#findNodes.ask({ remote, target, done: answered }),
    );
  }

  /**
   * The node's record, signed by its key; whether it is newer than one that is known is not looked at. The error
   * `invalid-record` when the node sends none that is.
   */
  record(node: KadNode, done: Done<NodeRecord>): void {
    const remote = remoteOf(node);
    this.#asked(remote, ENR_SETTLE_MS, done, (answered) => this.#records.ask(remote, answered));
  }

  /** Sees to the proofs, and asks what `ask` does; both once more if there is no answer at all. */
  #asked<T>(remote: Remote, settleMs: number, done: Done<T>, ask: (answered: Done<T>) => void): void {
    this.#opened(done, (finish) => {
      const begin = (roundsLeft: number): void => {
        this.#bonds.make(remote, settleMs, (notAsked) => {
          if (notAsked !== undefined) {
            finish(undefined, notAsked);
            return;
          }
          ask((result, failure) => {
            const isSilent = result === undefined && failure === undefined;
            if (isSilent && roundsLeft > 1) begin(roundsLeft - 1);
            else finish(result, failure);
          });
        });
      };
      begin(ROUNDS);
    });
  }

  #opened<T>(done: Done<T>, begin: (finish: Done<T>) => void): void {
    this.room.enter();
    begin((result, failure) => this.room.leave(() => done(result, failure)));
  }

  /** A Ping of the node's has been answered, which gives it a proof of us. */
  givenProof({ origin, publicKey }: Omit<Sender, 'packet'>): void {
    const { agenda, proofs } = this.#context;
    const key = remoteKey(origin.key, publicKey);
    proofs.pinged(origin.key, publicKey, agenda.now);
    this.pings.pinged(key);
    this.#bonds.pinged(key);
  }

  /** Whether a message may be of use, whoever at that endpoint has signed it: an answer, if it was asked for. */
  admits(message: Message, endpointKey: string): boolean {
    switch (message.kind) {
      case 'pong':
        return this.pings.admits(endpointKey, message.pingHash);
      case 'neighbors':
        return this.#findNodes.expects(endpointKey);
      case 'enrResponse':
        return this.#records.expects(endpointKey, message.requestHash);
      default:
        return true;
    }
  }

  /** A message that `admits` has let in is going to be verified. */
  admitted(message: Message, endpointKey: string): void {
    if (message.kind === 'pong') this.pings.admitted(endpointKey, message.pingHash);
  }

  /** Whether the Pong, which came at that time, was asked for; likewise below. */
  takePong: Pings['take'] = (sender, pong, at) => this.pings.take(sender, pong, at);

  takeNeighbors: FindNodes['take'] = (sender, neighbors) => this.#findNodes.take(sender, neighbors);

  takeRecord: RecordRequests['take'] = (sender, response) => this.#records.take(sender, response);
}
