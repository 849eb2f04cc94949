/** What becomes of honest peers of a node that follows a chain, and asks all of them for the next block again and again. */
import { describe, expect, it } from 'vitest';
import { type EthPeer, type EthVersion, ethProtocols } from '../../src/eth/index.ts';
import { USELESS_EVERY_MS } from '../../src/eth/requester.ts';
import {
  BLANK_HISTORY,
  defaultPolicy,
  PENALTY_SCORE,
  type ReputationHistory,
  withEvent,
} from '../../src/server/reputation.ts';
import { ManualEnv } from '../support/manual-env.ts';
import { endOf, isKind, startedServer } from '../support/servers.ts';
import { chain, meet, network, settle } from './sessions.ts';

const HEAD = chain.head();
const NEXT_HASH = new Uint8Array(32).fill(7);
const PEERS = 3;
const POLL_MS = 3_000;
const HALF_AN_HOUR_MS = 30 * 60_000;

type Question = (peer: EthPeer) => Promise<unknown>;

/** Half an hour beside honest peers, all of which are asked for what nobody has yet, at the pace of a follower. */
async function follow(version: EthVersion, next: Question) {
  const env = new ManualEnv();
  const served = { network, chain, versions: [version] };
  const honest = await Promise.all(
    Array.from({ length: PEERS }, () => startedServer({ protocols: ethProtocols(served) })),
  );
  const peers = new Set<EthPeer>();
  let all: () => void = () => undefined;
  const met = new Promise<void>((resolve) => {
    all = resolve;
  });
  const onPeer = (peer: EthPeer) => {
    peers.add(peer);
    void endOf(peer).then(() => peers.delete(peer));
    if (peers.size === PEERS) all();
  };
  const server = await startedServer({ env, protocols: ethProtocols({ ...served, env, onPeer }) });
  await Promise.all(honest.map(({ enode }) => server.dial(enode)));
  await met;
  for (let ms = 0; ms < HALF_AN_HOUR_MS; ms += POLL_MS) {
    env.advance(POLL_MS);
    await Promise.all([...peers].map(next));
  }
  const scores = honest.map(({ enode }) => server.reputation(enode).score);
  return { server, scores };
}

type Case = readonly [name: string, version: EthVersion, next: Question];

describe('a follower of the chain that asks for the next block', () => {
  it.each<Case>([
    ['by its number on eth/69', 69, (peer) => peer.getBlockHeaders({ start: HEAD.number + 1, limit: 1 })],
    ['by its number on eth/68', 68, (peer) => peer.getBlockHeaders({ start: HEAD.number + 1, limit: 1 })],
    ['by a hash that others have told', 69, (peer) => peer.getBlockHeaders({ start: NEXT_HASH, limit: 1 })],
    ['whose body comes later', 69, (peer) => peer.getBlockBodies([NEXT_HASH])],
  ])('%s keeps its honest peers', async (_name, version, next) => {
    const { server, scores } = await follow(version, next);
    expect(server.peers).toHaveLength(PEERS);
    expect(server.seen.filter(isKind('reputation'))).toEqual([]);
    for (const score of scores) expect(score).toBeGreaterThan(PENALTY_SCORE / 2);
  });
});

describe('an answer with nothing', () => {
  const empty = async (ask: (peer: EthPeer) => Promise<unknown>, version: EthVersion = 69) => {
    const { script, peer, handler } = await meet(version);
    const asked = ask(peer);
    const { id } = await script.expect('GetBlockHeaders');
    await script.send('BlockHeaders', { id, items: [] });
    await asked;
    return handler.channel.reported;
  };

  it('beyond what the peer has announced counts nothing, and up to there it does', async () => {
    expect(await empty((peer) => peer.getBlockHeaders({ start: HEAD.number + 1, limit: 1 }))).toEqual([]);
    expect(await empty((peer) => peer.getBlockHeaders({ start: HEAD.number, limit: 1 }))).toEqual([
      'useless-answer',
    ]);
  });

  it('goes by what it announces later, but not by what it announces after the question', async () => {
    const { script, peer, handler, env } = await meet(69);
    const latest = HEAD.number + 1;
    const asked = peer.getBlockHeaders({ start: latest, limit: 1 });
    const { id } = await script.expect('GetBlockHeaders');
    await script.send('BlockRangeUpdate', { earliest: 0, latest, latestHash: NEXT_HASH });
    await script.send('BlockHeaders', { id, items: [] });
    await asked;
    expect(handler.channel.reported).toEqual([]);
    for (const start of [latest, BigInt(latest), NEXT_HASH]) {
      const again = peer.getBlockHeaders({ start, limit: 1 });
      const { id } = await script.expect('GetBlockHeaders');
      await script.send('BlockHeaders', { id, items: [] });
      await again;
      await settle();
      expect(handler.channel.reported.splice(0)).toEqual(['useless-answer']);
      env.advance(USELESS_EVERY_MS.announced);
    }
  });

  /** A score after a day of such answers, as often as they count. */
  const afterDayOf = (everyMs: number): ReputationHistory => {
    let history = BLANK_HISTORY;
    for (let at = 0; at < 24 * 3_600_000; at += everyMs)
      history = withEvent(history, { kind: 'useless-answer', at });
    return history;
  };

  it('that may be honest never comes up to half of a penalty; of what was announced it ends the connection', () => {
    expect(afterDayOf(USELESS_EVERY_MS.unknown).score).toBeGreaterThan(PENALTY_SCORE / 2);
    expect(defaultPolicy(afterDayOf(USELESS_EVERY_MS.announced)).kind).toBe('disconnect');
  });
});
