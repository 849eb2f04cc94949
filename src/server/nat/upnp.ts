import { abortedError, onAbort, throwIfAborted } from '../../base/abort.ts';
import type { Env } from '../../base/env.ts';
import { isPeerlaneError } from '../../base/errors.ts';
import { smallHttp } from '../../io/small-http.ts';
import {
  CONFLICT,
  decodeDescription,
  decodeSearchAnswer,
  decodeSoapAnswer,
  encodeAddMapping,
  encodeDeleteMapping,
  encodeGetAddress,
  encodeGetMapping,
  encodeSearch,
  externalIpOf,
  type GrantedMapping,
  isOwnMapping,
  lie,
  type MappedProtocol,
  NO_SUCH_MAPPING,
  noRouter,
  ONLY_PERMANENT,
  refused,
  type SoapAnswer,
  type SoapRequest,
  SSDP_GROUP,
  SSDP_PORT,
  type UpnpService,
  type WantedMapping,
} from '../../nat/index.ts';
import { askByUdp, type NatMethod } from './method.ts';
import type { RouterMethodOptions } from './pcp.ts';
import type { RouterPlace } from './router.ts';

/** An exchange by HTTP takes no longer. */
export const HTTP_TIMEOUT_MS = 5_000;
/** Bytes of an answer. */
export const MAX_HTTP_LENGTH = 64 * 1024;
/** External ports that are tried when others have them. */
const MAX_PORTS = 3;
const FIRST_FREE_PORT = 1_024;
/** External ports that are kept in mind for a router that does not answer: those that were asked for last. */
const MAX_UNANSWERED = 4;
/** A router that has been asked for a mapping, and does not know it, is asked again after so many milliseconds. */
export const LATE_MS = 500;

interface Found extends RouterPlace {
  readonly service: UpnpService;
}

export class UpnpMethod implements NatMethod {
  readonly name = 'upnp';
  readonly #options: RouterMethodOptions;
  /** Kept as long as it answers. */
  #found: Found | undefined;
  /** External ports that were asked for and of which nothing was heard, the newest last. */
  readonly #unanswered: Readonly<Record<MappedProtocol, Set<number>>> = { tcp: new Set(), udp: new Set() };

  constructor(options: RouterMethodOptions) {
    this.#options = options;
  }

