import type { Agenda } from '../base/agenda.ts';
import { BUCKET_SIZE } from './bucket.ts';
import { Lookup } from './lookup.ts';
import type { KadNode, OtherPlace } from './node.ts';
import type { RequestRoom } from './request-room.ts';
import type { Table } from './table.ts';

/**
 * Nodes of the table that a lookup begins with: more than it looks for, since of those of one network it asks few
 * (`BUCKET_NETWORK_LIMIT`).
 */
const START_NODES = 4 * BUCKET_SIZE;

/** The nodes of an answer; `undefined` for none. Of failures only those of `UNASKED` count here: the node has not been asked. */
export type FindNodeDone = (nodes: readonly KadNode[] | undefined, failure?: string | Error) => void;

/** There was no turn, or nothing goes to the address for now, though the node itself may answer. */
const UNASKED: readonly unknown[] = ['no-turn', 'withheld-address'];
const isUnasked = (failure: string | Error | undefined): boolean => UNASKED.includes(failure);

/** The part of a protocol that a lookup asks nodes by. */
export interface LookupRequests {
  readonly room: Pick<RequestRoom, 'isFull' | 'await' | 'forgo'>;
  findNode(node: KadNode, target: Uint8Array, done: FindNodeDone): void;
}

export interface LookupRunContext {
  readonly agenda: Agenda;
  readonly requests: LookupRequests;
  readonly table: Pick<Table, 'closest' | 'addFound' | 'trackRequest'>;
  readonly localId: Uint8Array;
  readonly otherPlace?: OtherPlace;
  /** The node id, 32 bytes, that a target of the protocol stands for: in v4 that of a public key, in v5 itself. */
  idOf(target: Uint8Array): Uint8Array;
}

export interface LookupRunEvents {
  /**
   * Nodes that the lookup did not know: at first those of the table, at most 64, then some that have not been heard from.
   * One that does not answer is found again if others name another place.
   */
  found?(nodes: readonly KadNode[]): void;
  /** Nobody is left to be asked. */
  done?(): void;
}

/** A recursive lookup that asks nodes, as long as it is told to go on. */
export class LookupRun {
  readonly #context: LookupRunContext;
  readonly #events: LookupRunEvents;
  readonly #target: Uint8Array;
  readonly #lookup: Lookup;
  readonly #goOn = (): void => this.advance();
  #start: readonly KadNode[];
  #inFlight = 0;
  #isPaused = false;
  #isDone = false;

  /**
   * @param target as the protocol has it
   * @throws PeerlaneError `invalid-argument`
   */
  constructor(context: LookupRunContext, target: Uint8Array, events: LookupRunEvents) {
    const { table, localId, otherPlace } = context;
    this.#context = context;
    this.#events = events;
    this.#target = target;
    const id = context.idOf(target);
    const start = table.closest(id, START_NODES, { onlyLive: false });
    this.#start = start;
    this.#lookup = new Lookup({ target: id, start, localId, otherPlace });
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  /** Questions that were put to nodes. */
  get asked(): number {
    return this.#lookup.asked;
  }

  /** The closest nodes that have answered, nearest first. */
  get result(): KadNode[] {
    return this.#lookup.result;
  }

  /** No further node is asked until `resume`: answers that are on their way still count. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.advance();
  }

  /** Ends the lookup, as if nobody were left. */
  stop(): void {
    this.#isPaused = true;
    this.#finish();
  }

  /** Asks whom there is to ask. */
  advance(): void {
    const start = this.#start;
    this.#start = [];
    if (start.length > 0) this.#events.found?.(start);
    if (this.#isPaused || this.#isDone) return;
    const { requests } = this.#context;
    while (!requests.room.isFull) {
      const nodes = this.#lookup.next();
      if (nodes.length === 0) break;
      for (const node of nodes) this.#ask(node);
    }
    // What is in flight lets it go on too.
    if (this.#inFlight > 0) return;
    if (this.#lookup.done) this.#finish();
    else requests.room.await(this.#goOn);
  }

  #ask(node: KadNode): void {
    const { agenda, requests, table } = this.#context;
    this.#inFlight++;
    requests.findNode(node, this.#target, (nodes, failure) => {
      this.#inFlight--;
      // An empty answer is of no more use than none.
      if (!isUnasked(failure)) table.trackRequest(node, nodes !== undefined && nodes.length > 0, agenda.now);
      for (const found of nodes ?? []) table.addFound(found, agenda.now);
      const fresh = this.#settle(node, nodes);
      if (this.#isDone) return;
      if (fresh.length > 0) this.#events.found?.(fresh);
      this.advance();
    });
  }

  /** What came of a question: nodes that the lookup did not know. */
  #settle({ id }: KadNode, nodes: readonly KadNode[] | undefined): KadNode[] {
    if (nodes !== undefined) return this.#lookup.answered(id, nodes);
    const elsewhere = this.#lookup.failed(id);
    return elsewhere === undefined ? [] : [elsewhere];
  }

  #finish(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#context.requests.room.forgo(this.#goOn);
    this.#events.done?.();
  }
}
