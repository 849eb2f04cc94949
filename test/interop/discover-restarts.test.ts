/** Nodes of go-ethereum and of ours that go and come back, and what the node databases of both say of them. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { parseEnode, parseRecord } from '../../src/enr/index.ts';
import type { Discv4ServiceEvent } from '../../src/server/discv4-options.ts';
import { NodeDatabase } from '../../src/server/node-db/index.ts';
import { NodeNotes } from '../../src/server/node-notes.ts';
import { seedsOf } from '../../src/server/node-sources.ts';
import { GoDiscovery, type GoNode, OwnNode } from './discover-harness.ts';

/** Checks that follow each other fast: go-ethereum writes down a node that has passed six. */
const PACE = { pingMs: 50 };
const PATIENCE = { timeout: 40_000, interval: 100 };

let go: GoDiscovery;
let folder: string;
const open: OwnNode[] = [];
beforeEach(async () => {
  go = new GoDiscovery();
  folder = await mkdtemp(join(tmpdir(), 'peerlane-restarts-'));
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((node) => node.close()));
  await go[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const portOf = async (node: OwnNode | GoNode) => parseRecord(await node.enr()).get('udp');

/** A node of ours that keeps its key and what it learns of others, as a server does. */
class Keeper {
  node: OwnNode | undefined;
  database: NodeDatabase | undefined;
  readonly #key = generateSecretKey(systemEnv);

  /** @param bootnodes beside what its database has */
  async start(bootnodes: readonly string[], port = 0): Promise<OwnNode> {
    const database = await NodeDatabase.open(join(folder, 'own'));
    const notes = new NodeNotes(database, systemEnv);
    const onEvent = (event: Discv4ServiceEvent) => notes.discovered(event);
    const seeds = await seedsOf(database, new AbortController().signal);
    const listen = { host: '127.0.0.1', port };
    this.database = database;
    this.node = await OwnNode.start(bootnodes, { key: this.#key, seeds, onEvent, listen });
    open.push(this.node);
    return this.node;
  }

  async stop(): Promise<void> {
    await this.node?.close();
    await this.database?.close();
  }
}

/** Until go-ethereum's node has the other in its table and in its database, at this port. */
async function untilKept(theirs: GoNode, ours: OwnNode): Promise<void> {
  const [enr, port] = [await ours.enr(), await portOf(ours)];
  await vi.waitFor(async () => {
    const entry = (await theirs.table()).find(({ id }) => id === ours.id);
    expect(entry).toMatchObject({ live: true });
    expect(parseEnode(entry?.enode ?? '').udpPort).toBe(port);
    const { stored } = await theirs.stored(enr);
    expect(stored?.id).toBe(ours.id);
    expect(parseEnode(stored?.enode ?? '').udpPort).toBe(port);
  }, PATIENCE);
}

/** Until our node has the other in its table and in its database, at this port, where it answers. */
async function untilKeptByOurs(keeper: Keeper, theirs: GoNode): Promise<void> {
  const [id, port] = [Buffer.from(theirs.id, 'hex'), await portOf(theirs)];
  await vi.waitFor(async () => {
    expect(keeper.node?.table.isLive(id)).toBe(true);
    expect(keeper.node?.table.get(id)?.udpPort).toBe(port);
    expect(await keeper.database?.get(id)).toMatchObject({ failures: 0, endpoint: { udpPort: port } });
  }, PATIENCE);
}

const identity = () => ({ ...PACE, key: toBareHex(randomBytes(32)), db: join(folder, 'theirs') });

describe('go-ethereum, of a node of ours that is started again with its key and its database', () => {
  it.each(['the same', 'another'])(
    'has it in its table and its database again, at %s port',
    async (which) => {
      const theirs = await go.node(identity());
      const keeper = new Keeper();
      const first = await keeper.start([await theirs.enr()]);
      await untilKept(theirs, first);
      const port = await portOf(first);
      await keeper.stop();
      // It does not forget the node because that is away.
      expect((await theirs.stored(await first.enr())).stored).toMatchObject({ id: first.id });
      const restartedAt = Date.now();
      const second = await keeper.start([], which === 'the same' ? port : 0);
      expect(second.id).toBe(first.id);
      await untilKept(theirs, second);
      await vi.waitFor(async () => {
        const { pongAt } = await theirs.stored(await second.enr());
        expect(pongAt).toBeGreaterThanOrEqual(restartedAt - 1_000);
      }, PATIENCE);
      await untilKeptByOurs(keeper, theirs);
      await keeper.stop();
    },
    120_000,
  );
});

describe('our node, of one of go-ethereum that is started again with its key and its database', () => {
  it('has it in its table and its database again, and is found by what the other has kept', async () => {
    const theirs = identity();
    const first = await go.node(theirs);
    const keeper = new Keeper();
    const ours = await keeper.start([await first.enr()]);
    await untilKept(first, ours);
    await untilKeptByOurs(keeper, first);
    await first.close();
    expect(await keeper.database?.get(Buffer.from(first.id, 'hex'))).toBeDefined();
    const second = await go.node(theirs);
    expect(second.id).toBe(first.id);
    // Nobody has told it of us since it is there again.
    expect((await second.stored(await ours.enr())).stored).toMatchObject({ id: ours.id });
    await untilKept(second, ours);
    await untilKeptByOurs(keeper, second);
    expect(await ours.requestRecord(await second.enr())).toBe(await second.enr());
    await keeper.stop();
  }, 120_000);
});
