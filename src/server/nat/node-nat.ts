import type { Env } from '../../base/env.ts';
import type { PeerlaneError } from '../../base/errors.ts';
import { hostBeforePort } from '../../base/ip.ts';
import type { UdpSocket } from '../../io/udp.ts';
import type { Announcement, MappedProtocol, NatMethodName } from '../../nat/index.ts';
import type { IpFamily } from '../endpoint-votes.ts';
import { endpointsBy, type LocalEndpoints, type LocalNode, portsBeside } from '../local-node.ts';
import { hearAnnouncements } from './announcements.ts';
import type { ExternalEndpoint, PortMapperEvent } from './mapped-port.ts';
import { type NatConfig, natFamilies, natMethods } from './options.ts';
import { PortMapper } from './port-mapper.ts';
import { NodeRouter } from './router.ts';

/** What becomes of the ports of a node behind a router. */
export type NatEvent =
  /** Others reach a port of the node there. The record names it from now on; also told when a renewal that had failed works. */
  | {
      readonly kind: 'mapped';
      readonly protocol: MappedProtocol;
      readonly family: 4 | 6;
      /** `IP:PORT`, or `[IP]:PORT`. */
      readonly external: string;
      readonly method: NatMethodName;
    }
  /** That is over: the mapping was taken back, or ended before it could be renewed. */
  | {
      readonly kind: 'unmapped';
      readonly protocol: MappedProtocol;
      readonly family: 4 | 6;
      readonly external: string;
      readonly method: NatMethodName;
    }
  /** No mapping could be made, or renewed; it is tried again. */
  | {
      readonly kind: 'nat-failed';
      readonly protocol: MappedProtocol;
      readonly family: 4 | 6;
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

/** What a router is asked by a family: nothing else waits for it, or fails with it. */
interface FamilyNat {
  readonly family: IpFamily;
  readonly mapper: PortMapper;
  readonly announcements: Promise<UdpSocket | undefined> | undefined;
}

/** Has the ports of a node mapped, and its record follow. */
export class NodeNat implements AsyncDisposable {
  readonly #options: NodeNatOptions;
  #families: readonly FamilyNat[] = [];
  #isClosed = false;

  constructor(options: NodeNatOptions) {
    this.#options = options;
  }

  /** Begins; nobody has to wait. @param own where the node listens */
  start(own: LocalEndpoints): void {
    if (this.#isClosed || this.#options.nat.way === 'none') return;
    this.#families = natFamilies(this.#options.nat, own).map((family) => this.#familyNat(family, own));
    for (const { mapper } of this.#families) mapper.start();
  }

  #familyNat(family: IpFamily, own: LocalEndpoints): FamilyNat {
    const { env, nat } = this.#options;
    const { host, tcp, udp } = endpointsBy(family, own) ?? own;
    const router = new NodeRouter(host, family);
    const mapper = new PortMapper({
      env,
      ports: { ...(tcp !== undefined && { tcp }), ...(udp !== undefined && { udp }) },
      methods: natMethods(nat, env, router),
      onEvent: (event) => this.#report(event, family, own),
    });
    const heard = (announcement: Announcement): void => mapper.announced(announcement);
    const hear = () => hearAnnouncements({ router: () => router.host, family, heard });
    // Where it cannot be heard, a router that begins anew is noticed when a mapping is renewed.
    const announcements = nat.way === 'stun' ? undefined : hear().catch(() => undefined);
    return { family, mapper, announcements };
  }

  /** Takes the mappings back, within 2 s. May be called twice. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(
      this.#families.map(async ({ mapper, announcements }) => {
        const [socket] = await Promise.all([announcements, mapper.close()]);
        await socket?.close();
      }),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #report(event: PortMapperEvent, family: IpFamily, own: LocalEndpoints): void {
    const { local, onEvent, moved, failed } = this.#options;
    if (event.kind === 'nat-failed') {
      onEvent({ ...event, family });
      return;
    }
    const { kind, protocol, ip, port, method } = event;
    const external = `${hostBeforePort(ip)}:${port}`;
    const told = { kind, protocol, family, external, method };
    // Nobody is told any more by a node that leaves.
    if (this.#isClosed) {
      onEvent(told);
      return;
    }
    const { seq } = local.record;
    try {
      local.listens(mappedEndpoints(own, this.#mapped(4), this.#mapped(6)));
    } catch (error) {
      failed(error);
    }
    onEvent(told);
    // The URL names one family, and the record both.
    if (local.record.seq !== seq) moved();
  }

  #mapped(family: IpFamily): MappedPorts {
    const mapper = this.#families.find((one) => one.family === family)?.mapper;
    return { tcp: mapper?.external('tcp'), udp: mapper?.external('udp') };
  }
}

/** Where others reach the ports of a node by a family, as far as a router lets them. */
export type MappedPorts = Readonly<Partial<Record<MappedProtocol, ExternalEndpoint | undefined>>>;

/**
 * Where others reach a node. Ports that are not mapped are taken to be the same outside, unless others see the UDP port
 * elsewhere.
 */
export function mappedEndpoints(own: LocalEndpoints, four: MappedPorts, six: MappedPorts): LocalEndpoints {
  const [byFour, bySix] = [mappedBy(4, own, four), mappedBy(6, own, six)];
  if (own.beside?.host !== undefined) return { ...(byFour ?? own), beside: bySix ?? own.beside };
  const first = byFour ?? bySix;
  if (first === undefined) return own;
  return { ...first, beside: (first === byFour ? bySix : undefined) ?? portsBeside(own) };
}

function mappedBy(
  family: IpFamily,
  local: LocalEndpoints,
  { tcp, udp }: MappedPorts,
): LocalEndpoints | undefined {
  const own = endpointsBy(family, local) ?? local;
  const host = (tcp ?? udp)?.ip;
  if (host === undefined) return undefined;
  // A router with two addresses has the other port elsewhere; a record has room for one.
  const there = udp?.ip === host ? udp : undefined;
  const known = there === undefined || there.method === 'stun' ? 'address' : 'endpoint';
  return { host, tcp: tcp?.port ?? own.tcp, udp: there?.port ?? own.udp, known };
}