  async map(wanted: WantedMapping, signal: AbortSignal): Promise<GrantedMapping> {
    const found = await this.#find(signal);
    try {
      const address = await this.#call(
        found,
        'GetExternalIPAddress',
        encodeGetAddress(found.service),
        signal,
      );
      const externalIp = externalIpOf(address);
      return { externalIp, ...(await this.#add(found, wanted, signal)), epoch: undefined };
    } catch (error) {
      // It may have begun anew, elsewhere.
      if (!signal.aborted) this.#found = undefined;
      throw error;
    }
  }

  async unmap(wanted: WantedMapping, signal: AbortSignal): Promise<void> {
    this.#unanswered[wanted.protocol].delete(wanted.externalPort);
    await this.#delete(await this.#find(signal), wanted, signal);
  }

  async withdraw(wanted: WantedMapping, signal: AbortSignal): Promise<void> {
    const unanswered = this.#unanswered[wanted.protocol];
    const ports = [...unanswered];
    unanswered.clear();
    if (ports.length === 0) return;
    const found = await this.#find(signal);
    await Promise.allSettled(
      ports.map((externalPort) => this.#deleteOwn(found, { ...wanted, externalPort }, signal)),
    );
  }

  /** The port may be another host's: a router deletes its mapping for whoever asks. */
  async #deleteOwn(found: Found, wanted: WantedMapping, signal: AbortSignal): Promise<void> {
    const request = encodeGetMapping(found.service, wanted);
    let answer = await this.#call(found, 'GetSpecificPortMappingEntry', request, signal);
    if (answer.kind === 'failed' && answer.code === NO_SUCH_MAPPING) {
      // It may be about to make it.
      await wait(this.#options.env, LATE_MS, signal);
      answer = await this.#call(found, 'GetSpecificPortMappingEntry', request, signal);
    }
    if (answer.kind === 'done' && isOwnMapping(answer.mapping, wanted, found.from)) {
      await this.#delete(found, wanted, signal);
    }
  }

  async #delete(found: Found, wanted: WantedMapping, signal: AbortSignal): Promise<void> {
    await this.#call(found, 'DeletePortMapping', encodeDeleteMapping(found.service, wanted), signal);
  }

  async #add(
    found: Found,
    wanted: WantedMapping,
    signal: AbortSignal,
  ): Promise<Pick<GrantedMapping, 'externalPort' | 'lifetime'>> {
    let { externalPort, lifetime } = wanted;
    let ports = 1;
    for (;;) {
      const request = encodeAddMapping(found.service, { ...wanted, externalPort }, found.from, lifetime);
      const unanswered = this.#unanswered[wanted.protocol];
      remember(unanswered, externalPort);
      const answer = await this.#call(found, 'AddPortMapping', request, signal);
      unanswered.delete(externalPort);
      if (answer.kind === 'done') return { externalPort, lifetime: lifetime || Number.POSITIVE_INFINITY };
      if (answer.code === ONLY_PERMANENT && lifetime > 0) {
        lifetime = 0;
      } else if (answer.code === CONFLICT && ports < MAX_PORTS) {
        ports++;
        externalPort = randomPort(this.#options.env);
      } else {
        throw refused(`the router refuses the mapping by UPnP: ${answer.message}`);
      }
    }
  }

  async #find(signal: AbortSignal): Promise<Found> {
    const router = await this.#options.router();
    const { host, from, ssdp: to } = router;
    if (this.#found?.host === host && this.#found.from === from) return this.#found;
    const place = await askByUdp({
      ...{ env: this.#options.env, signal, from, to, answerer: { host } },
      request: encodeSearch(SSDP_GROUP, SSDP_PORT),
      read: (packet) => decodeSearchAnswer(packet, host),
    });
    if (place === undefined) throw noRouter(`the router ${host} does not answer by UPnP`);
    const { port, path } = place;
    const { status, body } = await this.#http({ host, port, path, method: 'GET' }, signal);
    if (status !== 200) throw lie(`a description that is not there (HTTP status ${status})`);
    this.#found = { ...router, service: decodeDescription(body, host, place) };
    return this.#found;
  }

  async #call(
    { host, service }: Found,
    action: string,
    { headers, body }: SoapRequest,
    signal: AbortSignal,
  ): Promise<SoapAnswer> {
    const { port, path } = service;
    const answer = await this.#http({ host, port, path, method: 'POST', headers, body }, signal);
    // Errors of an action come with status 500 (UPnP Device Architecture 1.1, section 3.2.2).
    if (answer.status === 200 || answer.status === 500) return decodeSoapAnswer(answer.body, action);
    throw refused(`the router answers by UPnP with HTTP status ${answer.status}`);
  }

  /** @throws PeerlaneError `aborted`, `nat-lie`, `nat-no-router` */
  async #http(
    exchange: Pick<Parameters<typeof smallHttp>[0], 'host' | 'port' | 'path' | 'method' | 'headers' | 'body'>,
    signal: AbortSignal,
  ): ReturnType<typeof smallHttp> {
    throwIfAborted(signal);
    const ended = new AbortController();
    const removeAbort = onAbort(signal, () => ended.abort());
    const timer = this.#options.env.setTimer(HTTP_TIMEOUT_MS, () => ended.abort());
    try {
      return await smallHttp({ ...exchange, maxLength: MAX_HTTP_LENGTH, signal: ended.signal });
    } catch (error) {
      if (signal.aborted) throw abortedError(signal);
      if (isPeerlaneError(error, 'message-too-large'))
        throw lie(`more than ${MAX_HTTP_LENGTH} bytes by UPnP`, error);
      throw noRouter(`the router ${exchange.host} does not answer by HTTP on port ${exchange.port}`, error);
    } finally {
      timer.cancel();
      removeAbort();
    }
  }
}

/** @throws PeerlaneError `aborted` */
function wait(env: Env, ms: number, signal: AbortSignal): Promise<void> {
  throwIfAborted(signal);
  return new Promise((resolve, reject) => {
    const timer = env.setTimer(ms, () => {
      removeAbort();
      resolve();
    });
    const removeAbort = onAbort(signal, () => {
      timer.cancel();
      reject(abortedError(signal));
    });
  });
}

function remember(ports: Set<number>, port: number): void {
  ports.delete(port);
  ports.add(port);
  const [oldest = port] = ports;
  if (ports.size > MAX_UNANSWERED) ports.delete(oldest);
}

function randomPort(env: Env): number {
  const [a = 0, b = 0] = env.randomBytes(2);
  return FIRST_FREE_PORT + (((a << 8) | b) % (65_536 - FIRST_FREE_PORT));
}
