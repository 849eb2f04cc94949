import { OTHER } from './counter-table.ts';

/** Programs that are told apart, by what the names begin with that they give themselves, in small letters. */
export const CLIENT_FAMILIES = [
  ...['geth', 'nethermind', 'besu', 'erigon', 'reth', 'ethrex', 'nimbus', 'peerlane'],
  ...['ethereumjs', 'bor', 'openethereum', 'coregeth', 'trinity', 'aleth'],
] as const;

export type ClientFamily = (typeof CLIENT_FAMILIES)[number] | typeof OTHER;

const KNOWN: ReadonlyMap<string, ClientFamily> = new Map(CLIENT_FAMILIES.map((name) => [name, name]));
/** Names of the same program that begin otherwise. */
const ALIASES: ReadonlyMap<string, ClientFamily> = new Map([
  ['go-ethereum', 'geth'],
  ['nimbus-eth1', 'nimbus'],
  ['core-geth', 'coregeth'],
  ['@ethereumjs', 'ethereumjs'],
]);
/** No name of a family is longer. */
const MAX_NAME_LENGTH = 16;

/** The family of a client, by the name that it gives itself, which may be any text. */
export function clientFamily(clientId: string): ClientFamily {
  const first = /^[^/ ]*/.exec(clientId.slice(0, MAX_NAME_LENGTH))?.[0].toLowerCase() ?? '';
  return KNOWN.get(first) ?? ALIASES.get(first) ?? OTHER;
}
