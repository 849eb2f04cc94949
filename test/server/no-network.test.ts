/** Whole servers whose network is gone for an hour, on a clock that the test moves. */
import { describe, expect, it } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { parseEnode } from '../../src/enr/index.ts';
import { MAX_LONELY_BACKOFF_MS } from '../../src/server/dial-backoff.ts';
import { REDIAL_INTERVAL_MS } from '../../src/server/dial-plan.ts';
import { CutLink } from '../support/cut-link.ts';
import { ManualEnv } from '../support/manual-env.ts';
import { isKind, startedServer, type TestServer } from '../support/servers.ts';

const HOUR_MS = 60 * 60_000;
const STEP_MS = 5_000;
const turn = () => new Promise((resolve) => setImmediate(resolve));

/**
 * Lets time pass. At each step all dials come to their end before it goes on, so that no clock is ahead of the sockets; those who
 * are connected have turns to answer each other.
 * @param others the nodes that have no peer but the server
 */
async function pass(
  server: TestServer,
  others: readonly TestServer[],
  env: ManualEnv,
  ms: number,
  until = () => false,
): Promise<number> {
  const isBusy = () =>
    server.metrics().queues.dials > 0 ||
    others.filter(({ peers }) => peers.length > 0).length !== server.peers.length;
  let passed = 0;
  for (; passed < ms && !until(); passed += STEP_MS) {
    env.advance(STEP_MS);
    for (let turns = server.peers.length === 0 ? 1 : 30; turns > 0; turns--) await turn();
    while (isBusy()) await turn();
  }
  return passed;
}

const idsOf = ({ peers }: TestServer): string[] => peers.map(({ info }) => toBareHex(info.id)).sort();

describe('a server whose network is gone for an hour', () => {
  it('has all its peers again within a minute of its return', async () => {
    const env = new ManualEnv();
    const nodes = await Promise.all(
      Array.from({ length: 6 }, async () => ({
        node: await startedServer({ env }),
        link: await CutLink.make(),
      })),
    );
    const heal = () => {
      for (const { node, link } of nodes) link.leadTo(parseEnode(node.enode));
    };
    heal();
    const others = nodes.map(({ node }) => node);
    const urls = nodes.map(({ node, link }) => link.enodeOf(node.id));
    const [staticNodes, bootnodes] = [urls.slice(0, 2), urls.slice(2)];
    const server = await startedServer({ env, listen: undefined, staticNodes, bootnodes });
    await server.until(() => server.peers.length === nodes.length);
    const all = idsOf(server);
    // They have stayed for long enough to count.
    env.advance(1_000);

    for (const { link } of nodes) link.cut();
    await server.until(() => server.peers.length === 0);
    await pass(server, others, env, HOUR_MS / 2);
    const half = nodes.map(({ link }) => link.dials);
    await pass(server, others, env, HOUR_MS / 2);
    expect(server.peers).toEqual([]);
    for (const [i, { link }] of nodes.entries()) {
      // Nobody is given up, nor dialed without end.
      const dials = link.dials - (half[i] ?? 0);
      expect(dials).toBeGreaterThanOrEqual(HOUR_MS / 2 / (MAX_LONELY_BACKOFF_MS + STEP_MS) - 1);
      expect(dials).toBeLessThanOrEqual(HOUR_MS / 2 / REDIAL_INTERVAL_MS + 1);
    }
    expect(server.diagnose().findings.map(({ kind }) => kind)).toContain('offline');

    heal();
    const isWhole = () => server.peers.length === nodes.length;
    const tookMs = await pass(server, others, env, 2 * MAX_LONELY_BACKOFF_MS, isWhole);
    expect(idsOf(server)).toEqual(all);
    expect(tookMs).toBeLessThanOrEqual(MAX_LONELY_BACKOFF_MS + STEP_MS);
  });

  it('may start without it, and finds nodes as soon as it is there', async () => {
    const env = new ManualEnv();
    const [bootKey, staticKey] = [generateSecretKey(systemEnv), generateSecretKey(systemEnv)];
    const [toBoot, toStatic] = [await CutLink.make(), await CutLink.make()];
    const bootnodes = [toBoot.enodeOf(publicKeyOf(bootKey))];
    const staticNodes = [toStatic.enodeOf(publicKeyOf(staticKey))];
    const server = await startedServer({ env, listen: undefined, discovery: true, staticNodes, bootnodes });
    await pass(server, [], env, HOUR_MS);
    expect([server.peers, server.seen.filter(isKind('peer-connected'))]).toEqual([[], []]);
    expect(server.diagnose().findings.map(({ kind }) => kind)).toContain('offline');

    // The nodes know each other by a way of their own.
    const boot = await startedServer({ env, key: bootKey, discovery: true });
    const kept = await startedServer({ env, key: staticKey });
    const found = await startedServer({ env, discovery: true, bootnodes: [boot.enode] });
    toBoot.leadTo(parseEnode(boot.enode));
    toStatic.leadTo(parseEnode(kept.enode));
    const wanted = [kept, found].map(({ id }) => toBareHex(id));
    const isThere = () => wanted.every((id) => idsOf(server).includes(id));
    for (let ms = 0; ms < 2 * MAX_LONELY_BACKOFF_MS && !isThere(); ms += 50) {
      env.advance(50);
      for (let i = 0; i < 5; i++) await turn();
    }
    expect(idsOf(server)).toEqual(expect.arrayContaining(wanted));
  });
});
