/** What the commands say first that listen: `serve` and `listen`. */
import type { NodeRecord } from '../enr/index.ts';
import type { Fields, Output } from './output.ts';

export interface Listening {
  /** One for each family. */
  readonly enodes: readonly string[];
  readonly record: NodeRecord;
  /** Whether it takes part in discovery, where others tell it where they see it. */
  readonly isLearning: boolean;
}

/** Tells that others see the node elsewhere than it has said. */
export function reportMoved(
  output: Output,
  { enodes, enr }: { readonly enodes: readonly string[]; readonly enr: string },
): void {
  output.event('endpoint-changed', { ...fieldsOf(enodes), enr }, linesOf(enodes, enr).join('\n'));
}

/** Where there is one, it is all. */
function fieldsOf(enodes: readonly string[]): Fields {
  return { enode: enodes[0], ...(enodes.length > 1 && { enodes }) };
}

const linesOf = (enodes: readonly string[], enr: string): string[] => [
  ...enodes.map((enode) => `enode    ${enode}`),
  `enr      ${enr}`,
];

const NO_ADDRESS =
  'the address is not known yet: the record names none, and the enode URL is for this machine';

/** Fields and lines; `note` is there when the record names no address. */
export function listeningView({ enodes, record, isLearning }: Listening): {
  fields: Fields;
  lines: string[];
} {
  const enr = record.toString();
  const lines = linesOf(enodes, enr);
  const fields = { ...fieldsOf(enodes), enr };
  const { ip, ip6 } = record.entries();
  if (ip !== undefined || ip6 !== undefined) return { fields, lines };
  const note = `${NO_ADDRESS}; ${isLearning ? 'it is learnt from the Pongs of others, and --extip says it at once' : '--extip says it'}`;
  return { fields: { ...fields, note }, lines: [...lines, `note     ${note}`] };
}
