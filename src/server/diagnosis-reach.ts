/** What may be wrong with how a server is reached from outside: a pure function for each. */
import type { ErrorCode } from '../base/errors.ts';
import type { DiagnosisFacts, Finding } from './diagnosis-facts.ts';

/** After this time somebody should have come in. Milliseconds. */
export const INBOUND_PATIENCE_MS: number = 30 * 60_000;

/** For so long it counts that somebody has come in: a router may be another one by now. Milliseconds. */
export const INBOUND_MEMORY_MS: number = 6 * 60 * 60_000;

/** After this time somebody may have come in, where no router is to be asked. Milliseconds. */
export const NO_ROUTER_PATIENCE_MS: number = 10 * 60_000;

const NAT_FAILURES: ReadonlyMap<ErrorCode, string> = new Map([
  ['nat-no-router', 'no router answers that would map its port'],
  ['nat-refused', 'the router refuses to map its port'],
  ['nat-lie', 'what the router says of the address outside cannot be'],
]);

export function nat(facts: DiagnosisFacts): Finding | undefined {
  const { listens, ownAddress, natFailures } = facts;
  const { tcp = natFailures.udp } = natFailures;
  if (!listens) return undefined;
  if (Object.values(natFailures).includes('nat-carrier-grade')) {
    return {
      kind: 'nat',
      count: 0,
      message: 'the router is behind a translator of the provider: nobody can connect from outside',
      advice: 'Ask the provider for an address of your own, or use IPv6; dialing others works all the same',
    };
  }
  if (ownAddress === 'global') return unmapped(facts);
  if (ownAddress === 'loopback') return undefined;
  const named =
    ownAddress === undefined
      ? 'the record of this node names no address'
      : 'the record of this node names an address that only its own network reaches';
  const failure = tcp === undefined ? undefined : NAT_FAILURES.get(tcp);
  return {
    kind: 'nat',
    count: 0,
    message: failure === undefined ? named : `${named}, and ${failure}`,
    advice:
      failure === undefined
        ? "Behind a router, use the option nat ('any'), or name the address by externalIp and forward the port"
        : 'Have the router map ports (UPnP, PCP), or forward the port there and name the address by externalIp',
  };
}

/** The address is known, by others perhaps, but the TCP port that leads here from there is not. */
function unmapped(facts: DiagnosisFacts): Finding | undefined {
  const { natFailures, uptimeMs } = facts;
  const { tcp } = natFailures;
  const failure = tcp === undefined ? undefined : NAT_FAILURES.get(tcp);
  // A port may be forwarded by hand, and a machine with an address of its own needs no router.
  const isEarly = tcp === 'nat-no-router' && uptimeMs < NO_ROUTER_PATIENCE_MS;
  if (failure === undefined || isReached(facts) || isEarly) return undefined;
  return {
    kind: 'nat',
    count: 0,
    message: `nobody has come in from the Internet ${facts.sinceInboundMs === undefined ? 'so far' : timeOf(facts)}, and ${failure}`,
    advice:
      'Behind a router, have it map ports (UPnP, PCP), or forward the port there; else see whether a firewall closes it',
  };
}

export function otherAddress({ outside }: DiagnosisFacts): Finding | undefined {
  const seen = outside.find(({ ip, known, recordIp }) => known && recordIp !== undefined && ip !== recordIp);
  if (seen === undefined) return undefined;
  const { ip, voters, recordIp } = seen;
  return {
    kind: 'other-address',
    count: voters,
    message: `${voters} networks see this node at ${ip}, but its record names ${recordIp}, as it was told`,
    advice:
      'See whether externalIp is that of today, or, where a router maps the ports, whether it stands behind another one',
  };
}

export function symmetricNat({ outside }: DiagnosisFacts): Finding | undefined {
  const seen = outside.find(({ udpPort, known }) => udpPort === undefined && known !== 'endpoint');
  if (seen === undefined) return undefined;
  const { voters, ports } = seen;
  return {
    kind: 'symmetric-nat',
    count: ports,
    message: `${voters} networks see this node at ${ports} UDP ports: the router maps each peer to another one`,
    advice:
      "Nobody reaches it by UDP whom it has not asked: use the option nat ('any'), forward the port, or have the router keep it",
  };
}

export function closedPort(facts: DiagnosisFacts): Finding | undefined {
  const { listens, ownAddress, uptimeMs, ports } = facts;
  if (!listens || ownAddress !== 'global' || isReached(facts) || uptimeMs < INBOUND_PATIENCE_MS)
    return undefined;
  // Then it is known why.
  if (nat(facts) !== undefined) return undefined;
  return {
    kind: 'closed-port',
    count: 0,
    message: `nobody has come in from the Internet ${timeOf(facts)}`,
    advice: `See whether TCP port ${ports.join(' or ')} is open in the firewall, and forwarded by the router`,
  };
}

function isReached({ sinceInboundMs }: DiagnosisFacts): boolean {
  return sinceInboundMs !== undefined && sinceInboundMs < INBOUND_MEMORY_MS;
}

/** For how long nobody has come in. */
function timeOf({ sinceInboundMs, uptimeMs }: DiagnosisFacts): string {
  const minutes = Math.floor((sinceInboundMs ?? uptimeMs) / 60_000);
  return minutes < 120 ? `in ${minutes} minutes` : `in ${Math.floor(minutes / 60)} hours`;
}
