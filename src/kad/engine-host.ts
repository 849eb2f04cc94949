import type { NodeRecord } from '../enr/index.ts';
import type { UdpEndpoint } from './address.ts';

/** What the engine of either version of discovery needs of the outside. */
export interface EngineHost<Event> {
  /** The packet belongs to the host from now on. */
  send(packet: Uint8Array, to: UdpEndpoint): void;
  /** Asked each time: it may change. */
  localRecord(): NodeRecord;
  /**
   * Whether there is a way to the address: a socket of IPv4 has none to IPv6. Nodes at others are not taken from anybody.
   * Asked often; default: to all.
   */
  reaches?(ip: string): boolean;
  event?(event: Event): void;
}
