/** What may be wrong with a server that has no or few peers: a pure function for each. */
import type { ErrorCode } from '../base/errors.ts';
import type { DiagnosisFacts, DiscoveryFacts, Finding, FindingKind } from './diagnosis-facts.ts';
import { closedPort, nat, otherAddress, symmetricNat } from './diagnosis-reach.ts';
import type { DialOutcome } from './dial-backoff.ts';

/** A clock that is off by more makes packets of discovery, which are valid for 20 s, expire before they come. Seconds. */
export const MAX_CLOCK_SKEW_S = 10;
/** Of fewer dials that failed nothing is said. */
export const MIN_FAILED_DIALS = 5;
/** So many that are all in vain are no accident, though up to a half of the nodes that are found are gone. */
export const MIN_BLOCKED_DIALS = 12;
/** A cause is named if so large a part of the dials that failed has it. */
const TELLING_PART = 1 / 3;
/** After this time discovery should have heard of somebody. Milliseconds. */
export const DISCOVERY_PATIENCE_MS = 60_000;

/** A server with fewer than this part of its slots taken has few peers. */
export const FEW_PART = 1 / 4;

/** What the rules look at. */
export interface RuleFacts extends DiagnosisFacts {
  /** Of fewer nodes that have refused this one, or are refused here, nothing is said. */
  readonly minAnswers: number;
}

type Rule = (facts: RuleFacts) => Finding | undefined;

/** In the order in which they are to be mended: one that stands above may be the cause of those below. */
export const RULES: readonly Rule[] = [
  clock,
  noSources,
  systemLimit,
  handlerEnded,
  offline,
  discoveryBlocked,
  tcpBlocked,
  wrongFork,
  restricted,
  turnedAway,
  shunned,
  saturated,
  incompatible,
  turnedDown,
  unreachable,
  noCandidates,
  crowdedNetwork,
  versionUnheard,
  otherAddress,
  nat,
  symmetricNat,
  closedPort,
  staticMissing,
];

function clock({ clockSkew }: DiagnosisFacts): Finding | undefined {
  if (clockSkew === undefined || Math.abs(clockSkew.seconds) < MAX_CLOCK_SKEW_S) return undefined;
  const { seconds, samples } = clockSkew;
  const count = Math.abs(Math.round(seconds));
  return {
    kind: 'clock',
    count,
    message: `the clock of this machine is ${count} s ${seconds > 0 ? 'behind' : 'ahead of'} those of ${samples} networks`,
    advice: 'Set it, by NTP for example: packets of discovery are valid for 20 s',
  };
}

function noSources({ hasSources }: DiagnosisFacts): Finding | undefined {
  if (hasSources) return undefined;
  return {
    kind: 'no-sources',
    count: 0,
    message: 'the server has nobody to dial',
    advice: 'Give it bootnodes with discovery, a list in DNS, or static nodes',
  };
}

function systemLimit({ codes }: DiagnosisFacts): Finding | undefined {
  const count = codes.get('system-limit') ?? 0;
  if (count === 0) return undefined;
  return {
    kind: 'system-limit',
    count,
    message: `the system had no file or memory left for ${dials(count)}`,
    advice:
      'Raise the limit of open files (`ulimit -n`): connections that come in are turned away as well, unseen',
  };
}

function offline(facts: DiagnosisFacts): Finding | undefined {
  const { codes, inbound } = facts;
  const failed = allInVain(facts);
  if (inbound > 0 || isHeard(facts) || failed < MIN_FAILED_DIALS) return undefined;
  const refused = codes.get('dial-failed') ?? 0;
  return {
    kind: 'offline',
    count: failed,
    message: `none of ${failed} dials has reached anybody (${refused} failed at once)`,
    advice: 'See whether this machine has a network, and whether a firewall forbids connections that go out',
  };
}

/** Dials that have reached nobody, as long as none has. */
function allInVain({ outcomes, dialed }: DiagnosisFacts): number {
  const failed = outcomes.get('unreachable') ?? 0;
  const hasReached = dialed > 0 || failed < failures(outcomes) || (outcomes.get('stayed') ?? 0) > 0;
  return hasReached ? 0 : failed;
}

