/** The commands of discovery v5 beside nodes of three other programs, and beside go-ethereum's `devp2p`. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { enodeOfRecord, formatEnode, parseRecord } from '../../src/enr/index.ts';
import { parseNodeSet } from '../../src/server/node-set.ts';
import { bootnodeProcess, ofKind, ownNode5 } from '../cli/bootnode.ts';
import { eventsOf, runProcess, temporaryDirectory } from '../cli/cli.ts';
import { start, run as toolRun } from './child.ts';
import { COUNTERPARTS, type PeerNode, type PeerOptions, type PeerProgram } from './discv5-harness.ts';
import { toolPath } from './tools.ts';

const KINDS = Object.keys(COUNTERPARTS) as (keyof typeof COUNTERPARTS)[];
const PATIENCE_MS = 60_000;
const TEST_MS = 120_000;
/** Nodes around a bootnode. */
const OTHERS = 4;

function enodeOf(enr: string): string {
  const enode = enodeOfRecord(parseRecord(enr));
  if (enode === undefined) throw new Error('the record names no endpoint');
  return formatEnode(enode);
}

const idOf = (enr: string): string => Buffer.from(parseRecord(enr).nodeId).toString('hex');

describe.each(KINDS)('beside nodes of %s', (kind) => {
  let program: PeerProgram;
  beforeEach(() => {
    program = COUNTERPARTS[kind]();
  });
  afterEach(async () => {
    await program[Symbol.asyncDispose]();
  });

  /** go-ethereum else tells of no node before it has checked it. */
  const node = (options: PeerOptions = {}): Promise<PeerNode> =>
    program.node({ pingMs: 200, ...(kind === 'go-ethereum' && { anyNode: true }), ...options });

  it('`ping` is answered, with the endpoint and the number of the record, also by the URL', async () => {
    const enr = await (await node()).enr();
    for (const given of [enr, enodeOf(enr)]) {
      const { status, stdout } = await runProcess(
        'ping',
        given,
        '--v5',
        '--count',
        '2',
        '--interval',
        '0.2',
        '--json',
      );
      expect(status).toBe(0);
      const pongs = ofKind('pong', eventsOf(stdout));
      expect(pongs).toHaveLength(2);
      for (const { version, seenAs, enrSeq } of pongs) {
        expect([version, seenAs]).toEqual(['v5', expect.stringMatching(/^127\.0\.0\.1:\d+$/)]);
        expect(BigInt(String(enrSeq))).toBe(parseRecord(enr).seq);
      }
    }
    expect((await runProcess('ping', enodeOf(enr), '--v4', '--count', '1')).status).toBe(1);
  });

  it('`enr-request` and `resolve` give the newest record', async () => {
    const peer = await node();
    const old = await peer.enr();
    const enr = await peer.update({ greeting: '8401020304' });
    expect(enr).not.toBe(old);
    for (const command of ['enr-request', 'resolve']) {
      const { status, stdout } = await runProcess(command, old, '--v5', '--json');
      expect([status, eventsOf(stdout)[0]]).toMatchObject([0, { version: 'v5', enr }]);
    }
  });

  it(
    '`lookup`, `resolve` and `crawl` find their way through a network',
    async () => {
      const boot = await node();
      const bootEnr = await boot.enr();
      const others = await Promise.all(Array.from({ length: OTHERS }, () => node({ bootnodes: [bootEnr] })));
      for (const other of others) await other.ping(bootEnr);
      const ids = [boot, ...others].map(({ id }) => id).toSorted();
      const closest = async (): Promise<string[]> => {
        const { stdout } = await runProcess('lookup', '--v5', '--bootnode', bootEnr, '--json');
        const found = (eventsOf(stdout).at(-1)?.closest ?? []) as { nodeId: string }[];
        return found.map(({ nodeId }) => nodeId.slice(2)).toSorted();
      };
      await expect.poll(closest, { timeout: PATIENCE_MS, interval: 500 }).toEqual(ids);
      const last = others.at(-1) ?? boot;
      const resolved = await runProcess('resolve', last.id, '--v5', '--bootnode', enodeOf(bootEnr), '--json');
      expect([resolved.status, eventsOf(resolved.stdout)[0]?.enr]).toEqual([0, await last.enr()]);
      const file = join(await temporaryDirectory(), 'nodes.json');
      const { status, stdout } = await runProcess(
        ...['crawl', file, '--v4', '--v5', '--bootnode', bootEnr, '--idle', '3s', '--json'],
      );
      expect([status, eventsOf(stdout).at(-1)]).toMatchObject([
        0,
        { event: 'summary', versions: { v4: 0, v5: OTHERS + 1, both: 0 } },
      ]);
      const set = await parseNodeSet(await readFile(file, 'utf8'));
      expect([...set.keys()].toSorted()).toEqual(ids);
    },
    TEST_MS,
  );

  it(
    '`listen` is a bootnode through which they find each other',
    async () => {
      const boot = await bootnodeProcess('--stats', '0.2');
      const [a, b] = [await node({ bootnodes: [boot.enr] }), await node({ bootnodes: [boot.enr] })];
      await Promise.all([a.ping(boot.enr), b.ping(boot.enr)]);
      await boot.cli.event(({ version, live }) => version === 'v5' && Number(live) >= 2);
      const found = async (): Promise<string[]> => (await a.lookup(b.id)).map(({ id }) => id);
      await expect.poll(found, { timeout: PATIENCE_MS, interval: 200 }).toContain(b.id);
      expect(await a.resolve(boot.enr)).toBe(boot.enr);
    },
    TEST_MS,
  );
});

