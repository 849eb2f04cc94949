/**
 * Trees of DNS discovery between peerlane and others: go-ethereum's client and its tree maker, ethereumjs' client, and a
 * real name server that reads our zone files.
 */

import { promises as dns } from 'node:dns';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { DNS } from '@ethereumjs/devp2p';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import {
  DnsClient,
  formatTreeUrl,
  formatZone,
  signTree,
  type Tree,
  treeFromJson,
  treeTexts,
} from '../../src/dnsdisc/index.ts';
import { type NodeRecord, signRecord } from '../../src/enr/index.ts';
import { DnsResolver } from '../../src/io/dns.ts';
import { MAIN } from '../cli/cli.ts';
import { key, records } from '../dnsdisc/trees.ts';
import { run, start } from './child.ts';
import { Nsd } from './nsd.ts';
import { toolPath } from './tools.ts';

const NAME_SERVER = 'ns.peerlane.test';
const SIGNER = key(77);

/** A record as large as one may be: its text takes two strings of a TXT record. */
const large = signRecord(key(5_000), {
  seq: 1n,
  entries: { ip: '10.9.9.9', tcp: 1, udp: 2 },
  others: new Map([['padding', Uint8Array.from([0xb8, 140, ...new Array<number>(140).fill(7)])]]),
});

const ours = made('ours.test', [...records(60), large], 3n);
const empty = made('empty.test', [], 1n);
const single = made('single.test', [large], 2n ** 32n + 1n);
let theirs: Tree;
let server: Nsd;

function made(domain: string, content: readonly NodeRecord[], seq: bigint): Tree {
  const links = ['single.test', 'empty.test'].map((name) => ({ publicKey: keyOf(name), domain: name }));
  return signTree({ domain, seq, records: content, links: domain === 'ours.test' ? links : [] }, SIGNER);
}

function keyOf(domain: string): Uint8Array {
  return signTree({ domain, seq: 0n, records: [] }, SIGNER).url.publicKey;
}

const sorted = (of: readonly { toString(): string }[]): string[] => of.map(String).sort();
const urlOf = ({ url }: Tree): string => formatTreeUrl(url);

