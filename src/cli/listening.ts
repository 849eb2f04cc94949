/** What the commands say first that listen: `serve` and `listen`. */
import type { NodeRecord } from '../enr/index.ts';
import type { Fields, Output } from './output.ts';

export interface Listening {
  readonly enode: string;
  readonly record: NodeRecord;
  /** Whether it takes part in discovery, where others tell it where they see it. */
  readonly isLearning: boolean;
}

/** Tells that others see the node elsewhere than it has said. */
export function reportMoved(output: Output, { enode, enr }: { enode: string; enr: string }): void {
  output.event('endpoint-changed', { enode, enr }, linesOf(enode, enr).join('\n'));
}

const linesOf = (enode: string, enr: string): string[] => [`enode    ${enode}`, `enr      ${enr}`];

const NO_ADDRESS =
  'the address is not known yet: the record names none, and the enode URL is for this machine';

/** Fields and lines; `note` is there when the record names no address. */
export function listeningView({ enode, record, isLearning }: Listening): { fields: Fields; lines: string[] } {
  const enr = record.toString();
  const lines = linesOf(enode, enr);
  const { ip, ip6 } = record.entries();
  if (ip !== undefined || ip6 !== undefined) return { fields: { enode, enr }, lines };
  const note = `${NO_ADDRESS}; ${isLearning ? 'it is learnt from the Pongs of others, and --extip says it at once' : '--extip says it'}`;
  return { fields: { enode, enr, note }, lines: [...lines, `note     ${note}`] };
}
