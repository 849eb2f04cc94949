import { toBareHex } from '../base/bytes.ts';
import { LookupRun, type LookupRunContext } from './lookup-run.ts';
import type { KadNode } from './node.ts';
import type { Table } from './table.ts';

/** How often lookups look for nodes that are missing in the table, once the node has been there for a while; ... */
export const REFRESH_INTERVAL_MS = 30 * 60 * 1000;
/**
 * ... how soon after its start for the second time, and by how much later each time: where all begin at once, or somebody
 * has no time for answers, the first lookups find little, and nobody else would come to know of the node for half an hour;
 */
export const FIRST_REFRESH_INTERVAL_MS = 20_000;
const REFRESH_GROWTH = 4;
/** and at most how often while the table has none at all. */
export const EMPTY_REFRESH_INTERVAL_MS = 5_000;
/** Lookups of a refresh: one for ourselves, the others for anybody. */
const RANDOM_LOOKUPS = 3;
/** Checks that are under way. */
const MAX_CHECKS = 16;

export interface UpkeepContext extends LookupRunContext {
  readonly table: Table;
  /** A target of the protocol that stands for ourselves, and one that nobody can foresee. */
  readonly localTarget: Uint8Array;
  randomTarget(): Uint8Array;
  /**
   * Pings an entry: `done` is told of the Pong, or that there was none. Whoever sees to Pongs tells the table of each.
   * @param isSeed it is not named by strangers, and may come later than we
   */
  check(node: KadNode, isSeed: boolean, done: (pong: CheckedPong | undefined) => void): void;
  /** Asks for the record of a node that says it has one newer than ours. */
  renew(node: KadNode): void;
}

export interface CheckedPong {
  /** Sequence number of the node's record, if it has one. */
  readonly enrSeq: bigint | undefined;
}

/** Keeps the table: checks its entries, and looks for more. */
export class Upkeep {
  readonly #context: UpkeepContext;
  /** One for each node and place. */
  readonly #seeds = new Map<string, KadNode>();
  #refreshAt = Number.POSITIVE_INFINITY;
  #emptyRefreshAt = Number.POSITIVE_INFINITY;
  #isRefreshing = false;
  #refreshMs = FIRST_REFRESH_INTERVAL_MS;
  #checks = 0;

  constructor(context: UpkeepContext, seeds: readonly KadNode[]) {
    this.#context = context;
    for (const seed of seeds) this.#keep(seed);
  }

  /** One more node to begin with; an empty table looks for others at once, or when it starts. */
  addSeed(seed: KadNode): void {
    const { agenda, table } = this.#context;
    this.#keep(seed);
    if (!this.#isStarted) return;
    this.#emptyRefreshAt = Math.min(this.#emptyRefreshAt, agenda.now);
    if (table.isEmpty && !this.#isRefreshing) this.run();
    else table.addFound(seed, agenda.now);
  }

  #keep(seed: KadNode): void {
    const other = this.#context.otherPlace?.(seed);
    for (const place of other === undefined ? [seed] : [seed, other]) this.#seeds.set(placeOf(place), place);
  }

  /** A node that others have named. Where the table had none, others are looked for at once, and soon again. */
  addNamed(node: KadNode): void {
    const { agenda, table } = this.#context;
    const isFirst = table.isEmpty;
    table.addFound(node, agenda.now);
    if (!isFirst || !this.#isStarted) return;
    this.#refreshAt = agenda.now;
    this.#refreshMs = FIRST_REFRESH_INTERVAL_MS;
    this.run();
  }

  get #isStarted(): boolean {
    return this.#refreshAt !== Number.POSITIVE_INFINITY;
  }

  start(): void {
    this.#refreshAt = this.#context.agenda.now;
  }

  get deadline(): number {
    const never = Number.POSITIVE_INFINITY;
    const { requests, table } = this.#context;
    const hasRoom = this.#checks < MAX_CHECKS && !requests.room.isFull;
    return Math.min(this.#isRefreshing ? never : this.#nextRefresh, hasRoom ? table.deadline : never);
  }

  get #nextRefresh(): number {
    return this.#context.table.isEmpty ? Math.min(this.#refreshAt, this.#emptyRefreshAt) : this.#refreshAt;
  }

  run(): void {
    const { agenda, requests, table } = this.#context;
    while (this.#checks < MAX_CHECKS && !requests.room.isFull) {
      const node = table.nextCheck(agenda.now);
      if (node === undefined) break;
      this.#checks++;
      this.#context.check(node, this.#seeds.has(placeOf(node)), (pong) => {
        this.#checks--;
        if (pong === undefined) table.checked(node.id, undefined, agenda.now);
        else if ((pong.enrSeq ?? 0n) > (node.record?.seq ?? 0n)) this.#context.renew(node);
      });
    }
    if (!this.#isRefreshing && agenda.now >= this.#nextRefresh) this.#refresh();
  }

  #refresh(): void {
    const { agenda, table, localTarget } = this.#context;
    this.#isRefreshing = true;
    // Where nobody is known yet, a refresh has not been one.
    if (table.isEmpty) this.#refreshMs = FIRST_REFRESH_INTERVAL_MS;
    this.#refreshAt = agenda.now + this.#refreshMs;
    this.#refreshMs = Math.min(REFRESH_INTERVAL_MS, this.#refreshMs * REFRESH_GROWTH);
    this.#emptyRefreshAt = agenda.now + EMPTY_REFRESH_INTERVAL_MS;
    for (const seed of this.#seeds.values()) table.addFound(seed, agenda.now);
    this.#lookUp(localTarget, RANDOM_LOOKUPS);
  }

  #lookUp(target: Uint8Array, more: number): void {
    const done = () => {
      if (more > 0) this.#lookUp(this.#context.randomTarget(), more - 1);
      else this.#isRefreshing = false;
    };
    new LookupRun(this.#context, target, { done }).advance();
  }
}

/** A node at a place: text. */
function placeOf({ id, ip, udpPort }: KadNode): string {
  return `${toBareHex(id)} ${ip} ${udpPort}`;
}
