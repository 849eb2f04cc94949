/**
 * A connection to a node that may have several addresses, of both families: the next is tried before the last has failed, and
 * the first that takes it wins (RFC 8305, "Happy Eyeballs"). Node.js gives up an address when it begins with the next.
 */
import dns from 'node:dns';
import { isIP } from 'node:net';
import { abortedError, onAbort, orAborted, throwIfAborted } from '../base/abort.ts';
import type { Env, Timer } from '../base/env.ts';
import { PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import { addressRefused, type ConnectOptions, connectTcp, type Endpoint, type Wire } from './tcp.ts';

/** How long an address has before the next is tried too (RFC 8305, section 8: "Connection Attempt Delay"). */
export const ATTEMPT_DELAY_MS = 250;
/** Addresses that are tried; a name may have hundreds. */
export const MAX_ATTEMPTS = 8;

/** Addresses of a host name, in the order in which the system prefers them. */
export type AddressLookup = (name: string) => Promise<readonly string[]>;

export interface ConnectAnyOptions extends ConnectOptions {
  readonly env: Pick<Env, 'now' | 'setTimer'>;
  /** Why one has nothing to do with an IP address for now; default: with all that `allows` takes one has. */
  readonly refusal?: (ip: string) => PeerlaneError | undefined;
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
 * Opens a connection to one of `endpoints`, whose hosts may be names; the first is preferred. `timeoutMs` is for all of it.
 * @throws PeerlaneError `dial-failed`, `dial-timeout`, `system-limit`, `address-refused`, `aborted`; what `refusal` gives, when nothing
 * else is left
 */
export async function connectAny(endpoints: readonly Endpoint[], options: ConnectAnyOptions): Promise<Wire> {
  const { env, timeoutMs, signal } = options;
  const startedAt = env.now();
  const timeLeft = (): number => Math.max(1, timeoutMs - (env.now() - startedAt));
  const ended = new AbortController();
  const removeAbort = onAbort(signal, () => ended.abort(abortedError(signal)));
  const first = endpoints[0];
  const name = first === undefined ? 'nothing' : `${first.host}:${first.port}`;
  const timer = env.setTimer(timeoutMs, () => {
    ended.abort(new PeerlaneError('dial-timeout', `no connection to ${name} within ${timeoutMs} ms`));
  });
  try {
    throwIfAborted(signal);
    const lookUp = addressesOf(endpoints, options);
    const addresses = await orAborted(lookUp, ended.signal, ({ reason }) => reason);
    return await race(addresses, { ...options, ended, timeLeft });
  } finally {
    timer.cancel();
    removeAbort();
  }
}

interface Race extends ConnectAnyOptions {
  /** Ends all that is under way, with the error for the caller. */
  readonly ended: AbortController;
  readonly timeLeft: () => number;
}

function race(
  addresses: readonly Endpoint[],
  { env, ended, timeLeft, allows, connect = connectTcp }: Race,
): Promise<Wire> {
  return new Promise<Wire>((resolve, reject) => {
    const errors: PeerlaneError[] = [];
    const losers = new AbortController();
    const { signal } = losers;
    let [next, isSettled] = [0, false];
    let timer: Timer | undefined;
    let removeEnded: () => void = () => undefined;
    const settle = (run: () => void): void => {
      isSettled = true;
      timer?.cancel();
      removeEnded();
      run();
      losers.abort();
    };
    const begin = (): void => {
      timer?.cancel();
      timer = undefined;
      const address = addresses[next++];
      if (address === undefined) return;
      const rule = allows === undefined ? {} : { allows };
      connect(address, { timeoutMs: timeLeft(), signal, ...rule }).then(won, failed);
      if (next < addresses.length) timer = env.setTimer(ATTEMPT_DELAY_MS, begin);
    };
    const won = (wire: Wire): void => {
      if (isSettled) wire.destroy();
      else settle(() => resolve(wire));
    };
    const failed = (error: unknown): void => {
      if (isSettled) return;
      errors.push(toPeerlaneError(error));
      if (errors.length < addresses.length) begin();
      else settle(() => reject(allFailed(errors)));
    };
    removeEnded = onAbort(ended.signal, () => settle(() => reject(ended.signal.reason)));
    if (!isSettled) begin();
  });
}

/** What is said of several failures: the first is that of the address that is preferred. */
function allFailed(errors: readonly PeerlaneError[]): PeerlaneError {
  const [first] = errors;
  if (first === undefined) return new PeerlaneError('dial-failed', 'there is no address to connect to');
  if (errors.length === 1) return first;
  return new PeerlaneError(first.code, errors.map(({ message }) => message).join('; '), { cause: first });
}

/** IP addresses with their ports: each once, those of the families in turn within one host name. */
async function addressesOf(
  endpoints: readonly Endpoint[],
  { lookup = systemLookup, allows = () => true, refusal = () => undefined }: ConnectAnyOptions,
): Promise<readonly Endpoint[]> {
  const found = new Map<string, Endpoint>();
  let problem: PeerlaneError | undefined;
  const lists = await Promise.all(endpoints.map((endpoint) => hostsOf(endpoint, lookup)));
  for (const [i, hosts] of lists.entries()) {
    const endpoint = endpoints[i];
    if (endpoint === undefined) continue;
    if (hosts instanceof PeerlaneError) {
      problem ??= hosts;
      continue;
    }
    const allowed = hosts.filter(allows);
    if (allowed.length === 0) problem ??= addressRefused(endpoint.host);
    const open = allowed.filter((host) => {
      const error = refusal(host);
      problem ??= error;
      return error === undefined;
    });
    for (const host of alternating(open))
      found.set(`${host} ${endpoint.port}`, { host, port: endpoint.port });
  }
  if (found.size === 0)
    throw problem ?? new PeerlaneError('dial-failed', 'there is no address to connect to');
  return [...found.values()].slice(0, MAX_ATTEMPTS);
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
