import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { toBareHex, toHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import {
  formatEnode,
  NodeRecord,
  nodeIdOf,
  parseEnode,
  parseRecord,
  signRecord,
} from '../../src/enr/index.ts';
import { compareDistance } from '../../src/kad/index.ts';
import { MIN_LOCAL_VOTES } from '../../src/server/endpoint-votes.ts';
import { Discv4Service, Discv5Service, SharedUdp } from '../../src/server/index.ts';
import { formatNodeSet, nodeSetKey, parseNodeSet } from '../../src/server/node-set.ts';
import { type Bootnode, bootnode, enodeOf, ofKind, ownNode, ownNode5 } from './bootnode.ts';
import { eventsOf, InnerCli, run, runProcess, temporaryDirectory } from './cli.ts';
import { SMALL, SMALL_GENESIS_FILE } from './served-chain.ts';

const ERROR = { event: 'error', message: expect.any(String) };
const ONCE = ['--count', '1', '--json'] as const;
const SHORT = ['--idle', '2s', '--timeout', '30s', '--json'] as const;

/** A node that speaks v5, and nobody answers for. */
async function silentNode5(): Promise<string> {
  const service = await ownNode5();
  const text = service.record.toString();
  await service.close();
  return text;
}

/** A node that speaks both on one socket. */
async function bothNode(bootnodes: readonly string[]): Promise<Discv4Service> {
  const key = generateSecretKey(systemEnv);
  const listen = new SharedUdp({ host: '127.0.0.1', port: 0 });
  const v4 = new Discv4Service({ key, listen, bootnodes });
  const v5 = new Discv5Service({ key, listen, bootnodes, record: () => v4.record });
  await v4.start();
  await v5.start();
  onTestFinished(async () => {
    await Promise.all([v4.close(), v5.close()]);
  });
  await v5.ping(bootnodes[0] ?? '');
  return v4;
}

describe('ping --v5', () => {
  it('prints where the node sees us, and the number of its record, whichever way the node is named', async () => {
    const node = await ownNode5();
    for (const given of [node.record.toString(), enodeOf(node), enodeOf(node, 'localhost')]) {
      const { status, stdout, stderr } = await run('ping', given, '--v5', ...ONCE);
      expect([status, stderr]).toEqual([0, '']);
      expect(eventsOf(stdout)).toEqual([
        {
          ...{ event: 'pong', version: 'v5', number: 1, rttMs: expect.any(Number) },
          ...{ seenAs: expect.stringMatching(/^127\.0\.0\.1:\d+$/), enrSeq: node.record.seq.toString() },
        },
        expect.objectContaining({ event: 'summary', version: 'v5', sent: 1, received: 1 }),
      ]);
    }
  });

  it('is of use where v4 has no answer, which says so', async () => {
    const node = await ownNode5();
    const { status, stderr } = await run('ping', enodeOf(node), '--count', '1');
    expect([status, stderr]).toEqual([1, expect.stringMatching(/has left v4 is asked with --v5/)]);
    const v4 = await ownNode();
    const other = await runProcess('ping', enodeOf(v4), '--v5', ...ONCE);
    expect([other.status, eventsOf(other.stdout)]).toEqual([
      1,
      [
        { event: 'no-pong', version: 'v5', number: 1 },
        { event: 'summary', version: 'v5', sent: 1, received: 0, lossPercent: 100 },
        { ...ERROR, code: 'request-timeout', message: expect.stringMatching(/may speak v4 only/) },
      ],
    ]);
  });

  it('reaches a node on IPv6', async () => {
    const node = await ownNode5({ listen: { host: '::1', port: 0 } });
    const { status, stdout } = await runProcess('ping', node.record.toString(), '--v5', ...ONCE);
    expect([status, eventsOf(stdout)[0]?.seenAs]).toEqual([0, expect.stringMatching(/^\[::1\]:\d+$/)]);
  });
});

describe('enr-request --v5 and resolve --v5', () => {
  it('ask the node itself, whatever an older record says', async () => {
    const key = generateSecretKey(systemEnv);
    const node = await ownNode5({ key });
    const old = signRecord(key, { seq: 1n, entries: { ip: '127.0.0.1', udp: node.port } }).toString();
    for (const command of ['enr-request', 'resolve']) {
      const { status, stdout } = await runProcess(command, old, '--v5', '--json');
      expect([status, eventsOf(stdout)]).toEqual([
        0,
        [expect.objectContaining({ event: 'record', version: 'v5', enr: node.record.toString() })],
      ]);
    }
  });

  it('find a node by its id, by its key, and one that has moved, through a bootnode', async () => {
    const boot = await bootnode('--v5');
    const node = await ownNode5({ bootnodes: [boot.enr] });
    await node.ping(boot.enr);
    const { publicKey, id } = node;
    const moved = formatEnode({ publicKey, host: '127.0.0.1', tcpPort: 0, udpPort: 9 });
    for (const given of [toBareHex(id), toHex(id), toHex(publicKey), moved]) {
      const { status, stdout } = await run('resolve', given, '--v5', '--bootnode', boot.enode, '--json');
      expect([status, eventsOf(stdout)[0]?.enr]).toEqual([0, node.record.toString()]);
    }
  });

  it('fail for a node that nobody knows, and for one that is silent', async () => {
    const { enr } = await bootnode('--v5');
    for (const args of [
      ['resolve', toBareHex(randomBytes(32)), '--bootnode', enr],
      ['resolve', await silentNode5()],
      ['enr-request', await silentNode5()],
    ]) {
      const { status, stdout } = await run(...args, '--v5', '--json');
      expect([status, eventsOf(stdout)]).toEqual([1, [{ ...ERROR, code: 'request-timeout' }]]);
    }
  });
});

describe('lookup --v5', () => {
  it('walks through a network to a node id, and ends with the closest nodes', async () => {
    const boot = await bootnode('--v5');
    const nodes = await Promise.all(Array.from({ length: 4 }, () => ownNode5({ bootnodes: [boot.enr] })));
    await Promise.all(nodes.map((node) => node.ping(boot.enr)));
    const target = randomBytes(32);
    const { status, stdout } = await runProcess(
      'lookup',
      toHex(target),
      '--v5',
      '--bootnode',
      boot.enr,
      '--json',
    );
    expect(status).toBe(0);
    const events = eventsOf(stdout);
    const records = [boot.enr, ...nodes.map(({ record }) => record.toString())];
    expect(
      ofKind('node', events)
        .map(({ enr }) => enr)
        .toSorted(),
    ).toEqual(records.toSorted());
    const nearest = records
      .map((text) => parseRecord(text).nodeId)
      .toSorted((a, b) => compareDistance(target, a, b));
    const summary = events.at(-1) ?? { event: 'none' };
    expect(summary).toMatchObject({
      ...{ event: 'summary', version: 'v5', target: toHex(target), targetId: toHex(target) },
      ...{ heardOf: 5, answered: 5 },
    });
    const closest = summary.closest as { nodeId: string }[];
    expect(closest.map(({ nodeId }) => nodeId)).toEqual(nearest.map(toHex));
  });

  it('looks for a key by the id that it stands for, and for a random id when it is not told what for', async () => {
    const { enr } = await bootnode('--v5');
    const publicKey = publicKeyOf(randomBytes(32));
    const [key, random] = await Promise.all([
      run('lookup', toHex(publicKey), '--v5', '--bootnode', enr, '--json'),
      run('lookup', '--v5', '--bootnode', enr, '--json'),
    ]);
    const targetId = toHex(nodeIdOf(publicKey));
    expect(eventsOf(key.stdout).at(-1)).toMatchObject({ target: targetId, targetId, answered: 1 });
    expect(eventsOf(random.stdout).at(-1)?.target).toMatch(/^0x[0-9a-f]{64}$/);
  });

  it('says that a bootnode has not answered, and counts nobody', async () => {
    const silent = await silentNode5();
    const { status, stdout } = await runProcess('lookup', '--v5', '--bootnode', silent, '--json');
    expect(status).toBe(1);
    expect(eventsOf(stdout)).toEqual([
      { event: 'no-answer', enode: expect.stringMatching(/^enode:/) },
      expect.objectContaining({ event: 'summary', heardOf: 0, answered: 0, closest: [] }),
      { ...ERROR, code: 'request-timeout' },
    ]);
  });
});

describe('crawl', () => {
  /** Nodes of v4, of v5 and of both around one bootnode of both. */
  async function mixedNetwork(): Promise<{ boot: Bootnode; keys: Record<'v4' | 'v5' | 'both', string> }> {
    const boot = await bootnode();
    const v4 = await ownNode({ bootnodes: [boot.enode] });
    const v5 = await ownNode5({ bootnodes: [boot.enr] });
    const both = await bothNode([boot.enr]);
    await Promise.all([v4.ping(boot.enode), v5.ping(boot.enr), both.ping(boot.enode)]);
    const keyOf = ({ record }: { readonly record: NodeRecord }): string => nodeSetKey(record);
    return { boot, keys: { v4: keyOf(v4), v5: keyOf(v5), both: keyOf(both) } };
  }

  const lastOf = (stdout: string) => eventsOf(stdout).at(-1);

  it('asks by each version, or by both at once, and counts who has answered by which', async () => {
    const { boot, keys } = await mixedNetwork();
    const path = await temporaryDirectory();
    const bootKey = nodeSetKey(parseRecord(boot.enr));
    for (const [options, bootnode, nodes, versions] of [
      [[], boot.enode, ['v4', 'both'], { v4: 3 }],
      [['--v4'], boot.enode, ['v4', 'both'], { v4: 3 }],
      [['--v5'], boot.enode, ['v5', 'both'], { v5: 3 }],
      [['--v4', '--v5'], boot.enr, ['v4', 'v5', 'both'], { v4: 3, v5: 3, both: 2 }],
    ] as const) {
      const file = join(path, `${options.join('') || 'usual'}.json`);
      const { status, stdout } = await run('crawl', file, ...options, '--bootnode', bootnode, ...SHORT);
      expect([status, lastOf(stdout)]).toMatchObject([0, { event: 'summary', versions }]);
      expect(lastOf(stdout)?.versions).toEqual(versions);
      const set = await parseNodeSet(await readFile(file, 'utf8'));
      expect([...set.keys()].toSorted()).toEqual([bootKey, ...nodes.map((name) => keys[name])].toSorted());
      expect([...set.values()].every(({ node }) => node instanceof NodeRecord)).toBe(true);
    }
  });

  it('loses no node that one of the two versions has left', async () => {
    const node = await ownNode5();
    const file = join(await temporaryDirectory(), 'nodes.json');
    const entry = {
      node: parseEnode(enodeOf(node)),
      score: 1,
      firstResponse: 1,
      lastResponse: 1,
      lastCheck: 1,
    };
    await writeFile(file, formatNodeSet(new Map([[nodeSetKey(entry.node), entry]])));
    const { stdout } = await run('crawl', file, '--v4', '--v5', ...SHORT);
    expect(lastOf(stdout)).toMatchObject({ nodes: 1, answered: 1, versions: { v4: 0, v5: 1, both: 0 } });
    const [kept] = (await parseNodeSet(await readFile(file, 'utf8'))).values();
    expect(kept).toMatchObject({ score: 2 });
    expect(String(kept?.node)).toBe(node.record.toString());
  });

  it('fails when nobody answers', async () => {
    const file = join(await temporaryDirectory(), 'nodes.json');
    for (const options of [['--v5'], ['--v4', '--v5']]) {
      const { status, stdout } = await run(
        ...['crawl', file, ...options, '--bootnode', await silentNode5(), '--idle', '1s', '--json'],
      );
      expect([status, lastOf(stdout)]).toEqual([1, { ...ERROR, code: 'request-timeout' }]);
    }
  });
});

describe('listen', () => {
  it('answers both versions on one socket, with one record', async () => {
    const boot = await bootnode();
    const [v4, v5] = [await ownNode(), await ownNode5()];
    expect((await v4.requestRecord(boot.enode)).toString()).toBe(boot.enr);
    expect((await v5.requestRecord(boot.enr)).toString()).toBe(boot.enr);
  });

  it('lets nodes of v5 find each other, and prints figures of each version', async () => {
    const boot = await bootnode('--stats', '0.1');
    const [a, b] = [await ownNode5({ bootnodes: [boot.enr] }), await ownNode5({ bootnodes: [boot.enr] })];
    await Promise.all([a.ping(boot.enr), b.ping(boot.enr)]);
    const stats = await boot.cli.event(({ version, live }) => version === 'v5' && Number(live) >= 2);
    expect(stats).toMatchObject({ event: 'stats', table: 2, live: 2, shed: 0 });
    expect(stats.dropped).not.toHaveProperty('foreign');
    const v4 = await boot.cli.event(({ event, version }) => event === 'stats' && version === 'v4');
    expect(v4).toMatchObject({ table: 0, live: 0 });
    expect((await a.resolve(b.id))?.encoded).toEqual(b.record.encoded);
  });

  it.each(['v4', 'v5'] as const)('speaks %s alone when it is told to', async (version) => {
    const boot = await bootnode(`--${version}`);
    expect(boot.cli.events).toMatchObject([{ event: 'listening', versions: [version] }]);
    const [v4, v5] = [await ownNode(), await ownNode5()];
    const answers = await Promise.allSettled([v4.ping(boot.enode), v5.ping(boot.enr)]);
    const expected = ['v4', 'v5'].map((one) => (one === version ? 'fulfilled' : 'rejected'));
    expect(answers.map(({ status }) => status)).toEqual(expected);
  });

  it('learns by v5 where others see it', async () => {
    const cli = new InnerCli(['listen', '--listen', '0.0.0.0:0', '--v5', '--json']);
    const { enode } = await cli.event(({ event }) => event === 'listening');
    const { publicKey, udpPort } = parseEnode(String(enode));
    const asked = formatEnode({ publicKey, host: '127.0.0.1', tcpPort: 0, udpPort });
    for (let i = 0; i < MIN_LOCAL_VOTES; i++) await (await ownNode5()).requestRecord(asked);
    const { enr } = await cli.event(({ event }) => event === 'endpoint-changed');
    expect(parseRecord(String(enr)).entries()).toMatchObject({ ip: '127.0.0.1', udp: udpPort });
  });
});

describe('serve and sync', () => {
  const serve = async (...args: readonly string[]): Promise<string> => {
    const cli = new InnerCli(['serve', '--chain', SMALL, '--listen', '127.0.0.1:0', '--json', ...args]);
    const { enr } = await cli.event(({ event }) => event === 'listening');
    return String(enr);
  };

  it.each([
    [[], ['fulfilled', 'fulfilled']],
    [['--v4'], ['fulfilled', 'rejected']],
    [['--v5'], ['rejected', 'fulfilled']],
  ])('with %j: a server answers by v4 and v5: %j', async (options, expected) => {
    const enr = await serve(...options);
    const [v4, v5] = [await ownNode(), await ownNode5()];
    const answers = await Promise.allSettled([v4.ping(enr), v5.ping(enr)]);
    expect(answers.map(({ status }) => status)).toEqual(expected);
  });

  it('find each other by v5 alone, through a bootnode', async () => {
    const { enr } = await bootnode('--v5');
    await serve('--v5', '--bootnode', enr);
    const store = join(await temporaryDirectory(), 'chain');
    const { status, stdout } = await run(
      ...['sync', '--genesis', SMALL_GENESIS_FILE, '--store', store, '--bootnode', enr, '--v5', '--json'],
    );
    expect([status, eventsOf(stdout).at(-1)]).toMatchObject([0, { event: 'done', headers: 600 }]);
  });
});

describe('the version is refused', () => {
  const id = 'ab'.repeat(32);
  const good = `enode://${toBareHex(publicKeyOf(randomBytes(32)))}@127.0.0.1:30303`;
  const bad = `enode://${'ff'.repeat(64)}@127.0.0.1:30303`;

  it.each(['ping', 'enr-request', 'resolve', 'lookup'])(
    'of `%s` when both are asked for',
    async (command) => {
      const { status, stderr } = await run(command, good, '--v4', '--v5');
      expect([status, stderr]).toEqual([
        2,
        expect.stringMatching(/'--v4' cannot be used with option '--v5'/),
      ]);
    },
  );

  it.each<[string, readonly string[], string, RegExp]>([
    ['v4 for a node id', ['resolve', id, '--bootnode', good], 'invalid-argument', /only --v5 looks for/],
    ['v4 for a node id', ['lookup', id, '--v4', '--bootnode', good], 'invalid-argument', /only --v5/],
    [
      'v5 for no target',
      ['lookup', '0x12', '--v5', '--bootnode', good],
      'invalid-argument',
      /a node id of 64/,
    ],
    ['v5 for a place', ['ping', id, '--v5'], 'invalid-enode', /./],
    ['v5 for an id alone', ['resolve', id, '--v5'], 'invalid-argument', /--bootnode/],
    ['v5 for no point', ['ping', bad, '--v5'], 'invalid-enode', /secp256k1/],
    [
      'v5 for no point',
      ['resolve', 'ff'.repeat(64), '--v5', '--bootnode', good],
      'invalid-argument',
      /secp256k1/,
    ],
  ])('%s: %j', async (_, args, code, message) => {
    const { status, stdout } = await run(...args, '--json');
    expect([status, eventsOf(stdout)]).toEqual([
      1,
      [{ event: 'error', code, message: expect.stringMatching(message) }],
    ]);
  });
});
