import { abortedError, onAbort } from '../base/abort.ts';
import { toBareHex } from '../base/bytes.ts';
import {
  checkArray,
  checkDuration,
  checkEnv,
  checkFunction,
  checkLength,
  checkObject,
  checkPort,
  reading,
} from '../base/checks.ts';
import type { Env, Timer } from '../base/env.ts';
import { type PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import { Held } from '../base/recent.ts';
import { PUBLIC_KEY_LENGTH } from '../crypto/index.ts';
import type { Enode, NodeRecord } from '../enr/index.ts';
import { FALLBACK_AFTER_MS, failedRest, idleRest, planSources, REST_MS } from './mix-plan.ts';

/** Where nodes come from. */
export type NodeSourceName = 'v4' | 'v5' | 'dns' | 'database' | 'static';

/** A node that was found. Its host is an IP address; a static node may have a host name. */
export interface FoundNode extends Enode {
  readonly record: NodeRecord | undefined;
  readonly source: NodeSourceName;
}

export interface MixSource {
  readonly name: NodeSourceName;
  /** Asked at the start, and as `FALLBACK_AFTER_MS` says; its wait is ended when nobody wants nodes. */
  readonly isFallback?: boolean;
  /** Milliseconds after which a pass that is over is followed by another; default: about a second. */
  readonly repeatMs?: number;
  /** Begins a pass; a node is asked for only when one is wanted. The signal ends it. */
  open(signal: AbortSignal): AsyncIterator<FoundNode>;
}

export interface NodeMixOptions {
  readonly env: Env;
  readonly sources: readonly MixSource[];
  /** How many nodes are wanted now. */
  demand(): number;
  /** Gets a node; after it, `demand` is asked again. */
  give(node: FoundNode): void;
  /** Whether nobody wants the node with this key: its public key in hexadecimal digits. */
  leavesOut(key: string): boolean;
  /** What is known of a node by now, since it may be asked itself; `undefined` when it is of no use. */
  check(node: FoundNode, signal: AbortSignal): Promise<FoundNode | undefined>;
  /** A source has failed; it is asked again. */
  failed(source: NodeSourceName, error: PeerlaneError, retryInMs: number): void;
}

/** Nodes that are being checked, or wait to be given, and sources that are being asked: at most so many together. */
export const MAX_CANDIDATES = 16;
/** Nodes that are remembered, so that each is given, or refused, once in a while. */
export const MAX_REMEMBERED = 4096;
/** A node that was given is not given again within this, which is the time between two dials. */
export const GIVEN_MS = 35_000;
/** One that was refused is not looked at again within this, if it comes from the same source at the same place: others may know better where it is. */
export const REFUSED_MS: number = 5 * 60_000;

interface Running {
  readonly source: MixSource;
  readonly isFallback: boolean;
  pass: { readonly nodes: AsyncIterator<FoundNode>; readonly abort: AbortController } | undefined;
  isAsked: boolean;
  restsUntil: number;
  turn: number;
  /** A node of this pass was of use. */
  isUseful: boolean;
  idlePasses: number;
  failures: number;
}

/** One stream of nodes from several sources, which asks none of them unless nodes are wanted. */
export class NodeMix {
  readonly #options: NodeMixOptions;
  readonly #sources: readonly Running[];
  readonly #closed = new AbortController();
  readonly #ready: FoundNode[] = [];
  /** By key, until when the node is passed over; what was heard of last stands last. */
  readonly #remembered = new Held(MAX_REMEMBERED);
  #checking = 0;
  #turn = 0;
  #startedAt: number | undefined;
  /** Since when nodes are wanted, but for pauses that are shorter than a fallback waits. */
  #wantedSince: number | undefined;
  /** Since when none are wanted; `undefined` while some are. */
  #sufficesSince: number | undefined;
  #lastAt = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #isAwake = false;
  #isCalled = false;

  /** @throws PeerlaneError `invalid-argument` */
  constructor(options: NodeMixOptions) {
    checkMixOptions(options);
    this.#options = options;
    this.#sources = options.sources.map((source) => ({
      ...{ source, isFallback: source.isFallback === true, pass: undefined, isAsked: false },
      ...{ restsUntil: Number.NEGATIVE_INFINITY, turn: 0, isUseful: false, idlePasses: 0, failures: 0 },
    }));
  }

  /** Looks again whether nodes are wanted; to be called when that may have changed. */
  wake(): void {
    this.#isCalled = true;
    // Who is given a node calls again.
    if (this.#isAwake) return;
    this.#isAwake = true;
    while (this.#isCalled && !this.#closed.signal.aborted) {
      this.#isCalled = false;
      this.#round();
    }
    this.#isAwake = false;
  }

  /** Ends all passes. */
  close(): void {
    this.#timer?.cancel();
    this.#closed.abort();
    for (const running of this.#sources) this.#end(running);
  }

  #round(): void {
    const { env, demand, give, leavesOut } = this.#options;
    this.#timer?.cancel();
    this.#timer = undefined;
    while (demand() > 0) {
      const node = this.#ready.shift();
      if (node === undefined) break;
      if (!leavesOut(toBareHex(node.publicKey))) give(node);
    }
    const now = env.now();
    if (demand() <= 0) {
      this.#sufficesSince ??= now;
      // It may wait for half an hour.
      for (const running of this.#sources) if (running.isFallback && running.isAsked) this.#end(running);
      return;
    }
    this.#startedAt ??= now;
    // Nodes that are of no use would else suffice again and again, for as long as it takes to find that out.
    const isNew = now - (this.#sufficesSince ?? now) >= FALLBACK_AFTER_MS;
    this.#sufficesSince = undefined;
    if (isNew || this.#wantedSince === undefined) this.#wantedSince = now;
    const asked = this.#sources.filter(({ isAsked }) => isAsked).length;
    const { ask, nextAt } = planSources({
      ...{ now, startedAt: this.#startedAt, wantedSince: this.#wantedSince },
      quietSince: Math.max(this.#wantedSince, this.#lastAt),
      sources: this.#sources,
      room: MAX_CANDIDATES - this.#checking - this.#ready.length - asked,
    });
    for (const place of ask) {
      const running = this.#sources[place];
      if (running !== undefined) void this.#ask(running);
    }
    if (nextAt !== Number.POSITIVE_INFINITY) {
      this.#timer = env.setTimer(Math.max(0, nextAt - now), () => this.wake());
    }
  }

  #end(running: Running): void {
    const { pass } = running;
    pass?.abort.abort();
    // One that stands at a node would else keep what it holds, such as its turn among the lookups, for ever.
    const ended = pass?.nodes.return?.();
    // How it ends is of no interest any more.
    ended?.catch(() => undefined);
    running.pass = undefined;
    running.isAsked = false;
  }

  async #ask(running: Running): Promise<void> {
    running.isAsked = true;
    running.turn = ++this.#turn;
    let pass = running.pass;
    try {
      pass ??= this.#open(running);
      const { done, value } = await pass.nodes.next();
      if (running.pass !== pass) return;
      if (done !== true) checkFound(value);
      running.isAsked = false;
      running.failures = 0;
      if (done === true) this.#rest(running);
      else void this.#take(running, value);
    } catch (error) {
      // One that was ended meanwhile, or followed by another.
      if (running.pass !== pass) return;
      this.#end(running);
      running.failures++;
      const restMs = failedRest(running.failures);
      running.restsUntil = this.#options.env.now() + restMs;
      this.#options.failed(running.source.name, toPeerlaneError(error), restMs);
    }
    this.wake();
  }

  #open(running: Running): NonNullable<Running['pass']> {
    const abort = new AbortController();
    const pass = { nodes: running.source.open(abort.signal), abort };
    running.pass = pass;
    running.isUseful = false;
    return pass;
  }

  #rest(running: Running): void {
    const { isUseful, source } = running;
    running.pass = undefined;
    running.idlePasses = isUseful ? 0 : running.idlePasses + 1;
    const restMs = source.repeatMs ?? (isUseful ? REST_MS : idleRest(running.idlePasses - 1));
    running.restsUntil = this.#options.env.now() + restMs;
  }

  /** Looks at a node that a source has given. */
  async #take(running: Running, node: FoundNode): Promise<void> {
    const { env, leavesOut, check, failed } = this.#options;
    const key = toBareHex(node.publicKey);
    if (leavesOut(key)) return;
    const place = `${key} ${node.source} ${node.host} ${node.udpPort}`;
    if (this.#remembered.has(key, env.now()) || this.#remembered.has(place, env.now())) return;
    this.#remembered.hold(key, env.now(), GIVEN_MS);
    this.#checking++;
    try {
      const checked = await check(node, this.#closed.signal);
      // What others say of a port may be less than what the node itself does.
      if (checked !== undefined && checked.tcpPort !== 0) this.#accept(running, checked);
      else {
        this.#remembered.release(key);
        this.#remembered.hold(place, env.now(), REFUSED_MS);
      }
    } catch (error) {
      if (!this.#closed.signal.aborted) failed(node.source, toPeerlaneError(error), 0);
    } finally {
      this.#checking--;
    }
    this.wake();
  }

  #accept(running: Running, node: FoundNode): void {
    running.isUseful = true;
    // Nodes without a record cost nothing to make up: they do not make up for a fallback.
    if (!running.isFallback && node.record !== undefined) this.#lastAt = this.#options.env.now();
    this.#ready.push(node);
  }
}

function checkMixOptions(options: NodeMixOptions): void {
  reading('the options of a mix', () => {
    checkObject('the options of a mix', options);
    checkEnv(options.env);
    for (const name of ['demand', 'give', 'leavesOut', 'check', 'failed'] as const) {
      checkFunction(name, options[name]);
    }
    checkArray('sources', options.sources);
    for (const source of options.sources) {
      checkObject('a source', source);
      checkFunction(`open of the source ${String(source.name)}`, source.open);
      if (source.repeatMs !== undefined) checkDuration('repeatMs', source.repeatMs);
    }
  });
}

/** What a source gives may be anything. @throws PeerlaneError `invalid-argument` */
function checkFound(node: FoundNode): void {
  checkObject('a node that was found', node);
  checkLength('the public key of a node that was found', node.publicKey, PUBLIC_KEY_LENGTH);
  checkPort('the TCP port of a node that was found', node.tcpPort);
}

/** The nodes of a mix for who waits for them one by one. */
export async function* nodesOfMix(
  options: Omit<NodeMixOptions, 'demand' | 'give'>,
  signal: AbortSignal,
): AsyncGenerator<FoundNode, void, undefined> {
  const nodes: FoundNode[] = [];
  let isWaiting = false;
  let wake: () => void = () => undefined;
  const mix = new NodeMix({
    ...options,
    demand: () => (isWaiting && nodes.length === 0 ? 1 : 0),
    give: (node) => {
      nodes.push(node);
      wake();
    },
  });
  const removeAbort = onAbort(signal, () => wake());
  try {
    for (;;) {
      if (signal.aborted) throw abortedError(signal);
      isWaiting = true;
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      mix.wake();
      if (nodes.length === 0) await woken;
      isWaiting = false;
      mix.wake();
      const node = nodes.shift();
      if (node !== undefined) yield node;
    }
  } finally {
    removeAbort();
    mix.close();
  }
}
