/** Why a server has no or few peers: a pure function of what it has seen. */
import { parseIp } from '../base/ip.ts';
import { classOfIp, type IpClass } from '../base/ip-class.ts';
import type { DiagnosisFacts, Finding, FindingKind } from './diagnosis-facts.ts';
import { FEW_PART, failures, MIN_FAILED_DIALS, RULES, type RuleFacts } from './diagnosis-rules.ts';

/** Why dials lead to no peer. */
const OF_DIALS: ReadonlySet<FindingKind> = new Set([
  ...([
    'offline',
    'tcp-blocked',
    'wrong-fork',
    'restricted',
    'saturated',
    'incompatible',
    'handler-ended',
    'turned-down',
    'unreachable',
  ] as const),
]);

export interface Diagnosis {
  /**
   * `full`: all slots are taken. `healthy`: a quarter of them at least, or, where there is nobody but static nodes to be dialed, one
   * of these.
   */
  readonly state: 'none' | 'few' | 'healthy' | 'full';
  readonly peers: {
    readonly inbound: number;
    readonly dialed: number;
    readonly kept: number;
    readonly max: number;
  };
  /** The gravest first. */
  readonly findings: readonly Finding[];
  /** All of it in a line. */
  readonly summary: string;
}

/** What is said where nothing is found. */
const UNSAID: Readonly<Record<Diagnosis['state'], string>> = {
  none: 'it is too early to say why',
  few: 'why there are so few cannot be seen',
  healthy: 'nothing is wrong as far as can be seen',
  full: 'nothing is wrong as far as can be seen',
};

export function diagnose(facts: DiagnosisFacts): Diagnosis {
  const { inbound, dialed, kept, maxPeers: max, hasOthers } = facts;
  const counted = inbound + dialed - kept;
  const state =
    counted >= max
      ? 'full'
      : inbound + dialed === 0
        ? 'none'
        : counted < max * FEW_PART && (kept === 0 || hasOthers)
          ? 'few'
          : 'healthy';
  const idle = notRunning(facts);
  const findings = idle !== undefined ? [idle] : state === 'none' ? findingsOfNone(facts) : findingsOf(facts);
  const [first] = findings;
  const peers = `${inbound + dialed} of ${max} peers`;
  const summary =
    first === undefined ? `${peers}; ${UNSAID[state]}` : `${peers}: ${first.message}. ${first.advice}`;
  return { state, peers: { inbound, dialed, kept, max }, findings, summary };
}

/** Nothing else is to be said of a server that does nothing. */
function notRunning({ state }: DiagnosisFacts): Finding | undefined {
  if (state === 'running') return undefined;
  const [message, advice] =
    state === 'new'
      ? ['the server has not been started', 'Call server.start()']
      : ['the server is closed', 'Make a new one: a server starts once'];
  return { kind: 'not-running', count: 1, message, advice };
}

/** The class of the address that is reached from farthest away, of a record's. */
export function widestOf(texts: readonly (string | undefined)[]): IpClass | undefined {
  const classes: IpClass[] = [];
  for (const text of texts) {
    const address = text === undefined ? undefined : parseIp(text);
    if (address !== undefined) classes.push(classOfIp(address));
  }
  return classes.find((name) => name === 'global') ?? classes[0];
}

function findingsOf(facts: DiagnosisFacts, minAnswers: number = MIN_FAILED_DIALS): Finding[] {
  const judged: RuleFacts = { ...facts, minAnswers };
  return RULES.map((rule) => rule(judged)).filter((finding) => finding !== undefined);
}

/**
 * Who has no peer at all is told of each node that has refused it: those that are of no use are dialed once in an hour. Many dials of
 * late say more than old ones do.
 */
function findingsOfNone(facts: DiagnosisFacts): readonly Finding[] {
  const recent = findingsOf(facts);
  if (recent.some(({ kind }) => OF_DIALS.has(kind))) return recent;
  const findings = findingsOf({ ...facts, ...facts.sinceLastPeer }, 1);
  return findings.length === 0 ? waiting(facts) : findings;
}

/** At least that, where nothing else is to be said of why nobody is there. */
function waiting({ candidates, sinceLastPeer }: DiagnosisFacts): Finding[] {
  const failed = failures(sinceLastPeer.outcomes);
  const advice = 'Wait; server.log(node) says what came of the last dials';
  if (candidates > 0) {
    const message = `${candidates} nodes are being dialed, or wait for it`;
    return [{ kind: 'waiting', count: candidates, message, advice }];
  }
  if (failed === 0) return [];
  const message = `of ${failed} dials none has led to a peer, for several reasons`;
  return [{ kind: 'waiting', count: failed, message, advice }];
}