/** Whether discovery is answered. */
function isHeard(facts: DiagnosisFacts): boolean {
  return (packetsOf(facts)?.received ?? 0) > 0;
}

/** What both versions of discovery have sent and received. */
function packetsOf({ v4, v5 }: DiagnosisFacts): Pick<DiscoveryFacts, 'sent' | 'received'> | undefined {
  if (v4 === undefined || v5 === undefined) return v4 ?? v5;
  return { sent: v4.sent + v5.sent, received: v4.received + v5.received };
}

function discoveryBlocked(facts: DiagnosisFacts): Finding | undefined {
  const packets = packetsOf(facts);
  if (packets === undefined || facts.uptimeMs < DISCOVERY_PATIENCE_MS) return undefined;
  if (packets.received > 0 || packets.sent === 0) return undefined;
  return {
    kind: 'discovery-blocked',
    count: packets.sent,
    message: `none of ${packets.sent} packets of discovery was answered`,
    advice:
      'See whether a firewall forbids UDP, whether the clock of this machine is behind, and whether the bootnodes are alive',
  };
}

/** That is of interest where there are few peers only: many nodes speak one version alone. */
function versionUnheard({
  v4,
  v5,
  inbound,
  dialed,
  maxPeers,
  uptimeMs,
}: DiagnosisFacts): Finding | undefined {
  if (v4 === undefined || v5 === undefined || uptimeMs < DISCOVERY_PATIENCE_MS) return undefined;
  const [silent, other, sent] = v5.received === 0 ? ['v5', 'v4', v5.sent] : ['v4', 'v5', v4.sent];
  if (v4.received > 0 === v5.received > 0 || inbound + dialed >= maxPeers * FEW_PART) return undefined;
  return {
    kind: 'version-unheard',
    count: sent,
    message: `nobody answers discovery ${silent} (${sent} packets sent), but ${other} is answered`,
    advice: `Give it a bootnode that speaks ${silent}${silent === 'v5' ? ', best by its record (enr:)' : ''}`,
  };
}

/** Discovery is answered by UDP, and nobody is reached by TCP. */
function tcpBlocked(facts: DiagnosisFacts): Finding | undefined {
  const failed = allInVain(facts);
  if (!isHeard(facts) || failed < MIN_BLOCKED_DIALS) return undefined;
  return {
    kind: 'tcp-blocked',
    count: failed,
    message: `discovery is answered by UDP, and none of ${failed} dials has reached anybody by TCP`,
    advice: 'See whether a firewall forbids connections that go out, to TCP port 30303 for example',
  };
}

const OF_OTHER_CHAINS = ['network-mismatch', 'genesis-mismatch', 'fork-id-mismatch'] as const;
const OTHER_PROTOCOLS = [
  'no-shared-capability',
  'incompatible-version',
  'protocol-version-mismatch',
] as const;

/** Of those who come in the handler of a protocol that is at fault says as much as of those who are dialed. */
function handlerEnded({ outcomes, codes, inboundCodes, minAnswers }: RuleFacts): Finding | undefined {
  const ended = (...by: ErrorCode[]) => sum(codes, by) + sum(inboundCodes, by);
  const count = ended('handler-failed', 'handler-returned');
  if (count < minAnswers || count < TELLING_PART * (failures(outcomes) + count)) return undefined;
  return {
    kind: 'handler-ended',
    count,
    message: `the handler of a protocol has ended ${connections(count)}, ${ended('handler-failed')} of them by an error`,
    advice: 'See the event `handler-failed` for the error; a handler goes on until its channel ends',
  };
}

