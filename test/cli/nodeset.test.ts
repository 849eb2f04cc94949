import { readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Entries, type NodeRecord, signRecord } from '../../src/enr/index.ts';
import { forkId, PRESETS } from '../../src/eth/index.ts';
import { formatNodeSet, type NodeSet, nodeSetKey, parseNodeSet } from '../../src/server/node-set.ts';
import { recordOf, START, secretOf } from '../server/node-db/nodes.ts';
import { eventsOf, run, runProcess, statusUnread, temporaryDirectory } from './cli.ts';

const HOUR = 3_600_000;
const { mainnet, sepolia } = PRESETS;

function recordWith(number: number, entries: Partial<Entries>): NodeRecord {
  return signRecord(secretOf(number), { seq: BigInt(number), entries });
}

const atGenesis = forkId(mainnet.genesisHash, mainnet.schedule, 0, 0);
const today = forkId(mainnet.genesisHash, mainnet.schedule, 30_000_000, 1_800_000_000);
const elsewhere = forkId(sepolia.genesisHash, sepolia.schedule, 9_000_000, 1_800_000_000);
const NODES = {
  old: recordWith(1, { ip: '10.1.2.3', eth: atGenesis }),
  full: recordWith(2, {
    ip: '10.9.9.9',
    ip6: '2001:db8::2',
    udp: 30_303,
    tcp: 30_303,
    eth: today,
    snap: true,
  }),
  sepolia: recordWith(3, { ip: '192.168.0.1', eth: elsewhere, snap: true }),
  beacon: recordWith(4, { ip6: '2001:db8:1::1' }),
  unknown: recordWith(5, { eth: { hash: Uint8Array.of(1, 2, 3, 4), next: 2n ** 64n - 1n } }),
} as const;

type Name = keyof typeof NODES;

const SET: NodeSet = new Map(
  Object.values(NODES).map((node, i) => [
    nodeSetKey(node),
    {
      node,
      score: 10 * i,
      firstResponse: START,
      lastResponse: START + i * HOUR,
      lastCheck: START + 9 * HOUR,
    },
  ]),
);

const NAMES = new Map(Object.entries(NODES).map(([name, node]) => [nodeSetKey(node), name]));
const namesOf = (set: NodeSet): string[] => [...set.keys()].map((key) => NAMES.get(key) ?? '?').sort();

async function fileOf(text = formatNodeSet(SET)): Promise<string> {
  const path = join(await temporaryDirectory(), 'nodes.json');
  await writeFile(path, text);
  return path;
}

describe('nodeset filter', () => {
  it('ends with 130 when nobody reads what it has printed at once', async () => {
    const nodes = Array.from({ length: 3_000 }, (_, i) => recordWith(i + 1, { ip: '10.1.2.3' }));
    const times = { firstResponse: START, lastResponse: START, lastCheck: START };
    const set = new Map(nodes.map((node) => [nodeSetKey(node), { node, score: 1, ...times }]));
    expect(await statusUnread(['nodeset', 'filter', await fileOf(formatNodeSet(set))])).toBe(130);
  });

  it.each<[readonly string[], readonly Name[]]>([
    [[], ['beacon', 'full', 'old', 'sepolia', 'unknown']],
    [
      ['--limit', '2'],
      ['beacon', 'unknown'],
    ],
    [['--limit', '0'], []],
    [
      ['--ip', '10.0.0.0/8'],
      ['full', 'old'],
    ],
    [['--ip', '10.9.9.9'], ['full']],
    [
      ['--ip', '2001:db8::/32'],
      ['beacon', 'full'],
    ],
    [
      ['--min-age', '2h'],
      ['beacon', 'sepolia', 'unknown'],
    ],
    [
      ['--min-age', '1h30m'],
      ['beacon', 'sepolia', 'unknown'],
    ],
    [
      ['--eth-network', 'mainnet'],
      ['full', 'old'],
    ],
    [['--eth-network', 'sepolia'], ['sepolia']],
    [['--eth-network', 'hoodi'], []],
    [['--snap'], ['full', 'sepolia']],
    [['--snap', '--eth-network', 'mainnet', '--min-age', '1h', '--limit', '5'], ['full']],
  ])('%j prints a set of what fulfils it', async (args, names) => {
    const path = await fileOf();
    const [plain, json] = await Promise.all([
      run('nodeset', 'filter', path, ...args),
      run('nodeset', 'filter', path, ...args, '--json'),
    ]);
    expect([plain.status, plain.stderr, json.status]).toEqual([0, '', 0]);
    expect(namesOf(await parseNodeSet(plain.stdout))).toEqual(names);
    const events = eventsOf(json.stdout);
    expect(events.at(-1)).toEqual({ event: 'nodeset', nodes: names.length, of: 5 });
    const ids = events.slice(0, -1).map(({ id }) => NAMES.get(String(id).slice(2)));
    expect(ids.sort()).toEqual(names);
  });

  it('prints all of a node with --json', async () => {
    const { stdout } = await run('nodeset', 'filter', await fileOf(), '--ip', '10.9.9.9', '--json');
    const { full } = NODES;
    expect(eventsOf(stdout)[0]).toEqual({
      event: 'node',
      id: `0x${nodeSetKey(full)}`,
      seq: '2',
      record: full.toString(),
      enode: expect.stringMatching(/^enode:\/\/[0-9a-f]{128}@10\.9\.9\.9:30303$/),
      forkHash: `0x${Buffer.from(today.hash).toString('hex')}`,
      forkNext: 0,
      score: 10,
      firstResponse: '2023-11-14T22:13:20Z',
      lastResponse: '2023-11-14T23:13:20Z',
      lastCheck: '2023-11-15T07:13:20Z',
    });
  });

  it('writes over the file that it has read, and leaves nothing else', async () => {
    const path = await fileOf();
    const { stdout } = await run('nodeset', 'filter', path, '--snap', '--out', path);
    expect(stdout).toBe(`wrote 2 of 5 nodes to ${path}\n`);
    expect(namesOf(await parseNodeSet(await readFile(path, 'utf8')))).toEqual(['full', 'sepolia']);
    expect(await readdir(dirname(path))).toEqual(['nodes.json']);
    const again = await run('nodeset', 'filter', path, '--limit', '1', '--out', path, '--json');
    expect(eventsOf(again.stdout)).toEqual([{ event: 'nodeset', nodes: 1, of: 2, file: path }]);
  });

  it('refuses a file that is cut, and leaves it', async () => {
    const text = formatNodeSet(SET).slice(0, 900);
    const path = await fileOf(text);
    const { status, stdout, stderr } = await run('nodeset', 'filter', path, '--out', path);
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^error: .*nodes\.json: .* cut off, or not JSON \(node-set-invalid\)\n$/);
    expect(await readFile(path, 'utf8')).toBe(text);
  });
});

