import { throwIfAborted } from '../../base/abort.ts';
import type { Env } from '../../base/env.ts';
import { parseIpv4 } from '../../base/ip.ts';
import { lookupHost } from '../../io/dns.ts';
import { localAddressTo } from '../../io/gateway.ts';
import type { Endpoint } from '../../io/tcp.ts';
import {
  decodeStunAnswer,
  encodeStunRequest,
  type GrantedMapping,
  LEASE,
  lie,
  noRouter,
  STUN_ID_LENGTH,
  type WantedMapping,
} from '../../nat/index.ts';
import { askByUdp, type NatMethod } from './method.ts';
import { listensAt } from './router.ts';

export interface StunMethodOptions {
  readonly env: Env;
  readonly server: Endpoint;
  /** Where the node listens. */
  readonly listenHost: string;
}

/** Makes no mapping: a server says at which address it sees this machine, and the ports are taken to be the same there. */
export class StunMethod implements NatMethod {
  readonly name = 'stun';
  readonly #options: StunMethodOptions;

  constructor(options: StunMethodOptions) {
    this.#options = options;
  }

  async map({ internalPort }: WantedMapping, signal: AbortSignal): Promise<GrantedMapping> {
    throwIfAborted(signal);
    const { env, server, listenHost } = this.#options;
    const { port } = server;
    const host = await this.#hostOf(signal);
    const from = await localAddressTo(host);
    if (from === undefined) throw noRouter(`there is no way to the STUN server ${host}`);
    if (!listensAt(listenHost, from)) {
      throw noRouter(
        `the STUN server ${host} sees what comes from ${from}, where the node does not listen, but on ${listenHost}`,
      );
    }
    const id = env.randomBytes(STUN_ID_LENGTH);
    const to = [{ host, port }];
    const read = (packet: Uint8Array) => decodeStunAnswer(packet, id);
    const request = encodeStunRequest(id);
    const seen = await askByUdp({ env, signal, from, to, request, answerer: { host, port }, read });
    if (seen === undefined) throw noRouter(`the STUN server ${host}:${port} does not answer`);
    // A server of IPv4 may answer with an address of IPv6 all the same.
    if (parseIpv4(seen.ip) === undefined) throw lie(`the external address ${seen.ip}, which is not of IPv4`);
    return { externalIp: seen.ip, externalPort: internalPort, lifetime: LEASE, epoch: undefined };
  }

  async unmap(): Promise<void> {
    // There is nothing to be taken back.
  }

  async withdraw(): Promise<void> {
    // Nor here.
  }

  async #hostOf(signal: AbortSignal): Promise<string> {
    const { host } = this.#options.server;
    if (parseIpv4(host) !== undefined) return host;
    try {
      return await lookupHost(host, signal, (ip) => parseIpv4(ip) !== undefined);
    } catch (error) {
      throwIfAborted(signal);
      throw noRouter(`the STUN server ${host} has no IPv4 address`, error);
    }
  }
}
