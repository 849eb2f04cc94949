import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NodeDatabase } from '../../src/server/index.ts';
import { Cli, eventsOf, run, temporaryDirectory } from './cli.ts';
import { SMALL, SMALL_GENESIS_FILE, SMALL_HEAD, serveSmall } from './served-chain.ts';

/** A database whose files contradict each other. */
async function damagedDatabase(): Promise<string> {
  const nodedb = join(await temporaryDirectory(), 'nodes');
  await (await NodeDatabase.open(nodedb)).close();
  await writeFile(join(nodedb, 'CURRENT'), 'MANIFEST-999999\n');
  return nodedb;
}

const SERVE = ['serve', '--chain', SMALL, '--listen', '127.0.0.1:0'];
const SYNC = ['sync', '--genesis', SMALL_GENESIS_FILE];

describe('a damaged node database', () => {
  it('is set aside by `serve`, which says so behind where it listens', async () => {
    const nodedb = await damagedDatabase();
    const cli = new Cli([...SERVE, '--nodedb', nodedb, '--json']);
    const warning = await cli.event(({ event }) => event === 'node-database-set-aside');
    expect(warning).toMatchObject({ path: nodedb, code: 'store-damaged', message: expect.any(String) });
    // The bans are in it, too.
    await cli.event(({ event }) => event === 'bans-failed');
    expect(cli.events.map(({ event }) => event)).toEqual([
      'listening',
      'node-database-set-aside',
      'bans-failed',
    ]);
  });

  it('is set aside by `serve`, which says so in words, and when it cannot listen', async () => {
    const nodedb = await damagedDatabase();
    const store = join(await temporaryDirectory(), 'store');
    await writeFile(store, 'a file');
    const { status, stdout } = await run(...SERVE, '--nodedb', nodedb, '--store', store);
    expect(status).toBe(1);
    expect(stdout).toMatch(
      /^warning: .* is damaged.*; it is at .*\.damaged-\d+ now, and a new one has begun with what could be read of it$/m,
    );
  });

  it('is set aside by `sync`, which says so first', async () => {
    const [nodedb, { enode }] = await Promise.all([damagedDatabase(), serveSmall()]);
    const store = join(await temporaryDirectory(), 'store');
    const args = [...SYNC, '--peer', enode, '--store', store, '--nodedb', nodedb, '--json'];
    const { status, stdout } = await run(...args);
    expect(status).toBe(0);
    const events = eventsOf(stdout);
    expect(events[0]).toMatchObject({
      event: 'node-database-set-aside',
      path: nodedb,
      code: 'store-damaged',
    });
    expect(events.at(-1)).toMatchObject({ event: 'done', head: SMALL_HEAD });
  });
});

describe('one directory for the chain and the nodes', () => {
  it.each([
    ['serve', SERVE],
    ['sync', SYNC],
  ])('is refused by %s, also behind a link', async (_, args) => {
    const directory = await temporaryDirectory();
    const [store, link] = [join(directory, 'store'), join(directory, 'link')];
    await mkdir(store);
    await symlink(store, link);
    for (const nodedb of [store, `${store}/`, link, join(directory, 'none', '..', 'store')]) {
      const { status, stdout } = await run(...args, '--store', store, '--nodedb', nodedb, '--json');
      expect(status).toBe(1);
      expect(eventsOf(stdout)).toEqual([
        { event: 'error', code: 'invalid-argument', message: expect.stringMatching(/--store and --nodedb/) },
      ]);
    }
    const missing = join(directory, 'none');
    const { stdout } = await run(...args, '--store', missing, '--nodedb', missing, '--json');
    expect(eventsOf(stdout)).toMatchObject([{ code: 'invalid-argument' }]);
  });
});
