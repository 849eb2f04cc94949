import { abortedError, onAbort, throwIfAborted } from '../../base/abort.ts';
import { isPeerlaneError } from '../../base/errors.ts';
import { hostBeforePort, withoutZone } from '../../base/ip.ts';
import { type SmallHttpAnswer, type SmallHttpRequest, smallHttp } from '../../io/small-http.ts';
import {
  decodeDescription,
  decodeSearchAnswer,
  decodeSoapAnswer,
  encodeSearch,
  lie,
  noRouter,
  refused,
  type SoapAnswer,
  type SoapRequest,
  SSDP_GROUP,
  SSDP_GROUP6,
  SSDP_PORT,
  type UpnpService,
} from '../../nat/index.ts';
import { EVERY_IP } from '../listen-host.ts';
import { askByUdp } from './method.ts';
import type { RouterMethodOptions } from './pcp.ts';
import type { RouterPlace } from './router.ts';

/** An exchange by HTTP takes no longer. */
export const HTTP_TIMEOUT_MS = 5_000;
/** Bytes of an answer. */
export const MAX_HTTP_LENGTH = 64 * 1024;

export interface FoundRouter extends RouterPlace {
  readonly services: readonly [UpnpService, ...UpnpService[]];
}

/** A service of a router, and this machine as it is seen from there. */
export interface Way extends Pick<RouterPlace, 'host' | 'from'> {
  readonly service: UpnpService;
}

/** The router, asked by UPnP: by IPv4 for services that map ports, by IPv6 for those that open the firewall. */
export class UpnpRouter {
  readonly #options: RouterMethodOptions;
  /** Kept as long as it answers. */
  #found: FoundRouter | undefined;

  constructor(options: RouterMethodOptions) {
    this.#options = options;
  }

  /** It may have begun anew, elsewhere. */
  forget(): void {
    this.#found = undefined;
  }

  /** @throws as `NatMethod.map` */
  async find(signal: AbortSignal): Promise<FoundRouter> {
    const router = await this.#options.router();
    const { host, from, ssdp: to } = router;
    const isIpv6 = this.#options.family === 6;
    const named = isIpv6 ? undefined : host;
    if (this.#found?.host === host && this.#found.from === from) return this.#found;
    const place = await askByUdp({
      ...{ env: this.#options.env, signal, to, answerer: { host: withoutZone(host) } },
      // By IPv6 it answers from its address of the link, which is the one that is known, whoever asks from his.
      from: isIpv6 ? EVERY_IP : from,
      request: isIpv6
        ? encodeSearch(hostBeforePort(SSDP_GROUP6), SSDP_PORT)
        : encodeSearch(SSDP_GROUP, SSDP_PORT),
      read: (packet) => decodeSearchAnswer(packet, named),
    });
    if (place === undefined) throw noRouter(`the router ${host} does not answer by UPnP`);
    const { port, path } = place;
    const { status, body } = await this.#http(from, { host, port, path, method: 'GET' }, signal);
    if (status !== 200) throw lie(`a description that is not there (HTTP status ${status})`);
    this.#found = { ...router, services: decodeDescription(body, named, place) };
    return this.#found;
  }

  /** What a service answers. @throws as `NatMethod.map` */
  async call(
    { host, from, service }: Way,
    action: string,
    { headers, body }: SoapRequest,
    signal: AbortSignal,
  ): Promise<SoapAnswer> {
    const { port, path } = service;
    const answer = await this.#http(from, { host, port, path, method: 'POST', headers, body }, signal);
    // Errors of an action come with status 500 (UPnP Device Architecture 1.1, section 3.2.2).
    if (answer.status === 200 || answer.status === 500) return decodeSoapAnswer(answer.body, action);
    throw refused(`the router answers by UPnP with HTTP status ${answer.status}`);
  }

  /** @throws PeerlaneError `aborted`, `nat-lie`, `nat-no-router` */
  async #http(
    from: string,
    exchange: Omit<SmallHttpRequest, 'from' | 'maxLength' | 'signal'>,
    signal: AbortSignal,
  ): Promise<SmallHttpAnswer> {
    throwIfAborted(signal);
    // For a pinhole it looks who asks; to its address of the link the system would send from one of the link.
    const asked = this.#options.family === 6 ? { ...exchange, from } : exchange;
    const ended = new AbortController();
    const removeAbort = onAbort(signal, () => ended.abort());
    const timer = this.#options.env.setTimer(HTTP_TIMEOUT_MS, () => ended.abort());
    try {
      return await smallHttp({ ...asked, maxLength: MAX_HTTP_LENGTH, signal: ended.signal });
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
