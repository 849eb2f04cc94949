import type { Env } from '../../base/env.ts';
import { isPeerlaneError } from '../../base/errors.ts';
import { parseIp, withoutZone } from '../../base/ip.ts';
import {
  decodePcpMap,
  decodePmpAddress,
  decodePmpMap,
  encodePcpMap,
  encodePmpAddress,
  encodePmpMap,
  type GrantedMapping,
  type MappedProtocol,
  noRouter,
  type WantedMapping,
} from '../../nat/index.ts';
import type { IpFamily } from '../endpoint-votes.ts';
import { askByUdp, type NatMethod } from './method.ts';
import type { RouterPlace } from './router.ts';

export interface RouterMethodOptions {
  readonly env: Env;
  /** Asked each time: machines move. @throws PeerlaneError `nat-no-router` */
  readonly router: () => Promise<RouterPlace>;
  /** Of its place; default 4. */
  readonly family?: IpFamily;
}

interface RouterQuestion<T> {
  readonly request: (router: RouterPlace) => Uint8Array;
  readonly read: (packet: Uint8Array, router: RouterPlace) => T | undefined;
  readonly signal: AbortSignal;
}

/** Asks the port of PCP and NAT-PMP. @throws PeerlaneError `nat-no-router`, `aborted`; what `request` and `read` throw */
async function askRouter<T>({ env, router }: RouterMethodOptions, question: RouterQuestion<T>): Promise<T> {
  const place = await router();
  const { host, from, pcpPort: port } = place;
  const { signal } = question;
  const request = question.request(place);
  const read = (packet: Uint8Array) => question.read(packet, place);
  const to = [{ host, port }];
  const answerer = { host: withoutZone(host), port };
  const answer = await askByUdp({ env, signal, from, to, request, answerer, read });
  if (answer === undefined) throw noRouter(`the router ${host} does not answer on UDP port ${port}`);
  return answer;
}

/** That it grants no time is the answer to a request for none: any that is one will do. */
const anyAnswer = (): true => true;

/** A request for a mapping. @param lifetime seconds; 0 takes it back */
type EncodeMap = (wanted: WantedMapping, router: RouterPlace, lifetime: number) => Uint8Array;

/** What both protocols have in common: the router is asked for a mapping, and for none, in the same words. */
class MapRequests {
  readonly #options: RouterMethodOptions;
  readonly #encode: EncodeMap;
  /** Of mappings that were asked for until nobody wanted them any more. */
  readonly #unanswered = new Set<MappedProtocol>();

  constructor(options: RouterMethodOptions, encode: EncodeMap) {
    this.#options = options;
    this.#encode = encode;
  }

  async map<T>(wanted: WantedMapping, read: RouterQuestion<T>['read'], signal: AbortSignal): Promise<T> {
    this.#unanswered.add(wanted.protocol);
    try {
      return await this.#ask(wanted, wanted.lifetime, read, signal);
    } finally {
      if (!signal.aborted) this.#unanswered.delete(wanted.protocol);
    }
  }

  async unmap(wanted: WantedMapping, signal: AbortSignal): Promise<void> {
    this.#unanswered.delete(wanted.protocol);
    await this.#ask(wanted, 0, anyAnswer, signal);
  }

  /** A router takes back only what the host has that asks. */
  async withdraw(wanted: WantedMapping, signal: AbortSignal): Promise<void> {
    if (this.#unanswered.has(wanted.protocol)) await this.unmap(wanted, signal);
  }

  #ask<T>(
    wanted: WantedMapping,
    lifetime: number,
    read: RouterQuestion<T>['read'],
    signal: AbortSignal,
  ): Promise<T> {
    const request = (router: RouterPlace) => this.#encode(wanted, router, lifetime);
    return askRouter(this.#options, { request, read, signal });
  }
}

export class PcpMethod implements NatMethod {
  readonly name = 'pcp';
  readonly #options: RouterMethodOptions;
  readonly #requests: MapRequests;

  constructor(options: RouterMethodOptions) {
    this.#options = options;
    this.#requests = new MapRequests(options, (wanted, router, lifetime) =>
      encodePcpMap(wanted, addressOf(router), lifetime),
    );
  }

  async map(wanted: WantedMapping, signal: AbortSignal): Promise<GrantedMapping> {
    const read = (packet: Uint8Array, router: RouterPlace) => decodePcpMap(packet, wanted, addressOf(router));
    const ask = this.#requests.map(wanted, read, signal);
    const answer = await ask.catch((error: unknown) => this.#failed(error, wanted, signal));
    if (answer.kind === 'other-version') throw noRouter('the router does not speak PCP');
    return answer.granted;
  }

  unmap(wanted: WantedMapping, signal: AbortSignal): Promise<void> {
    return this.#requests.unmap(wanted, signal);
  }

  withdraw(wanted: WantedMapping, signal: AbortSignal): Promise<void> {
    return this.#requests.withdraw(wanted, signal);
  }

  async #failed(error: unknown, wanted: WantedMapping, signal: AbortSignal): Promise<never> {
    // A grant names the address together with the port: the mapping is there, and leads nowhere.
    const isUseless = isPeerlaneError(error, 'nat-carrier-grade') || isPeerlaneError(error, 'nat-lie');
    if (isUseless) await this.unmap(wanted, signal).catch(() => undefined);
    // A refusal by PCP does not say that the router has no address; NAT-PMP, which it may speak as well, does.
    if (!isPeerlaneError(error, 'nat-refused') || this.#options.family === 6) throw error;
    await askRouter(this.#options, { ...ADDRESS, signal }).catch((reason: unknown) => {
      if (isPeerlaneError(reason, 'nat-carrier-grade')) throw reason;
    });
    throw error;
  }
}

/** The question of NAT-PMP for the external address. */
const ADDRESS = { request: encodePmpAddress, read: decodePmpAddress } as const;

export class PmpMethod implements NatMethod {
  readonly name = 'pmp';
  readonly #options: RouterMethodOptions;
  readonly #requests: MapRequests;

  constructor(options: RouterMethodOptions) {
    this.#options = options;
    this.#requests = new MapRequests(options, (wanted, _, lifetime) => encodePmpMap(wanted, lifetime));
  }

  async map(wanted: WantedMapping, signal: AbortSignal): Promise<GrantedMapping> {
    // First, so that a router without an address of use keeps no mapping.
    const externalIp = await askRouter(this.#options, { ...ADDRESS, signal });
    const read = (packet: Uint8Array) => decodePmpMap(packet, wanted);
    const mapped = await this.#requests.map(wanted, read, signal);
    return { externalIp, ...mapped };
  }

  unmap(wanted: WantedMapping, signal: AbortSignal): Promise<void> {
    return this.#requests.unmap(wanted, signal);
  }

  withdraw(wanted: WantedMapping, signal: AbortSignal): Promise<void> {
    return this.#requests.withdraw(wanted, signal);
  }
}

function addressOf({ from }: RouterPlace): Uint8Array {
  const address = parseIp(from);
  if (address === undefined) throw noRouter(`${from} is not an IP address`);
  return address;
}
