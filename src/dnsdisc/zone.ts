/** A tree as a zone file (RFC 1035, section 5). */
import { checkInteger, checkNames, type NamesOf, reading } from '../base/checks.ts';
import { bytesOf } from './entry.ts';
import { checkTree, type Tree, treeTexts } from './tree.ts';
import { canonicalDomain, formatTreeUrl } from './tree-url.ts';

/** Clients look at the root every half an hour; all else never changes at its name. In seconds. */
export const ROOT_TTL = 1_800;
export const ENTRY_TTL = 604_800;
/** A character-string of RFC 1035, section 3.3, in bytes. */
const MAX_STRING = 255;
const MAX_TTL = 2 ** 31 - 1;

export interface ZoneOptions {
  /** Seconds. */
  readonly rootTtl?: number;
  /** Seconds. */
  readonly entryTtl?: number;
  /**
   * Name of the server that answers for the zone. Then the file is a zone of its own, with SOA and NS records; without
   * it, it is for a zone that has them (`$INCLUDE`).
   */
  readonly nameServer?: string;
}

const OPTIONS: NamesOf<ZoneOptions> = {
  rootTtl: true,
  entryTtl: true,
  nameServer: true,
};

/** @throws PeerlaneError `invalid-argument`; `invalid-tree-url` for a name server that is no name; as `treeTexts` */
export function formatZone(tree: Tree, options: ZoneOptions = {}): string {
  checkTree(tree);
  const { rootTtl, entryTtl, nameServer } = checkOptions(options);
  const { domain } = tree.url;
  const lines = [`; ${formatTreeUrl(tree.url)}, seq ${tree.root.seq}`, `$ORIGIN ${domain}.`];
  if (nameServer !== undefined) lines.push(...authority(tree, canonicalDomain(nameServer), rootTtl));
  for (const [name, text] of treeTexts(tree)) {
    const isRoot = name === domain;
    const owner = isRoot ? '@' : name.slice(0, -domain.length - 1);
    const bytes = Buffer.from(bytesOf(text, owner) ?? text);
    lines.push(`${owner.padEnd(26)} ${isRoot ? rootTtl : entryTtl} IN TXT ${characterStrings(bytes)}`);
  }
  return `${lines.join('\n')}\n`;
}

function checkOptions(options: ZoneOptions): ZoneOptions & { rootTtl: number; entryTtl: number } {
  return reading('the options of a zone', () => {
    checkNames('the options of a zone', options, OPTIONS);
    const { rootTtl = ROOT_TTL, entryTtl = ENTRY_TTL, nameServer } = options;
    checkInteger('rootTtl', rootTtl, 0, MAX_TTL);
    checkInteger('entryTtl', entryTtl, 0, MAX_TTL);
    return { rootTtl, entryTtl, ...(nameServer === undefined ? {} : { nameServer }) };
  });
}

function authority({ url, root }: Tree, nameServer: string, ttl: number): string[] {
  // Serial numbers wrap around (RFC 1982).
  const serial = root.seq % 2n ** 32n;
  const timers = '3600 600 1209600 60';
  return [
    `${'@'.padEnd(26)} ${ttl} IN SOA ${nameServer}. hostmaster.${url.domain}. ${serial} ${timers}`,
    `${'@'.padEnd(26)} ${ttl} IN NS  ${nameServer}.`,
  ];
}

/** Quoted strings of at most 255 bytes, in which what is not plain stands as `\DDD`. */
function characterStrings(bytes: Buffer): string {
  const strings: string[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += MAX_STRING) {
    strings.push(`"${Array.from(bytes.subarray(at, at + MAX_STRING), escaped).join('')}"`);
  }
  return strings.join(' ');
}

function escaped(byte: number): string {
  const character = String.fromCharCode(byte);
  if (character === '"' || character === '\\') return `\\${character}`;
  return byte < 0x20 || byte > 0x7e ? `\\${String(byte).padStart(3, '0')}` : character;
}
