/** The commands of discovery beside go-ethereum's nodes. */
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { toBareHex, toHex } from '../../src/base/bytes.ts';
import { enodeOfRecord, formatEnode, parseEnode, parseRecord } from '../../src/enr/index.ts';
import { bootnodeProcess, ofKind } from '../cli/bootnode.ts';
import { eventsOf, runProcess } from '../cli/cli.ts';
import { SMALL_CHAIN } from './chains.ts';
import { closestIds, GoDiscovery } from './discover-harness.ts';
import { Geth } from './geth.ts';

const PACE = { pingMs: 200 };
const PATIENCE_MS = 30_000;

let go: GoDiscovery;
beforeEach(() => {
  go = new GoDiscovery();
});
afterEach(async () => {
  await go[Symbol.asyncDispose]();
});

function enodeOf(enr: string): string {
  const enode = enodeOfRecord(parseRecord(enr));
  if (enode === undefined) throw new Error('the record names no endpoint');
  return formatEnode(enode);
}

describe('beside a node of go-ethereum', () => {
  it('`ping` is answered, with the endpoint and the number of the record', async () => {
    const enr = await (await go.node(PACE)).enr();
    const { status, stdout } = await runProcess(
      'ping',
      enodeOf(enr),
      '--count',
      '2',
      '--interval',
      '0.2',
      '--json',
    );
    expect(status).toBe(0);
    const pongs = ofKind('pong', eventsOf(stdout));
    expect(pongs).toHaveLength(2);
    for (const { seenAs, enrSeq } of pongs) {
      expect(seenAs).toMatch(/^127\.0\.0\.1:\d+$/);
      expect(BigInt(String(enrSeq))).toBe(parseRecord(enr).seq);
    }
  });

  it('`enr-request` and `resolve` give its record', async () => {
    const enr = await (await go.node(PACE)).enr();
    for (const command of ['enr-request', 'resolve']) {
      const { status, stdout } = await runProcess(command, enodeOf(enr), '--json');
      expect([status, eventsOf(stdout)[0]?.enr]).toEqual([0, enr]);
    }
  });

  it('`lookup` and `resolve` find their way through a network', async () => {
    const boot = await go.node(PACE);
    const bootEnr = await boot.enr();
    const nodes = [boot, ...(await go.nodes(9, { ...PACE, bootnodes: [bootEnr] }))];
    const target = randomBytes(64);
    const wanted = closestIds(
      target,
      nodes.map(({ id }) => id),
    );
    const deadline = AbortSignal.timeout(PATIENCE_MS);
    let found: string[] = [];
    // Nodes of go-ethereum tell of others only when they have checked them.
    while (found.length < wanted.length) {
      deadline.throwIfAborted();
      const { stdout } = await runProcess('lookup', toHex(target), '--bootnode', bootEnr, '--json');
      const summary = eventsOf(stdout).find(({ event }) => event === 'summary');
      const closest = (summary?.closest ?? []) as { nodeId: string }[];
      found = closest.map(({ nodeId }) => nodeId.slice(2)).filter((id) => wanted.includes(id));
    }
    expect(found).toEqual(wanted);
    const last = await nodes.at(-1)?.enr();
    const publicKey = toBareHex(parseRecord(String(last)).publicKey);
    const { status, stdout } = await runProcess(
      'resolve',
      publicKey,
      '--bootnode',
      enodeOf(bootEnr),
      '--json',
    );
    expect([status, eventsOf(stdout)[0]?.enr]).toEqual([0, last]);
  });
});

describe('`listen` is a bootnode', () => {
  it('through which two nodes of go-ethereum find each other, by its URL and by its record', async () => {
    const boot = await bootnodeProcess('--stats', '0.2');
    const a = await go.node({ ...PACE, bootnodes: [boot.enode] });
    const b = await go.node({ ...PACE, bootnodes: [boot.enr] });
    await boot.cli.event(({ live }) => Number(live) >= 2);
    const target = parseRecord(await b.enr()).publicKey;
    const deadline = AbortSignal.timeout(PATIENCE_MS);
    let found: readonly { readonly id: string }[] = [];
    while (!found.some(({ id }) => id === b.id)) {
      deadline.throwIfAborted();
      found = await a.lookup(target);
    }
    expect(await a.requestRecord(boot.enr)).toBe(boot.enr);
  });

  it('of a geth, which takes its URL', async () => {
    const boot = await bootnodeProcess('--stats', '0.2');
    const flags = ['--nodiscover=false', '--bootnodes', boot.enode];
    await using geth = await Geth.start({ version: '1.17.5', chain: SMALL_CHAIN, blocks: 'none', flags });
    await boot.cli.event(({ live }) => Number(live) >= 1);
    const { status, stdout } = await runProcess('lookup', boot.enode, '--json');
    expect(status).toBe(0);
    const met = ofKind('node', eventsOf(stdout)).map(({ enode }) =>
      toBareHex(parseEnode(String(enode)).publicKey),
    );
    expect(met).toContain(geth.id);
  });
});
