/** What a server knows of itself when it is asked why it has no or few peers, and what may be found out of that. */
import type { ErrorCode } from '../base/errors.ts';
import type { IpClass } from '../base/ip-class.ts';
import type { ClockSkew } from '../discv4/index.ts';
import type { MappedProtocol } from '../nat/index.ts';
import type { DialOutcome } from './dial-backoff.ts';
import type { OutsideView } from './local-node.ts';

/** A version of discovery that runs. */
export interface DiscoveryFacts {
  /** Nodes of the table. */
  readonly table: number;
  /** Packets, and those that came from somebody who speaks the version. */
  readonly sent: number;
  readonly received: number;
}

/** Dials of a time, by what came of them. */
export interface DialCounts {
  /** `stayed`: all that led to a peer. */
  readonly outcomes: ReadonlyMap<DialOutcome, number>;
  /** Why they failed. */
  readonly codes: ReadonlyMap<ErrorCode, number>;
  /** Why others have sent us away, or left: the reasons of their Disconnects, but that they are full or connected already. */
  readonly reasons: ReadonlyMap<string, number>;
  /** Nodes that were not dialed, since their records say that they are of no use. */
  readonly passedOver: number;
  /** Those among the nodes that discovery v5 has found, which are of all kinds. */
  readonly foreign?: number;
  /** Those whose network has its part of the slots. */
  readonly crowded?: number;
  /** Nodes that were not dialed, since `netRestrict` or `netDeny` refuses the addresses at which they were found. */
  readonly restricted: number;
}

/** Its dials are those of late. */
export interface DiagnosisFacts extends DialCounts {
  readonly state: 'new' | 'running' | 'closed';
  /** Milliseconds since the start. */
  readonly uptimeMs: number;
  readonly maxPeers: number;
  readonly inbound: number;
  readonly dialed: number;
  /** Of these, nodes that are kept whatever the limits. */
  readonly kept: number;
  /** Static nodes that are not connected. */
  readonly missing: number;
  /** Nodes that wait to be dialed or for their time to be dialed again. */
  readonly candidates: number;
  /** Of these, nodes that are banned here, or left alone for how they behaved. */
  readonly shunned: number;
  /** Connections of late that came in from addresses that `netRestrict` or `netDeny` refuses. */
  readonly turnedAway: number;
  /** Why connections of late that came in have ended, but those of peers that had stayed. */
  readonly inboundCodes: ReadonlyMap<ErrorCode, number>;
  /** Those of a longer time, but since a peer that had stayed for a while has left. */
  readonly sinceLastPeer: DialCounts;
  /** Whether the server listens, and on which TCP ports: those of two families may differ. */
  readonly listens: boolean;
  readonly ports: readonly number[];
  /** How long ago somebody from the Internet came in; `undefined`: never. */
  readonly sinceInboundMs: number | undefined;
  /** The class of the address that the node's record names; `undefined`: it names none. */
  readonly ownAddress: IpClass | undefined;
  /** Undefined: no discovery v4. */
  readonly v4: (DiscoveryFacts & { readonly expired: number }) | undefined;
  /** Undefined: no discovery v5. */
  readonly v5?: DiscoveryFacts | undefined;
  /** Where networks of the Internet see the node. */
  readonly outside: readonly OutsideView[];
  /** Why ports are not mapped at present, or could not be renewed, where that was asked for. */
  readonly natFailures: Readonly<Partial<Record<MappedProtocol, ErrorCode>>>;
  /** Whether nodes come from anywhere: discovery, a list, bootnodes, static nodes. */
  readonly hasSources: boolean;
  /** Whether any that are not static do. */
  readonly hasOthers: boolean;
  readonly clockSkew: ClockSkew | undefined;
}

export type FindingKind =
  | 'not-running'
  | 'clock'
  | 'no-sources'
  | 'system-limit'
  | 'offline'
  | 'tcp-blocked'
  | 'discovery-blocked'
  | 'wrong-fork'
  | 'saturated'
  | 'restricted'
  | 'turned-away'
  | 'shunned'
  | 'incompatible'
  | 'handler-ended'
  | 'turned-down'
  | 'unreachable'
  | 'no-candidates'
  | 'crowded-network'
  | 'version-unheard'
  | 'other-address'
  | 'nat'
  | 'symmetric-nat'
  | 'closed-port'
  | 'static-missing'
  | 'waiting';

export interface Finding {
  readonly kind: FindingKind;
  /** How many nodes, dials or seconds it is about. */
  readonly count: number;
  readonly message: string;
  /** What to do about it. */
  readonly advice: string;
}