/** Others say that of whoever does not please them, above all of another chain or fork. */
function turnedDown(facts: RuleFacts): Finding | undefined {
  const { outcomes, reasons, inbound, dialed, maxPeers, minAnswers } = facts;
  if (inbound + dialed >= maxPeers * FEW_PART) return undefined;
  const count = [...reasons.values()].reduce((all, times) => all + times, 0);
  if (count < minAnswers || count < TELLING_PART * failures(outcomes)) return undefined;
  const list = [...reasons].sort(([, a], [, b]) => b - a).map(([reason, times]) => `${reason} (${times})`);
  return {
    kind: 'turned-down',
    count,
    message: `${count} of ${dials(failures(outcomes))} in vain ended by a Disconnect of the other side: ${list.join(', ')}`,
    advice:
      'See whether genesis, forks, head and protocols are those of the nodes that are dialed; server.log(node) says more of each',
  };
}

function wrongFork(facts: RuleFacts): Finding | undefined {
  const { outcomes, codes, passedOver, minAnswers } = facts;
  const cameIn = ofThoseWhoCame(facts, OF_OTHER_CHAINS);
  const count = sum(codes, OF_OTHER_CHAINS) + passedOver + cameIn;
  if (
    count < minAnswers ||
    count < TELLING_PART * (failures(outcomes) + (outcomes.get('stayed') ?? 0) + passedOver + cameIn)
  )
    return undefined;
  return {
    kind: 'wrong-fork',
    count,
    message: `${count === 1 ? 'once' : `${count} times`} a node was of another chain or fork`,
    advice:
      'If that is nearly all of them, see whether this node has the right genesis and schedule of forks, and a head that is not years old',
  };
}

function restricted(facts: RuleFacts): Finding | undefined {
  const { outcomes, codes, passedOver, restricted: found, inbound, dialed, maxPeers, minAnswers } = facts;
  const refused = codes.get('address-refused') ?? 0;
  // That a network of one's own leaves out most of what is found is meant, as long as there are enough others.
  const count = refused + (2 * (inbound + dialed) < maxPeers ? found : 0);
  const others = failures(outcomes) + (found === 0 ? 0 : (outcomes.get('stayed') ?? 0) + passedOver);
  if (count < minAnswers || count < TELLING_PART * (others + count)) return undefined;
  return {
    kind: 'restricted',
    count,
    message: `${count === 1 ? '1 node is at an address' : `${count} nodes are at addresses`} that netRestrict or netDeny refuses`,
    advice:
      'See whether netRestrict and netDeny are meant like that, and where the names of those nodes lead',
  };
}

/** Of a node that others do reach it is meant. */
function turnedAway({ turnedAway: count, inbound, dialed, maxPeers }: DiagnosisFacts): Finding | undefined {
  if (count === 0 || inbound > 0 || 2 * dialed >= maxPeers) return undefined;
  const [came, addresses] =
    count === 1 ? ['1 connection', 'an address'] : [`${count} connections`, 'addresses'];
  return {
    kind: 'turned-away',
    count,
    message: `${came} came in from ${addresses} that netRestrict or netDeny refuses`,
    advice: 'See whether netRestrict and netDeny are meant like that',
  };
}

function shunned({ shunned: count, candidates, inbound, dialed }: DiagnosisFacts): Finding | undefined {
  const isTelling = count >= MIN_FAILED_DIALS && count >= TELLING_PART * candidates;
  if (count === 0 || (inbound + dialed > 0 && !isTelling)) return undefined;
  return {
    kind: 'shunned',
    count,
    message: `${count} of ${candidates} nodes that could be dialed are banned here, or left alone for how they behaved`,
    advice: 'See server.bans, and server.log(node) for why and until when; server.unban(node) takes one back',
  };
}

function saturated({ outcomes, minAnswers }: RuleFacts): Finding | undefined {
  return ofDials(
    outcomes,
    minAnswers,
    'full',
    'saturated',
    'found no free slot for this node',
    'Wait: it is tried again. Static nodes may name it as trusted; being reachable from outside helps',
  );
}

function incompatible(facts: RuleFacts): Finding | undefined {
  const { outcomes, codes, minAnswers } = facts;
  const cameIn = ofThoseWhoCame(facts, OTHER_PROTOCOLS);
  const count = (outcomes.get('breach') ?? 0) + sum(codes, OTHER_PROTOCOLS) + cameIn;
  if (count < minAnswers || count < TELLING_PART * (failures(outcomes) + cameIn)) return undefined;
  return {
    kind: 'incompatible',
    count,
    message: `${connections(count)} had a node at the other end that does not speak what this one does`,
    advice: 'See whether the offered protocols are those of today; server.log(node) says more of each',
  };
}

