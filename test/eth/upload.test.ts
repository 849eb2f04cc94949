/** Peers of a node whose upload is limited and taken by others. Its clock stands, so what has to wait never comes. */
import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { type EthPeer, ethProtocols } from '../../src/eth/index.ts';
import { MIN_BANDWIDTH } from '../../src/server/bandwidth.ts';
import { ManualEnv } from '../support/manual-env.ts';
import { manual, startedServer } from '../support/servers.ts';
import { chain, network } from './sessions.ts';

/** What a node knows of its peers, as it meets them. */
function meeting() {
  const met: ((peer: EthPeer) => void)[] = [];
  const next = () => new Promise<EthPeer>((resolve) => met.push(resolve));
  return { next, onPeer: (peer: EthPeer) => met.shift()?.(peer) };
}

it('are let in, are asked, and have small answers', async () => {
  const env = new ManualEnv();
  const [ours, theirs, hog] = [meeting(), meeting(), manual('hog')];
  const limited = await startedServer({
    env,
    bandwidth: { upload: MIN_BANDWIDTH },
    protocols: [...ethProtocols({ network, chain, env, onPeer: ours.onPeer }), hog.protocol],
  });
  const greedy = await startedServer({ protocols: [manual('hog').protocol], listen: undefined });
  await greedy.dial(limited.enode);
  const channel = await hog.next();
  let sent = 0;
  for (let i = 0; i < 40; i++) {
    const sending = channel.send(0, randomBytes(32 * 1024)).then(() => sent++);
    sending.catch(() => undefined);
  }
  const [our, their] = [ours.next(), theirs.next()];
  const newcomer = await startedServer({
    protocols: ethProtocols({ network, chain, onPeer: theirs.onPeer }),
    listen: undefined,
  });
  await newcomer.dial(limited.enode);
  const hashes = Array.from({ length: 100 }, () => chain.hashAt(7));
  expect((await (await our).getBlockBodies(hashes)).length).toBeGreaterThan(0);
  expect((await (await their).getBlockHeaders({ start: 3, limit: 1 })).length).toBe(1);
  expect(sent).toBeLessThan(10);
});
