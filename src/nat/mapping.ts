/** What is asked of a router, and what it grants. */
import { equalBytes } from '../base/bytes.ts';
import { type ErrorCode, PeerlaneError } from '../base/errors.ts';
import { formatIp, normalizeIp } from '../base/ip.ts';
import { classOfIp } from '../base/ip-class.ts';

export type MappedProtocol = 'tcp' | 'udp';

/** Of IANA, as in IP packets. */
export const PROTOCOL_NUMBERS = { tcp: 6, udp: 17 } as const satisfies Record<MappedProtocol, number>;

/** How an external endpoint was come by. */
export type NatMethodName = 'upnp' | 'pmp' | 'pcp' | 'stun';

/** A port of this machine that others are to reach. */
export interface WantedMapping {
  readonly protocol: MappedProtocol;
  readonly internalPort: number;
  /** The one that is liked best: that of the last mapping, or the internal one. */
  readonly externalPort: number;
  /** Seconds. */
  readonly lifetime: number;
  /** 12 bytes: who has them may change the mapping (RFC 6887, section 11.1). */
  readonly nonce: Uint8Array;
}

export interface GrantedMapping {
  /** Canonical text of an address that is reached from everywhere. */
  readonly externalIp: string;
  readonly externalPort: number;
  /** Seconds; infinite: until it is taken back. */
  readonly lifetime: number;
  /** Seconds since the router lost its mappings last; undefined: it does not say. */
  readonly epoch: number | undefined;
}

/**
 * The canonical text of the address at which a router says it is reached.
 * @throws PeerlaneError `nat-carrier-grade` for one behind another translator, `nat-lie` for one of no host
 */
export function believedAddress(address: Uint8Array): string {
  const text = formatIp(address);
  const name = classOfIp(address);
  // An IPv4 mapping leads to an IPv4 address.
  if (normalizeIp(address).length !== 4) throw lie(`the external address ${text}, which is not of IPv4`);
  if (name === 'global') return text;
  if (name === 'private' || name === 'special' || name === 'link-local') {
    throw new PeerlaneError(
      'nat-carrier-grade',
      `the router itself has the address ${text}, which is not reached from everywhere: it stands behind ` +
        'another translator (carrier-grade NAT, or a second router), through which no mapping leads',
      { details: { external: text } },
    );
  }
  throw lie(`the external address ${text}, which no host has`);
}

/**
 * Where a firewall lets others in: nothing is translated there, so that it is where this machine has the port.
 * @param address 16 bytes, that the router names @param client 16 bytes: the own address
 * @throws PeerlaneError `nat-lie` for any other place
 */
export function believedPinhole(
  address: Uint8Array,
  port: number,
  client: Uint8Array,
  internalPort: number,
): Pick<GrantedMapping, 'externalIp' | 'externalPort'> {
  const externalIp = formatIp(client);
  if (equalBytes(address, client) && port === internalPort) return { externalIp, externalPort: port };
  throw lie(
    `port ${port} of ${formatIp(address)} as the way to port ${internalPort} of ${externalIp}, which IPv6 does not translate`,
  );
}

/**
 * The router answers, and says that it has no address outside: it has no line, or one to another translator, for it does
 * not tell an address that leads nowhere.
 */
export function noAddress(): PeerlaneError {
  return new PeerlaneError(
    'nat-carrier-grade',
    'the router has no external address that is reached from everywhere: it stands behind another translator ' +
      '(carrier-grade NAT, or a second router), or has no line',
  );
}

/** @throws PeerlaneError `nat-lie` unless it is a port */
export function believedPort(port: number): number {
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw lie(`the external port ${port}`);
}

/** @param claim what the router says that cannot be */
export function lie(claim: string, cause?: unknown): PeerlaneError {
  return new PeerlaneError('nat-lie', `the router gives ${claim}`, { cause });
}

export function noRouter(message: string, cause?: unknown): PeerlaneError {
  return new PeerlaneError('nat-no-router', message, { cause });
}

export function refused(message: string): PeerlaneError {
  return new PeerlaneError('nat-refused', message);
}

const TELLING: readonly ErrorCode[] = ['nat-carrier-grade', 'nat-lie', 'nat-refused', 'nat-no-router'];

/** Of the errors of several ways that failed, the one that says most; the first of its kind. */
export function mostTelling(errors: readonly PeerlaneError[]): PeerlaneError | undefined {
  return TELLING.map((code) => errors.find((error) => error.code === code)).find(Boolean) ?? errors[0];
}
