/** What the programs that run counterparts of discovery v5 offer, and where the counterparts differ. */
import { beforeEach, describe, expect, it } from 'vitest';
import { endpointsOfRecord, enodeOfRecord, parseRecord } from '../../src/enr/index.ts';
import { disposingAfterEach } from '../support/opened.ts';
import { COUNTERPARTS, goPeers, type PeerNode, type PeerProgram } from './discv5-harness.ts';

type Kind = keyof typeof COUNTERPARTS;
const KINDS = Object.keys(COUNTERPARTS) as Kind[];
const PATIENCE_MS = 30_000;
const PACE = { pingMs: 200 };

const idsOf = (nodes: readonly { readonly id: string }[]) => nodes.map(({ id }) => id);
const udpPortOf = (record: string) => enodeOfRecord(parseRecord(record))?.udpPort;

const opened = disposingAfterEach();

describe.each(KINDS)('%s', (kind) => {
  let program: PeerProgram;
  let go: PeerProgram;
  beforeEach(() => {
    [program, go] = [opened(COUNTERPARTS[kind]()), opened(goPeers())];
  });

  it('tells what is in its table, and finds nodes at random', async () => {
    const [node, ...others] = [await program.node(PACE), ...(await program.nodes(5, PACE))];
    const record = await node.enr();
    for (const other of others) await other.ping(record);
    const wanted = idsOf(others).sort();
    await expect.poll(async () => idsOf(await node.table()).sort(), { timeout: PATIENCE_MS }).toEqual(wanted);
    const random = await node.random(3);
    expect(new Set(idsOf(random)).size).toBe(3);
    for (const id of idsOf(random)) expect([node.id, ...wanted]).toContain(id);
  });

  it('reports a TalkReq that it echoes', async () => {
    const [asking, asked] = [await go.node(PACE), await program.node({ ...PACE, talk: ['chat'] })];
    await asking.talk(await asked.enr(), 'chat', Uint8Array.of(1));
    const endpoint = kind === 'sigp' ? null : `127.0.0.1:${udpPortOf(await asking.enr())}`;
    const event = { node: asked.index, protocol: 'chat', from: asking.id, endpoint };
    expect(await program.nextTalk()).toMatchObject(event);
    expect(await asking.talk(await asked.enr(), 'echo', Uint8Array.of(1))).toHaveLength(0);
  });

  it('is the node of its key, at its port, with the entries that it is given', async () => {
    const first = await program.node({ key: '0b'.repeat(32), entries: { greeting: '8401020304' } });
    const record = await first.enr();
    const port = udpPortOf(record);
    await first.close();
    const second = await program.node({ key: '0b'.repeat(32), ...(port === undefined ? {} : { port }) });
    expect(second.id).toBe(first.id);
    expect(udpPortOf(await second.enr())).toBe(port);
    expect(parseRecord(record).raw('greeting')).toEqual(Uint8Array.of(0x84, 1, 2, 3, 4));
    const changed = await second.update({ list: 'c3820102', greeting: '01' });
    expect([...parseRecord(changed).keys()]).toEqual(expect.arrayContaining(['greeting', 'list']));
    expect(parseRecord(await second.update({ greeting: null })).keys()).not.toContain('greeting');
  });

  it('is served by all others while its record names no endpoint', async () => {
    const hidden = await program.node({ ...PACE, hidden: true });
    expect(enodeOfRecord(parseRecord(await hidden.enr()))).toBeUndefined();
    for (const other of KINDS) {
      const asked = await opened(COUNTERPARTS[other]()).node(PACE);
      expect((await hidden.ping(await asked.enr())).to).toMatch(/^127\.0\.0\.1:/);
      expect(await hidden.talk(await asked.enr(), 'echo', Uint8Array.of(1))).toHaveLength(1);
    }
  });

  it("serves a node at another port than that of its record, unless it is ChainSafe's", async () => {
    const [asking, asked] = [await go.node(PACE), await program.node(PACE)];
    const port = await asking.move({ silent: true });
    expect(udpPortOf(await asking.enr())).not.toBe(port);
    const answer = asking.ping(await asked.enr());
    if (kind === 'ChainSafe') await expect(answer).rejects.toThrow('timeout');
    else expect((await answer).to).toBe(`127.0.0.1:${port}`);
  });

  it('counts its CPU time', async () => {
    expect(await program.cpuSeconds()).toBeGreaterThan(0);
  });
});

it.each(['ChainSafe', 'sigp'] as const)('%s has two sockets, one for each family', async (kind) => {
  const program = opened(COUNTERPARTS[kind]());
  const asked = await program.node({ ...PACE, ip6: true });
  const record = await asked.enr();
  const hosts = endpointsOfRecord(parseRecord(record)).map(({ host }) => host);
  expect(hosts).toEqual(['127.0.0.1', '::1']);
  for (const ip of hosts) {
    const other = await program.node({ ...PACE, ip });
    expect((await asked.ping(await other.enr())).to).toContain(ip);
  }
});

describe('go-ethereum', () => {
  it('has both versions of discovery on one socket', async () => {
    const go = opened(goPeers());
    const [asking, asked] = [await go.node({ ...PACE, v4: true }), await go.node({ ...PACE, v4: true })];
    const record = await asked.enr();
    const seq = Number(parseRecord(record).seq);
    expect(await asking.pingV4(record)).toBe(seq);
    expect((await asking.ping(record)).seq).toBe(seq);
    expect(await asking.pingV4(record)).toBe(seq);
    const without = await go.node(PACE);
    await expect(asking.pingV4(await without.enr())).rejects.toThrow('timeout');
    await asked.close();
    await expect(asking.ping(record)).rejects.toThrow('timeout');
  });

  it('keeps its sessions when it moves', async () => {
    const go = opened(goPeers());
    const [asking, asked] = [await go.node({ pingMs: 60_000 }), await go.node({ pingMs: 60_000 })];
    const record = await asked.enr();
    await asking.ping(record);
    const before = await asking.traffic();
    await asking.ping(record);
    // A Ping and its Pong: no handshake.
    expect((await asking.traffic()).sent.packets - before.sent.packets).toBe(1);
    const port = await asking.move();
    // To the other side the endpoint is new: it asks who that is, and is told.
    expect((await asking.ping(record)).to).toBe(`127.0.0.1:${port}`);
    expect((await asking.traffic()).sent.packets - before.sent.packets).toBe(3);
  });

  it('hears only of nodes in the networks that it is told', async () => {
    const go = opened(goPeers());
    const options = { ...PACE, ip: '127.0.0.2' };
    const bootnode = await go.node({ ...options, anyNode: true });
    const record = await bootnode.enr();
    const [inside, outside] = [await go.node(options), await go.node(PACE)];
    for (const node of [inside, outside]) await node.ping(record);
    const restricted = await go.node({ ...options, netRestrict: '127.0.0.2/32', bootnodes: [record] });
    const free = await go.node({ ...options, bootnodes: [record] });
    const hasFound = async (node: PeerNode, { id }: PeerNode) => idsOf(await node.lookup(id)).includes(id);
    for (const [node, other] of [
      [free, inside],
      [free, outside],
      [restricted, inside],
    ] as const) {
      await expect.poll(() => hasFound(node, other), { timeout: PATIENCE_MS }).toBe(true);
    }
    expect(await hasFound(restricted, outside)).toBe(false);
  });
});
