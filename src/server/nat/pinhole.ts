import {
  encodeAddPinhole,
  encodeDeletePinhole,
  type GrantedMapping,
  type MappedProtocol,
  pinholeIdOf,
  type WantedMapping,
} from '../../nat/index.ts';
import type { NatMethod } from './method.ts';
import type { RouterMethodOptions } from './pcp.ts';
import { UpnpRouter, type Way } from './upnp-router.ts';

/** By which a router knows a pinhole, which it deletes for the host alone that has asked for it. */
interface Pinhole extends Pick<Way, 'host' | 'from'> {
  readonly id: number;
}

/** Has the firewall of a router let others in by IPv6, at the address that this machine has. */
export class PinholeMethod implements NatMethod {
  readonly name = 'upnp';
  readonly #router: UpnpRouter;
  readonly #pinholes = new Map<MappedProtocol, Pinhole>();

  constructor(options: RouterMethodOptions) {
    this.#router = new UpnpRouter({ ...options, family: 6 });
  }

  async map(wanted: WantedMapping, signal: AbortSignal): Promise<GrantedMapping> {
    try {
      const way = await this.#way(signal);
      const { host, from, service } = way;
      // Asked for anew, not updated by its number: a router that has begun anew may have given that to another one.
      const answer = await this.#router.call(
        way,
        'AddPinhole',
        encodeAddPinhole(service, wanted, from),
        signal,
      );
      this.#pinholes.set(wanted.protocol, { host, from, id: pinholeIdOf(answer) });
      const { internalPort: externalPort, lifetime } = wanted;
      return { externalIp: from, externalPort, lifetime, epoch: undefined };
    } catch (error) {
      this.#router.forget();
      throw error;
    }
  }

  async unmap({ protocol }: WantedMapping, signal: AbortSignal): Promise<void> {
    const pinhole = this.#pinholes.get(protocol);
    this.#pinholes.delete(protocol);
    if (pinhole === undefined) return;
    const way = await this.#way(signal);
    if (way.host !== pinhole.host || way.from !== pinhole.from) return;
    await this.#router.call(way, 'DeletePinhole', encodeDeletePinhole(way.service, pinhole.id), signal);
  }

  async withdraw(): Promise<void> {
    // Without its number nobody can delete it: it ends with its lease.
  }

  async #way(signal: AbortSignal): Promise<Way> {
    const { host, from, services } = await this.#router.find(signal);
    return { host, from, service: services[0] };
  }
}
