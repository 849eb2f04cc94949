/** TXT records and addresses, by what is part of Node.js: the only place that asks it. */
import { lookup, Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import { abortedError, onAbort, orAborted, throwIfAborted } from '../base/abort.ts';
import { checkDuration, checkNames, checkSignal, type NamesOf, reading } from '../base/checks.ts';
import { PeerlaneError } from '../base/errors.ts';

export const DNS_TIMEOUT_MS = 5_000;
/** A packet may get lost. The second try may take twice as long as the first. */
const TRIES = 2;
const PARTS = 1 + 2;
/** A name that does not exist, or has no TXT records. */
const NOTHING: readonly string[] = ['ENOTFOUND', 'ENODATA'];
/** What is wrong, by the code of Node.js. */
const PROBLEMS: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'there is no DNS server, or it refuses to be connected to'],
  ['EREFUSED', 'the DNS server refuses to answer'],
  ['ESERVFAIL', 'the DNS server cannot answer'],
  ['ENOTIMP', 'the DNS server does not know such questions'],
  ['EFORMERR', 'the DNS server does not understand the question'],
  ['EBADRESP', 'the answer of the DNS server is malformed'],
  ['EAI_AGAIN', 'no DNS server has answered'],
  ['ENOTFOUND', 'there is no such name'],
]);

export interface DnsResolverOptions {
  /** Servers to ask, `address` or `address:port`, IPv6 in brackets; default those of the system. */
  readonly servers?: readonly string[];
  /** How long a server has for its answer, in ms, a second try included; up to `MAX_TIMER_MS`. */
  readonly timeoutMs?: number;
}

const OPTIONS: NamesOf<DnsResolverOptions> = {
  servers: true,
  timeoutMs: true,
};

export class DnsResolver {
  readonly #servers: readonly string[] | undefined;
  readonly #timeout: number;

  /** @throws PeerlaneError `invalid-argument` */
  constructor(options: DnsResolverOptions = {}) {
    const { servers, timeoutMs } = reading('the options of a DNS resolver', () => {
      checkNames('the options of a DNS resolver', options, OPTIONS);
      const { servers, timeoutMs = DNS_TIMEOUT_MS } = options;
      checkDuration('timeoutMs', timeoutMs);
      return { servers: Array.isArray(servers) ? [...servers] : servers, timeoutMs };
    });
    this.#servers = servers;
    this.#timeout = Math.ceil(timeoutMs / PARTS);
    this.#resolver();
  }

  /**
   * The TXT records at `name`, the strings of each put together, one character a byte; empty if there are none.
   * @throws PeerlaneError `lookup-failed`, `lookup-timeout`, `aborted`, `invalid-argument`
   */
  async resolveTxt(name: string, signal?: AbortSignal): Promise<string[]> {
    if (typeof name !== 'string') throw new PeerlaneError('invalid-argument', 'the name is not a string');
    checkSignal(signal);
    if (signal?.aborted) throw abortedError(signal);
    // One for each lookup, since only all lookups of a resolver can be ended together.
    const resolver = this.#resolver();
    const removeAbort = onAbort(signal, () => resolver.cancel());
    try {
      const records = await resolver.resolveTxt(name);
      return records.map((strings) => strings.join(''));
    } catch (error) {
      if (signal?.aborted) throw abortedError(signal);
      const code = codeOf(error);
      if (NOTHING.includes(code)) return [];
      if (code === 'ETIMEOUT') throw new PeerlaneError('lookup-timeout', `no answer for ${name} in time`);
      throw failure(name, error);
    } finally {
      removeAbort();
    }
  }

  #resolver(): Resolver {
    const resolver = new Resolver({ timeout: this.#timeout, tries: TRIES });
    if (this.#servers === undefined) return resolver;
    try {
      if (this.#servers.length === 0) throw new TypeError('there is none');
      // Of other ports Node.js makes what it likes, or ends the process.
      if (!this.#servers.every(hasPort)) throw new TypeError('no such port');
      resolver.setServers(this.#servers);
    } catch (cause) {
      const message = 'servers is not an array of addresses, each with or without a port';
      throw new PeerlaneError('invalid-argument', message, { cause });
    }
    return resolver;
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function failure(name: string, cause: unknown): PeerlaneError {
  const code = codeOf(cause);
  const problem = PROBLEMS.get(code);
  const reason = problem === undefined ? code || String(cause) : `${problem} (${code})`;
  return new PeerlaneError('lookup-failed', `the lookup of ${name} failed: ${reason}`, { cause });
}

/** Whether the port of a server is one, if it has any. */
function hasPort(server: string): boolean {
  const port = isIP(server) === 0 ? /:([^:\]]*)$/.exec(server)?.[1] : undefined;
  return port === undefined || (/^\d{1,5}$/.test(port) && Number(port) > 0 && Number(port) <= 65_535);
}

/**
 * The address of a host, IPv4 if it has one; an address is its own. It is asked of the system, which cannot be
 * stopped: only the wait is.
 * @param prefers of several addresses, the first is taken that it says yes to, if there is one
 * @throws PeerlaneError `lookup-failed`, `aborted`
 */
export async function lookupHost(
  host: string,
  signal?: AbortSignal,
  prefers: (ip: string) => boolean = () => true,
): Promise<string> {
  throwIfAborted(signal);
  try {
    const found = await orAborted(lookup(host, { all: true, order: 'ipv4first' }), signal);
    const { address } = found.find(({ address }) => prefers(address)) ?? found[0] ?? {};
    if (address === undefined) throw new TypeError('no address');
    return address;
  } catch (cause) {
    if (cause instanceof PeerlaneError) throw cause;
    throw failure(host, cause);
  }
}
