/**
 * @ethereumjs/devp2p 10.0.0 has a client of DNS discovery, and nothing that makes, signs or writes a tree or a record: there
 * is none of its making to be read. What it verifies and parses is put beside what we do, for what we have made and for
 * what others have: both take the same, and refuse the same.
 */
import { ENR } from '@ethereumjs/devp2p';
import { describe, expect, it } from 'vitest';
import { parseEntry } from '../../src/dnsdisc/entry.ts';
import { formatTreeUrl, parseTreeUrl, treeTexts } from '../../src/dnsdisc/index.ts';
import { parseRoot, verifyRoot } from '../../src/dnsdisc/root.ts';
import { parseRecord } from '../../src/enr/index.ts';
import { records, tree } from './trees.ts';
import { SIGNER_URL, URL, ZONE } from './vectors.ts';

/** Enough for branches of branches. */
const made = tree({ count: 40, seq: 7n, links: [parseTreeUrl(URL)] });
const url = formatTreeUrl(made.url);
const texts = [...treeTexts(made).values()];
const [root = '', ...entries] = texts;

const keyOf = (text: string): string => ENR.parseTree(text).publicKey;

/** Another letter at one place of what is signed, or of the signature. */
function changed(text: string, at: number): string {
  const letter = text[at] === 'A' ? 'B' : 'A';
  return text.slice(0, at) + letter + text.slice(at + 1);
}

function takes(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch {
    return false;
  }
}

describe('@ethereumjs/devp2p', () => {
  it.each([url, URL, SIGNER_URL])('reads the URL of a tree as we do: %s', (text) => {
    const { publicKey, domain } = ENR.parseTree(text);
    expect(parseTreeUrl(text).domain).toBe(domain);
    expect(formatTreeUrl(parseTreeUrl(`enrtree://${publicKey}@${domain}`))).toBe(text);
  });

  it('verifies the root that we sign, and that of EIP-1459 which another has signed', () => {
    expect(ENR.parseAndVerifyRoot(root, keyOf(url))).toBe(made.root.recordsHash);
    const example = ENR.parseAndVerifyRoot(ZONE['@'], keyOf(SIGNER_URL));
    expect(example).toBe(parseRoot(ZONE['@']).recordsHash);
  });

  it('refuses the root that we refuse: of another key, and with anything changed', () => {
    const ours = (text: string, of: string) => () => verifyRoot(parseRoot(text), parseTreeUrl(of).publicKey);
    const theirs = (text: string, of: string) => () => ENR.parseAndVerifyRoot(text, keyOf(of));
    for (const of of [url, SIGNER_URL]) {
      expect(takes(ours(root, of))).toBe(of === url);
      expect(takes(theirs(root, of))).toBe(of === url);
    }
    const signature = root.indexOf('sig=') + 4;
    for (const at of [root.indexOf('e=') + 5, root.indexOf('l=') + 5, signature + 3, signature + 60]) {
      const bad = changed(root, at);
      expect([takes(ours(bad, url)), takes(theirs(bad, url))]).toEqual([false, false]);
    }
  });

  it('reads the branches of our tree as we do', () => {
    const branches = entries.filter((text) => text.startsWith(ENR.BRANCH_PREFIX));
    expect(branches.length).toBeGreaterThan(3);
    for (const text of branches) {
      const entry = parseEntry(text);
      expect(entry.kind === 'branch' && entry.children).toEqual(ENR.parseBranch(text));
    }
  });

  it('verifies all records of our tree, and reads their endpoints as we do', () => {
    const found = entries.filter((text) => text.startsWith(ENR.RECORD_PREFIX));
    expect(found.sort()).toEqual(records(40).map(String).sort());
    for (const text of found) {
      const record = parseRecord(text);
      const [address, tcpPort, udpPort] = [record.get('ip'), record.get('tcp'), record.get('udp')];
      expect(ENR.parseAndVerifyRecord(text)).toEqual({ address, tcpPort, udpPort });
    }
  });

  it('refuses a record that we refuse, with anything changed', () => {
    const [record] = records(1);
    const text = String(record);
    // Within the signature, the address and a port; the last letters are no entry of their own.
    for (const at of [10, 40, 80, 110, 125, text.length - 4]) {
      const bad = changed(text, at);
      expect(takes(() => parseRecord(bad))).toBe(false);
      expect(takes(() => ENR.parseAndVerifyRecord(bad))).toBe(false);
    }
  });
});