function unreachable(facts: DiagnosisFacts): Finding | undefined {
  if (offline(facts) !== undefined || tcpBlocked(facts) !== undefined) return undefined;
  return ofDials(
    facts.outcomes,
    MIN_FAILED_DIALS,
    'unreachable',
    'unreachable',
    'reached nobody',
    'Many nodes are gone when they are found: that is usual, up to a half',
  );
}

/** What was found and not dialed, while nobody is left to be dialed. */
function crowdedNetwork(facts: RuleFacts): Finding | undefined {
  const { crowded: count = 0, candidates, minAnswers, inbound, dialed, maxPeers } = facts;
  if (count < minAnswers || candidates > 0 || 2 * (inbound + dialed) >= maxPeers) return undefined;
  return {
    kind: 'crowded-network',
    count,
    message: `${count} nodes that were found are in networks that have their part of the slots already`,
    advice:
      'Name those that are wanted all the same as static or trusted nodes; or find nodes of other networks',
  };
}

function noCandidates(facts: DiagnosisFacts): Finding | undefined {
  const { candidates, hasSources, inbound, dialed, outcomes, v4, v5, uptimeMs } = facts;
  const { restricted: found, foreign = 0 } = facts;
  if (
    !hasSources ||
    found > 0 ||
    candidates > 0 ||
    inbound + dialed > 0 ||
    failures(outcomes) > 0 ||
    uptimeMs < DISCOVERY_PATIENCE_MS
  )
    return undefined;
  const tables = Object.entries({ v4, v5 })
    .flatMap(([version, of]) =>
      of === undefined ? [] : [`${of.table} in the table of discovery ${version}`],
    )
    .join(', ');
  const table = tables === '' ? '' : ` (${tables})`;
  const others = foreign === 0 ? '' : `; ${foreign} that v5 found are of other chains, or of none`;
  return {
    kind: 'no-candidates',
    count: 0,
    message: `${(outcomes.get('stayed') ?? 0) > 0 ? 'no other node of use is known' : 'no node of use was found so far'}${table}${others}`,
    advice: 'Give it more bootnodes, or a list in DNS',
  };
}

function staticMissing({ missing }: DiagnosisFacts): Finding | undefined {
  if (missing === 0) return undefined;
  return {
    kind: 'static-missing',
    count: missing,
    message: missing === 1 ? 'one static node is not connected' : `${missing} static nodes are not connected`,
    advice: 'See server.log(node) for what happened with each',
  };
}

function ofDials(
  outcomes: DiagnosisFacts['outcomes'],
  least: number,
  outcome: DialOutcome,
  kind: FindingKind,
  words: string,
  advice: string,
): Finding | undefined {
  const count = outcomes.get(outcome) ?? 0;
  const all = failures(outcomes);
  if (count < least || count < TELLING_PART * all) return undefined;
  return {
    kind,
    count,
    message: `${count} of ${dials(all)} in vain ${words}`,
    advice,
  };
}

function connections(count: number): string {
  return count === 1 ? '1 connection' : `${count} connections`;
}

function dials(count: number): string {
  return count === 1 ? '1 dial' : `${count} dials`;
}

/** Dials that led to no peer, and not by our own doing. */
export function failures(outcomes: DiagnosisFacts['outcomes']): number {
  let count = 0;
  for (const [outcome, times] of outcomes) if (outcome !== 'stayed' && outcome !== 'own') count += times;
  return count;
}

/** Nodes of all kinds come in; where some of them stay, the others say nothing. */
function ofThoseWhoCame({ inbound, inboundCodes }: DiagnosisFacts, codes: readonly ErrorCode[]): number {
  return inbound > 0 ? 0 : sum(inboundCodes, codes);
}

function sum(codes: DiagnosisFacts['codes'], of: readonly ErrorCode[]): number {
  return of.reduce((count, code) => count + (codes.get(code) ?? 0), 0);
}
