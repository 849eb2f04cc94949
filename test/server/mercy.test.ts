/** When so many peers behave badly that the fault may be ours, they are kept; nobody can buy that with keys that cost nothing. */
import { describe, expect, it } from 'vitest';
import { PeerlaneError } from '../../src/base/errors.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { formatEnode } from '../../src/enr/index.ts';
import { Bans } from '../../src/server/bans.ts';
import { Conduct } from '../../src/server/conduct.ts';
import { defaultPolicy } from '../../src/server/reputation.ts';
import { Target } from '../support/hostile.ts';

/** A node with these peers. */
function setUp(...keys: string[]) {
  const env = new VirtualEnv({ seed: 1 });
  const bans = new Bans(env);
  const peers = new Set(keys);
  const conduct = new Conduct({
    ...{ env, bans, policy: defaultPolicy, isKept: () => false, isKeptAt: () => false },
    isPeer: (key) => peers.has(key),
    others: (key) => peers.size - (peers.has(key) ? 1 : 0),
    drop: (key) => peers.delete(key),
    ...{ banned: () => undefined, onEvent: () => undefined },
  });
  const banned = () => bans.all.map(({ name }) => name);
  return { peers, conduct, banned };
}

const breach = new PeerlaneError('frame-body-mac', '');

describe('mercy', () => {
  it('is for peers: half of them go, and no more', () => {
    const { peers, conduct, banned } = setUp('a', 'b', 'c', 'd');
    for (const key of ['a', 'b', 'c', 'd']) conduct.record(key, 'hostile');
    expect(banned()).toEqual(['a', 'b']);
    expect([...peers]).toEqual(['c', 'd']);
  });

  it('does not follow from what nodes do that never were peers, and does not hold for them', () => {
    const { conduct, banned } = setUp('a', 'b', 'c', 'd');
    const throwaway = Array.from({ length: 20 }, (_, i) => `key ${i}`);
    for (const key of throwaway) for (let i = 0; i < 3; i++) conduct.ended(key, breach);
    expect(banned()).toEqual(throwaway);
    conduct.record('a', 'hostile');
    expect(banned()).toEqual([...throwaway, 'a']);
  });

  it('is not for them where peers were dropped just before either', () => {
    const { conduct, banned } = setUp('a', 'b', 'c', 'd');
    for (const key of ['a', 'b', 'c']) conduct.record(key, 'hostile');
    expect(banned()).toEqual(['a', 'b']);
    for (let i = 0; i < 3; i++) conduct.ended('stranger', breach);
    expect(banned()).toEqual(['a', 'b', 'stranger']);
  });

  it('holds for all while nobody is connected, as the fault is then likely ours', () => {
    const { conduct, banned } = setUp();
    for (const key of ['a', 'b']) for (let i = 0; i < 3; i++) conduct.ended(key, breach);
    expect(banned()).toEqual([]);
    expect(conduct.isPenalised('a')).toBe(true);
  });
});

it('a server bans who breaks the rules without being a peer, and then its bad peers all the same', async () => {
  await using target = await Target.start();
  const names: string[] = [];
  for (let i = 0; i < 4; i++) {
    let key: Uint8Array | undefined;
    for (let times = 0; times < 3; times++) {
      const attacker = await target.attacker(key);
      await attacker.handshake();
      // A message before Hello.
      await attacker.plain(2, Uint8Array.of(0xc0));
      expect(await target.verdict(attacker)).toBe('hello-expected');
      if (key === undefined) names.push(Buffer.from(attacker.id).toString('hex'));
      key = attacker.key;
    }
  }
  expect(target.server.bans.map(({ name }) => name)).toEqual(names);
  const attacker = await target.opened();
  const enode = formatEnode({ publicKey: attacker.id, host: '127.0.0.1', tcpPort: 1, udpPort: 1 });
  for (const peer of target.server.peers) {
    if (Buffer.from(peer.info.id).equals(attacker.id)) peer.report('hostile');
  }
  expect(target.server.reputation(enode).recent.at(-1)?.kind).toBe('hostile');
  expect(target.server.bans).toHaveLength(names.length + 1);
  expect(await target.serves()).toBe(true);
});

it('peers whose breach ends their own connection count as peers', async () => {
  await using target = await Target.start({
    policy: ({ recent }) =>
      recent.at(-1)?.kind === 'breach'
        ? { kind: 'ban', forMs: 1_000, reason: 'one is enough' }
        : { kind: 'keep' },
  });
  const attackers = [];
  for (let i = 0; i < 3; i++) attackers.push(await target.opened());
  for (const attacker of attackers) {
    await attacker.send(1_000, Uint8Array.of(0xc0));
    await target.verdict(attacker);
  }
  // Of four peers, one of them honest.
  expect(target.server.bans).toHaveLength(2);
  expect(await target.serves()).toBe(true);
});
