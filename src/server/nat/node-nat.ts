import type { Env } from '../../base/env.ts';
import type { PeerlaneError } from '../../base/errors.ts';
import type { UdpSocket } from '../../io/udp.ts';
import type { Announcement, MappedProtocol, NatMethodName } from '../../nat/index.ts';
import { type LocalEndpoints, type LocalNode, portsBeside } from '../local-node.ts';
import { hearAnnouncements } from './announcements.ts';
import type { ExternalEndpoint, PortMapperEvent } from './mapped-port.ts';
import { type NatConfig, natMethods } from './options.ts';
import { PortMapper } from './port-mapper.ts';
import { NodeRouter } from './router.ts';

/** What becomes of the ports of a node behind a router. */
export type NatEvent =
  /** Others reach a port of the node there. The record names it from now on; also told when a renewal that had failed works. */
  | {
      readonly kind: 'mapped';
      readonly protocol: MappedProtocol;
      /** `IP:PORT`. */
      readonly external: string;
      readonly method: NatMethodName;
    }
  /** That is over: the mapping was taken back, or ended before it could be renewed. */
  | {
      readonly kind: 'unmapped';
      readonly protocol: MappedProtocol;
      readonly external: string;
      readonly method: NatMethodName;
    }
  /** No mapping could be made, or renewed; it is tried again. */
  | {
      readonly kind: 'nat-failed';
      readonly protocol: MappedProtocol;
      readonly error: PeerlaneError;
      readonly retryInMs: number;
    };

export interface NodeNatOptions {
  readonly env: Env;
  readonly nat: NatConfig;
  readonly local: LocalNode;
  readonly onEvent: (event: NatEvent) => void;
  /** Told that the record names another endpoint. */
  readonly moved: () => void;
  /** Told that the record could not be made. */
  readonly failed: (error: unknown) => void;
}

/** Has the ports of a node mapped, and its record follow. */
export class NodeNat implements AsyncDisposable {
  readonly #options: NodeNatOptions;
  #mapper: PortMapper | undefined;
  #announcements: Promise<UdpSocket | undefined> | undefined;
  #isClosed = false;

  constructor(options: NodeNatOptions) {
    this.#options = options;
  }

  /** Begins; nobody has to wait. @param own where the node listens */
  start(own: LocalEndpoints): void {
    if (this.#isClosed) return;
    const { env, nat } = this.#options;
    const router = new NodeRouter(own.host);
    const methods = natMethods(nat, env, router);
    if (methods.length === 0) return;
    const { tcp, udp } = own;
    this.#mapper = new PortMapper({
      env,
      ports: { ...(tcp !== undefined && { tcp }), ...(udp !== undefined && { udp }) },
      methods,
      onEvent: (event) => this.#report(event, own),
    });
    this.#mapper.start();
    if (nat.way !== 'stun') this.#announcements = this.#hear(router);
  }

  /** Where it cannot be heard, a router that begins anew is noticed when a mapping is renewed. */
  async #hear(router: NodeRouter): Promise<UdpSocket | undefined> {
    const heard = (announcement: Announcement): void => this.#mapper?.announced(announcement);
    try {
      return await hearAnnouncements({ router: () => router.host, heard });
    } catch {
      return undefined;
    }
  }

  /** Takes the mappings back, within 2 s. May be called twice. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const [socket] = await Promise.all([this.#announcements, this.#mapper?.close()]);
    await socket?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #report(event: PortMapperEvent, own: LocalEndpoints): void {
    const { local, onEvent, moved, failed } = this.#options;
    if (event.kind === 'nat-failed') {
      onEvent(event);
      return;
    }
    const { kind, protocol, ip, port, method } = event;
    // Nobody is told any more by a node that leaves.
    if (this.#isClosed) {
      onEvent({ kind, protocol, external: `${ip}:${port}`, method });
      return;
    }
    const before = local.enode;
    try {
      local.listens(mappedEndpoints(own, this.#mapper?.external('tcp'), this.#mapper?.external('udp')));
    } catch (error) {
      failed(error);
    }
    onEvent({ kind, protocol, external: `${ip}:${port}`, method });
    if (local.enode !== before) moved();
  }
}

/**
 * Where others reach a node. Ports that are not mapped are taken to be the same outside, unless others see the UDP port
 * elsewhere.
 */
export function mappedEndpoints(
  own: LocalEndpoints,
  tcp: ExternalEndpoint | undefined,
  udp: ExternalEndpoint | undefined,
): LocalEndpoints {
  const host = (tcp ?? udp)?.ip;
  if (host === undefined) return own;
  // A router with two addresses has the other port elsewhere; a record has room for one.
  const there = udp?.ip === host ? udp : undefined;
  const known = there === undefined || there.method === 'stun' ? 'address' : 'endpoint';
  const ports = { tcp: tcp?.port ?? own.tcp, udp: there?.port ?? own.udp };
  return { host, ...ports, known, beside: portsBeside(own) };
}
