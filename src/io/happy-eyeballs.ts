/**
 * A connection to a node that may have several addresses, of both families: the next is tried before the last has failed, and
 * the first that takes it wins (RFC 8305, "Happy Eyeballs"). Node.js gives up an address when it begins with the next.
 */
import dns from 'node:dns';
import { isIP } from 'node:net';
import { abortedError, onAbort, throwIfAborted } from '../base/abort.ts';
import type { Env, Timer } from '../base/env.ts';
import { PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import { inCircle } from '../base/in-circle.ts';
import { addressRefused, type ConnectOptions, connectTcp, type Endpoint, type Wire } from './tcp.ts';

/** How long an address has before the next is tried too (RFC 8305, section 8: "Connection Attempt Delay"). */
export const ATTEMPT_DELAY_MS = 250;
/** How long what is known at once waits for the look-up of a name that is preferred (RFC 8305, section 8: "Resolution Delay"). */
export const RESOLUTION_DELAY_MS = 50;
/** Addresses that are tried; a name may have hundreds. */
export const MAX_ATTEMPTS = 8;

/** Addresses of a host name, in the order in which the system prefers them. */
export type AddressLookup = (name: string) => Promise<readonly string[]>;

export interface ConnectAnyOptions extends ConnectOptions {
  readonly env: Pick<Env, 'now' | 'setTimer'>;
  /** Why one has nothing to do with an IP address for now; default: with all that `allows` takes one has. */
  readonly refusal?: (ip: string) => PeerlaneError | undefined;
  /** Of the addresses of a name so many come last, in a circle. Default: none. */
  readonly turn?: number | undefined;
  /** Default: the system's, which cannot be stopped: only the wait is. */
  readonly lookup?: AddressLookup;
  /** Connects to one IP address. */
  readonly connect?: typeof connectTcp;
}

const systemLookup: AddressLookup = (name) =>
  new Promise((resolve, reject) => {
    dns.lookup(name, { all: true }, (error, found) => {
      if (error === null) resolve(found.map(({ address }) => address));
      else reject(error);
    });
  });

/**
 * Opens a connection to one of `endpoints`, whose hosts may be names; the first is preferred. No address waits for the look-up of
 * another's name. `timeoutMs` is for all of it.
 * @throws PeerlaneError `dial-failed`, `dial-timeout`, `system-limit`, `address-refused`, `aborted`; what `refusal` gives, when nothing
 * else is left
 */
export async function connectAny(endpoints: readonly Endpoint[], options: ConnectAnyOptions): Promise<Wire> {
  throwIfAborted(options.signal);
  return await new Promise<Wire>((resolve, reject) => {
    new Race(endpoints, options, resolve, reject).start();
  });
}

/** The addresses of one host that are still to be tried; `undefined` while its name is looked up. */
type Waiting = Endpoint[] | undefined;

/** Attempts to connect, one after the other, until the first has taken it. */
class Race {
  readonly #endpoints: readonly Endpoint[];
  readonly #options: ConnectAnyOptions;
  readonly #resolve: (wire: Wire) => void;
  readonly #reject: (error: unknown) => void;
  readonly #startedAt: number;
  /** Of each endpoint, in their order. */
  readonly #waiting: Waiting[];
  /** Why an endpoint has no address to try. */
  readonly #problems: (PeerlaneError | undefined)[];
  /** Addresses that were found, those that were tried too. */
  readonly #found = new Set<string>();
  readonly #errors: PeerlaneError[] = [];
  readonly #losers = new AbortController();
  /** Attempts that were begun. */
  #begun = 0;
  #lastAt = Number.NEGATIVE_INFINITY;
  /** What is known waits for what is preferred. */
  #isHeld = true;
  #isSettled = false;
  #next: Timer | undefined;
  #end: Timer | undefined;
  #removeAbort: () => void = () => undefined;

  constructor(
    endpoints: readonly Endpoint[],
    options: ConnectAnyOptions,
    resolve: (wire: Wire) => void,
    reject: (error: unknown) => void,
  ) {
    this.#endpoints = endpoints;
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#startedAt = options.env.now();
    this.#waiting = endpoints.map(() => undefined);
    this.#problems = endpoints.map(() => undefined);
  }

  start(): void {
    const { env, timeoutMs, signal, lookup = systemLookup } = this.#options;
    this.#end = env.setTimer(timeoutMs, () => this.#fail(this.#late()));
    this.#removeAbort = onAbort(signal, () => this.#fail(abortedError(signal)));
    for (const [i, endpoint] of this.#endpoints.entries()) {
      if (isIP(endpoint.host) !== 0) this.#take(i, [endpoint.host]);
      else void hostsOf(endpoint, lookup).then((hosts) => this.#looked(i, hosts));
    }
    if (this.#isAwaited) this.#next = env.setTimer(RESOLUTION_DELAY_MS, () => this.#release());
    else this.#release();
  }

  /** Whether a name is looked up that is preferred to all that is known. */
  get #isAwaited(): boolean {
    const first = this.#waiting.findIndex((addresses) => addresses?.[0] !== undefined);
    return this.#waiting.slice(0, first === -1 ? undefined : first).includes(undefined);
  }

  get #isLookingUp(): boolean {
    return this.#waiting.includes(undefined);
  }

  #looked(i: number, hosts: readonly string[] | PeerlaneError): void {
    if (this.#isSettled) return;
    this.#take(i, hosts);
    if (!this.#isHeld) this.#go();
    else if (!this.#isAwaited) this.#release();
  }

  /** IP addresses, of each family in turn; those that are known already are not tried twice. */
  #take(i: number, hosts: readonly string[] | PeerlaneError): void {
    const { allows = () => true, refusal = () => undefined, turn = 0 } = this.#options;
    const { host: name, port } = this.#endpoints[i] ?? { host: '', port: 0 };
    this.#waiting[i] = [];
    if (hosts instanceof PeerlaneError) {
      this.#problems[i] = hosts;
      return;
    }
    const allowed = hosts.filter(allows);
    if (allowed.length === 0) this.#problems[i] = addressRefused(name);
    const open = allowed.filter((host) => {
      const error = refusal(host);
      this.#problems[i] ??= error;
      return error === undefined;
    });
    const order = alternating(open);
    const first = turn % Math.max(1, order.length);
    this.#waiting[i] = inCircle(order, first)
      .filter((host) => {
        const key = `${host} ${port}`;
        const isNew = !this.#found.has(key);
        this.#found.add(key);
        return isNew;
      })
      .map((host) => ({ host, port }));
  }

  #release(): void {
    this.#isHeld = false;
    this.#next?.cancel();
    this.#next = undefined;
    this.#go();
  }

  /** Goes on with the next address as soon as its turn has come, or ends where none is left. */
  #go(): void {
    const { env } = this.#options;
    if (this.#next !== undefined) return;
    const hasNext = this.#begun < MAX_ATTEMPTS && this.#waiting.some((addresses) => addresses?.length);
    const underWay = this.#begun - this.#errors.length;
    if (!hasNext) {
      if (underWay === 0 && (!this.#isLookingUp || this.#begun === MAX_ATTEMPTS)) this.#fail(this.#failure());
      return;
    }
    const waitMs = underWay === 0 ? 0 : this.#lastAt + ATTEMPT_DELAY_MS - env.now();
    if (waitMs <= 0) this.#begin();
    else {
      this.#next = env.setTimer(waitMs, () => {
        this.#next = undefined;
        this.#begin();
      });
    }
  }

  #begin(): void {
    const { env, timeoutMs, allows, connect = connectTcp } = this.#options;
    const address = this.#waiting.find((addresses) => addresses?.length)?.shift();
    if (address === undefined) return;
    this.#begun++;
    this.#lastAt = env.now();
    const timeLeft = Math.max(1, timeoutMs - (this.#lastAt - this.#startedAt));
    const rule = allows === undefined ? {} : { allows };
    connect(address, { timeoutMs: timeLeft, signal: this.#losers.signal, ...rule }).then(
      (wire) => this.#won(wire),
      (error: unknown) => this.#lost(toPeerlaneError(error)),
    );
    this.#go();
  }

  #won(wire: Wire): void {
    if (this.#isSettled) wire.destroy();
    else this.#settle(() => this.#resolve(wire));
  }

  /** The next one has its turn at once. */
  #lost(error: PeerlaneError): void {
    if (this.#isSettled) return;
    this.#errors.push(error);
    this.#next?.cancel();
    this.#next = undefined;
    this.#lastAt = Number.NEGATIVE_INFINITY;
    this.#go();
  }

  #fail(error: unknown): void {
    if (!this.#isSettled) this.#settle(() => this.#reject(error));
  }

  #settle(run: () => void): void {
    this.#isSettled = true;
    this.#next?.cancel();
    this.#end?.cancel();
    this.#removeAbort();
    run();
    this.#losers.abort();
  }

  #failure(): PeerlaneError {
    if (this.#errors.length > 0) return allFailed(this.#errors);
    const problem = this.#problems.find((each) => each !== undefined);
    return problem ?? new PeerlaneError('dial-failed', 'there is no address to connect to');
  }

  /** The time is up. */
  #late(): PeerlaneError {
    const { timeoutMs } = this.#options;
    const unnamed = this.#endpoints.find((_, i) => this.#waiting[i] === undefined);
    if (this.#begun === 0 && unnamed !== undefined) {
      return new PeerlaneError('dial-timeout', `${unnamed.host} was not looked up within ${timeoutMs} ms`);
    }
    const [first] = this.#endpoints;
    const name = first === undefined ? 'nothing' : `${first.host}:${first.port}`;
    return new PeerlaneError('dial-timeout', `no connection to ${name} within ${timeoutMs} ms`);
  }
}

/** What is said of several failures: the first is that of the address that is preferred. */
function allFailed(errors: readonly PeerlaneError[]): PeerlaneError {
  const [first] = errors;
  if (first === undefined) return new PeerlaneError('dial-failed', 'there is no address to connect to');
  if (errors.length === 1) return first;
  return new PeerlaneError(first.code, errors.map(({ message }) => message).join('; '), { cause: first });
}

async function hostsOf(
  { host, port }: Endpoint,
  lookup: AddressLookup,
): Promise<readonly string[] | PeerlaneError> {
  if (isIP(host) !== 0) return [host];
  try {
    return await lookup(host);
  } catch (cause) {
    const { message } = toPeerlaneError(cause);
    return new PeerlaneError('dial-failed', `cannot connect to ${host}:${port}: ${message}`, { cause });
  }
}

/** The families in turn, the preferred one first (RFC 8305, section 4). */
function alternating(hosts: readonly string[]): string[] {
  const isFirst = (host: string): boolean => isIP(host) === isIP(hosts[0] ?? '');
  const [ours, others] = [hosts.filter(isFirst), hosts.filter((host) => !isFirst(host))];
  return ours
    .flatMap((host, i) => (others[i] === undefined ? [host] : [host, others[i]]))
    .concat(others.slice(ours.length));
}