describe('nodeset info', () => {
  it('counts', async () => {
    const path = await fileOf();
    const { status, stdout } = await runProcess('nodeset', 'info', path);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^nodes {6}5\nanswered {3}2023-11-14T22:13:20Z to 2023-11-15T02:13:20Z\n/);
    expect(stdout).toMatch(/^ {2}mainnet {6}2$/m);
    expect(stdout).toMatch(/^ {2}snap {9}2$/m);
    const json = await run('nodeset', 'info', path, '--json');
    expect(eventsOf(json.stdout)).toEqual([
      {
        event: 'nodeset',
        nodes: 5,
        networks: { mainnet: 2, sepolia: 1, other: 1, unknown: 1 },
        entries: { id: 5, secp256k1: 5, eth: 4, ip: 3, ip6: 2, snap: 2, tcp: 1, udp: 1 },
        clients: {},
        firstResponse: '2023-11-14T22:13:20Z',
        lastResponse: '2023-11-15T02:13:20Z',
        lastCheck: '2023-11-15T07:13:20Z',
      },
    ]);
  });

  it('counts the clients of those that a crawl has connected to', async () => {
    const node = recordOf(1);
    const hello = { clientId: 'Geth/v1.17.5/linux', capabilities: ['eth/69'], at: START };
    const times = { firstResponse: START, lastResponse: START, lastCheck: START };
    const path = await fileOf(
      formatNodeSet(new Map([[nodeSetKey(node), { node, score: 1, ...times, hello }]])),
    );
    const [info, text, filter] = await Promise.all([
      run('nodeset', 'info', path, '--json'),
      run('nodeset', 'info', path),
      run('nodeset', 'filter', path, '--json'),
    ]);
    expect(eventsOf(info.stdout)[0]).toMatchObject({ clients: { Geth: 1 } });
    expect(text.stdout).toMatch(/^clients\n {2}Geth {9}1$/m);
    expect(eventsOf(filter.stdout)[0]).toMatchObject({
      ...{ client: 'Geth/v1.17.5/linux', capabilities: ['eth/69'], helloTime: '2023-11-14T22:13:20Z' },
    });
  });

  it('takes a set of no nodes, and keys that nobody knows', async () => {
    const empty = await run('nodeset', 'info', await fileOf('{}'), '--json');
    expect(eventsOf(empty.stdout)).toEqual([
      { event: 'nodeset', nodes: 0, networks: {}, entries: {}, clients: {} },
    ]);
    const node = signRecord(secretOf(9), { seq: 1n, others: new Map([['\u001b[2J', Uint8Array.of(1)]]) });
    const text = `{"${nodeSetKey(node)}": {"record": "${node}"}}`;
    const { status, stdout } = await run('nodeset', 'info', await fileOf(text));
    expect(status).toBe(0);
    expect(stdout).not.toContain('\u001b');
  });

  it('says what is wrong with a file', async () => {
    const missing = await run('nodeset', 'info', '/nonexistent/nodes.json');
    expect([missing.status, missing.stderr]).toEqual([
      1,
      'error: cannot read the node set /nonexistent/nodes.json: it does not exist (file-unreadable)\n',
    ]);
    const [one, two] = [recordOf(1), recordOf(2)];
    const wrong = await run('nodeset', 'info', await fileOf(`{"${nodeSetKey(one)}": {"record": "${two}"}}`));
    expect(wrong.status).toBe(1);
    expect(wrong.stderr).toMatch(/node [0-9a-f]{64}: the record is of another node \(node-set-invalid\)\n$/);
  });
});
