import type { Env } from '../../base/env.ts';
import { isPeerlaneError } from '../../base/errors.ts';
import { parseIpv4 } from '../../base/ip.ts';
import {
  decodePcpMap,
  decodePmpAddress,
  decodePmpMap,
  encodePcpMap,
  encodePmpAddress,
  encodePmpMap,
  type GrantedMapping,
  noRouter,
  type WantedMapping,
} from '../../nat/index.ts';
import { askByUdp, type NatMethod } from './method.ts';
import type { RouterPlace } from './router.ts';

export interface RouterMethodOptions {
  readonly env: Env;
  /** Asked each time: machines move. @throws PeerlaneError `nat-no-router` */
  readonly router: () => Promise<RouterPlace>;
}

/** Asks the port of PCP and NAT-PMP. @throws PeerlaneError `nat-no-router`; what `read` throws */
async function askRouter<T>(
  { env }: RouterMethodOptions,
  { host, from, pcpPort: port }: RouterPlace,
  {
    request,
    read,
    signal,
  }: { request: Uint8Array; read: (packet: Uint8Array) => T | undefined; signal: AbortSignal },
): Promise<T> {
  const to = [{ host, port }];
  const answer = await askByUdp({ env, signal, from, to, request, answerer: { host, port }, read });
  if (answer === undefined) throw noRouter(`the router ${host} does not answer on UDP port ${port}`);
  return answer;
}

export class PcpMethod implements NatMethod {
  readonly name = 'pcp';
  readonly #options: RouterMethodOptions;

  constructor(options: RouterMethodOptions) {
    this.#options = options;
  }

  async map(wanted: WantedMapping, signal: AbortSignal): Promise<GrantedMapping> {
    const router = await this.#options.router();
    const request = encodePcpMap(wanted, addressOf(router), wanted.lifetime);
    const read = (packet: Uint8Array) => decodePcpMap(packet, wanted);
    const ask = askRouter(this.#options, router, { request, read, signal });
    const answer = await ask.catch((error: unknown) => this.#reasonFor(error, router, signal));
    if (answer.kind === 'other-version') throw noRouter(`the router ${router.host} does not speak PCP`);
    return answer.granted;
  }

  /** A refusal by PCP does not say that the router has no address; NAT-PMP, which it may speak as well, does. */
  async #reasonFor(error: unknown, router: RouterPlace, signal: AbortSignal): Promise<never> {
    if (!isPeerlaneError(error, 'nat-refused')) throw error;
    const question = { request: encodePmpAddress(), read: decodePmpAddress, signal };
    await askRouter(this.#options, router, question).catch((reason: unknown) => {
      if (isPeerlaneError(reason, 'nat-carrier-grade')) throw reason;
    });
    throw error;
  }

  async unmap(wanted: WantedMapping, signal: AbortSignal): Promise<void> {
    const router = await this.#options.router();
    const request = encodePcpMap(wanted, addressOf(router), 0);
    // That it grants no time is the answer here: any that is one will do.
    await askRouter(this.#options, router, { request, read: () => true, signal });
  }
}

export class PmpMethod implements NatMethod {
  readonly name = 'pmp';
  readonly #options: RouterMethodOptions;

  constructor(options: RouterMethodOptions) {
    this.#options = options;
  }

  async map(wanted: WantedMapping, signal: AbortSignal): Promise<GrantedMapping> {
    const router = await this.#options.router();
    // First, so that a router without an address of use keeps no mapping.
    const externalIp = await askRouter(this.#options, router, {
      ...{ request: encodePmpAddress(), read: decodePmpAddress, signal },
    });
    const request = encodePmpMap(wanted, wanted.lifetime);
    const read = (packet: Uint8Array) => decodePmpMap(packet, wanted);
    const mapped = await askRouter(this.#options, router, { request, read, signal });
    return { externalIp, ...mapped };
  }

  async unmap(wanted: WantedMapping, signal: AbortSignal): Promise<void> {
    const router = await this.#options.router();
    const request = encodePmpMap(wanted, 0);
    await askRouter(this.#options, router, { request, read: () => true, signal });
  }
}

function addressOf({ from }: RouterPlace): Uint8Array {
  const address = parseIpv4(from);
  if (address === undefined) throw noRouter(`${from} is not an IPv4 address`);
  return address;
}
