/** Why a server has no or few peers: a pure function of what it has seen. */
import { parseIp } from '../base/ip.ts';
import { classOfIp, type IpClass } from '../base/ip-class.ts';
import type { DiagnosisFacts, Finding } from './diagnosis-facts.ts';
import { RULES } from './diagnosis-rules.ts';

/** A server with fewer than this part of its slots taken has few peers. */
const FEW_PART = 1 / 4;

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
  const found = RULES.map((rule) => rule(facts)).filter((finding) => finding !== undefined);
  const findings = found.length === 0 && state === 'none' ? waiting(facts) : found;
  const [first] = findings;
  const peers = `${inbound + dialed} of ${max} peers`;
  const summary =
    first === undefined
      ? `${peers}; ${state === 'few' ? 'why there are so few cannot be seen' : 'nothing is wrong as far as can be seen'}`
      : `${peers}: ${first.message}. ${first.advice}`;
  return { state, peers: { inbound, dialed, kept, max }, findings, summary };
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

/** At least that, where nothing else is to be said of why nobody is there. */
function waiting({ candidates }: DiagnosisFacts): Finding[] {
  if (candidates === 0) return [];
  return [
    {
      kind: 'waiting',
      count: candidates,
      message: `${candidates} nodes are being dialed, or wait for it`,
      advice: 'Wait; server.log(node) says what came of the last dials',
    },
  ];
}