describe("beside go-ethereum's `devp2p discv5`", () => {
  const devp2p = toolPath('devp2p-v1.17.5/devp2p');
  const AT = ['--addr', '127.0.0.1:0'];

  it('`listen` is pinged and resolved, by its record and by its URL', async () => {
    const boot = await bootnodeProcess();
    const node = await ownNode5({ bootnodes: [boot.enr] });
    await node.ping(boot.enr);
    for (const given of [boot.enr, boot.enode]) {
      expect(await toolRun(devp2p, ['discv5', 'ping', ...AT, given])).toContain('<nil>\n');
    }
    for (const enr of [boot.enr, node.record.toString()]) {
      const known = ['--bootnodes', boot.enr];
      expect(await toolRun(devp2p, ['discv5', 'resolve', ...AT, ...known, enr])).toContain(`${enr}\n`);
    }
  });

  it('its `listen` is pinged, resolved, and looked up through', async () => {
    const tool = start(devp2p, ['discv5', 'listen', ...AT], { stdio: ['ignore', 'pipe', 'ignore'] });
    try {
      let enr = '';
      for await (const chunk of tool.stdout ?? []) {
        enr += String(chunk);
        if (enr.endsWith('\n')) break;
      }
      enr = enr.trim();
      const ping = await runProcess('ping', enr, '--v5', '--count', '1', '--json');
      expect([ping.status, eventsOf(ping.stdout)[0]?.enrSeq]).toEqual([0, parseRecord(enr).seq.toString()]);
      const resolved = await runProcess('resolve', enr, '--v5', '--json');
      expect(eventsOf(resolved.stdout)[0]?.enr).toBe(enr);
      const lookup = await runProcess('lookup', '--v5', '--bootnode', enr, '--json');
      expect(eventsOf(lookup.stdout).at(-1)).toMatchObject({ answered: 1, closest: [{ enr }] });
    } finally {
      tool.kill();
    }
  });

  it(
    'a set of its `crawl` is gone on with',
    async () => {
      const boot = await bootnodeProcess();
      const node = await ownNode5({ bootnodes: [boot.enr] });
      await node.ping(boot.enr);
      const file = join(await temporaryDirectory(), 'nodes.json');
      const args = ['discv5', 'crawl', ...AT, '--bootnodes', boot.enr, '--timeout', '5s', file];
      await toolRun(devp2p, args);
      const ids = [boot.enr, node.record.toString()].map(idOf);
      const before = await parseNodeSet(await readFile(file, 'utf8'));
      expect([...before.keys()]).toEqual(expect.arrayContaining(ids));
      const { status } = await runProcess('crawl', file, '--v5', '--idle', '2s', '--json');
      expect(status).toBe(0);
      const after = await parseNodeSet(await readFile(file, 'utf8'));
      expect([...after.keys()]).toEqual(expect.arrayContaining(ids));
    },
    TEST_MS,
  );
});