/** Runs go-ethereum's side to its end, and gives the last event. */
async function goEthereum(args: readonly string[], input = ''): Promise<Record<string, unknown>> {
  const child = start(toolPath('devp2p-peer'), ['dns', ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  if (child.stdin === null || child.stdout === null) throw new Error('the program has no pipes');
  child.stdin.on('error', () => undefined).end(input);
  const [output] = await Promise.all([text(child.stdout), once(child, 'close')]);
  const event: unknown = JSON.parse(output.trim().split('\n').at(-1) ?? '');
  if (typeof event !== 'object' || event === null) throw new Error(`no event: ${output}`);
  if ('error' in event) throw new Error(String(event.error));
  return { ...event };
}

async function makeTheirs(domain: string, seq: number, lines: readonly string[]) {
  const args = ['make', '-key', toBareHex(SIGNER), '-domain', domain, '-seq', String(seq)];
  const { url, texts } = await goEthereum(args, `${lines.join('\n')}\n`);
  return { url: String(url), texts: new Map(Object.entries(Object(texts)).map(([k, v]) => [k, String(v)])) };
}

beforeAll(async () => {
  const lines = [...records(40, 200).map(String), urlOf(ours)];
  const { texts } = await makeTheirs('theirs.test', 8, lines);
  theirs = treeFromJson(JSON.stringify(Object.fromEntries(texts)));
  const zones = [ours, theirs, single, empty].map((tree): [string, string] => [
    tree.url.domain,
    formatZone(tree, { nameServer: NAME_SERVER }),
  ]);
  server = await Nsd.serve(Object.fromEntries(zones));
});

afterAll(() => server?.[Symbol.asyncDispose]());

function client(): DnsClient {
  return new DnsClient({ resolver: new DnsResolver({ servers: [server.address] }), rate: 1_000 });
}

describe('a tree of ours, from a name server', () => {
  it.each([
    ['with many records and two links', ours],
    ['with a record of 300 bytes, and a sequence number of more than 32 bits', single],
    ['without records', empty],
  ])('%s is read by our client', async (_, tree) => {
    const read = await client().sync(urlOf(tree));
    expect(new Map([...treeTexts(read)].sort())).toEqual(new Map([...treeTexts(tree)].sort()));
    expect([sorted(read.records), read.ignored]).toEqual([sorted(tree.records), []]);
  });

  it.each([
    ['with many records and two links', ours],
    ['with a record of 300 bytes, and a sequence number of more than 32 bits', single],
    ['without records', empty],
  ])("%s is read by go-ethereum's client", async (_, tree) => {
    const event = await goEthereum(['sync', '-server', server.address, '-url', urlOf(tree)]);
    expect(event.seq).toBe(Number(tree.root.seq));
    expect(sorted(Object.values(Object(event.records)))).toEqual(sorted(tree.records));
    expect(sorted(Object.values(Object(event.links ?? [])))).toEqual(sorted(tree.links.map(formatTreeUrl)));
  });

  it("gives its records to go-ethereum's iterator, those of linked trees too", async () => {
    const args = ['-server', server.address, '-url', urlOf(theirs), '-count', '101'];
    const { records: found } = await goEthereum(['iterate', ...args]);
    expect(sorted(Object.values(Object(found)))).toEqual(sorted([...ours.records, ...records(40, 200)]));
  });

  it('gives its records to our iterator, those of linked trees too', async () => {
    const found = new Set<string>();
    for await (const record of client().records([urlOf(theirs)])) {
      found.add(String(record));
      if (found.size === 101) break;
    }
    expect(sorted([...found])).toEqual(sorted([...ours.records, ...records(40, 200)]));
  });

  // That package has no way to make a tree or a record: it only reads.
  it('is read by the client of ethereumjs', async () => {
    const before = dns.getServers();
    try {
      const peers = await new DNS({ dnsServerAddress: server.address }).getPeers(10, [urlOf(ours)]);
      expect(peers.length).toBeGreaterThan(5);
      const addresses = ours.records.map((record) => record.get('ip'));
      for (const { address, tcpPort, udpPort } of peers) {
        expect(addresses).toContain(address);
        if (address !== large.get('ip')) expect([tcpPort, udpPort]).toEqual([30_303, 30_303]);
      }
    } finally {
      dns.setServers(before);
    }
  });
});

describe('a tree that go-ethereum made', () => {
  it('is verified, and read from a name server by our client', async () => {
    expect([theirs.root.seq, theirs.links.map(formatTreeUrl)]).toEqual([8n, [urlOf(ours)]]);
    const read = await client().sync(urlOf(theirs));
    expect(sorted(read.records)).toEqual(sorted(records(40, 200)));
    expect(read.ignored).toEqual([]);
  });

  it.each([0, 1, 13, 14, 30, 200])('of %i records is ours, byte for byte', async (count) => {
    const content = records(count);
    const { url, texts } = await makeTheirs(
      'same.test',
      5,
      content.map(String).reverse().concat(urlOf(ours)),
    );
    const tree = signTree({ domain: 'same.test', seq: 5n, records: content, links: [ours.url] }, SIGNER);
    expect(new Map([...treeTexts(tree)].sort())).toEqual(new Map([...texts].sort()));
    expect(urlOf(tree)).toBe(url);
  });
});

it('a tree goes from a list of records through sign and to-zone to a name server, and comes back by sync', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'peerlane-dns-'));
  try {
    const path = (name: string): string => join(directory, name);
    const peerlane = (...args: readonly string[]) => run(process.execPath, [MAIN, 'dns', ...args]);
    await writeFile(path('key'), toBareHex(SIGNER));
    await writeFile(path('records'), sorted(records(30)).join('\n'));
    const domain = ['--domain', 'cli.test', '--link', urlOf(ours)];
    await peerlane('sign', path('records'), '--key', path('key'), ...domain, '--out', path('tree'));
    const zone = await peerlane('to-zone', path('tree'), '--ns', NAME_SERVER);
    await using own = await Nsd.serve({ 'cli.test': zone });
    const url = formatTreeUrl({ publicKey: ours.url.publicKey, domain: 'cli.test' });
    const output = await peerlane('sync', url, '--dns-server', own.address, '--rate', '1000');
    expect(
      output
        .split('\n')
        .filter((line) => line.startsWith('enr:'))
        .sort(),
    ).toEqual(sorted(records(30)));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
