import { describe, expect, it } from 'vitest';
import { PeerlaneError } from '../../src/base/errors.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { Bans } from '../../src/server/bans.ts';
import { ADDRESS_REPUTATIONS, Conduct, NODE_REPUTATIONS } from '../../src/server/conduct.ts';
import { defaultPolicy, PENALTY_MS } from '../../src/server/reputation.ts';

function setUp(others: number | { readonly left: number } = 10) {
  const env = new VirtualEnv({ seed: 1 });
  const bans = new Bans(env);
  const dropped: string[] = [];
  const conduct = new Conduct({
    ...{
      env,
      bans,
      policy: defaultPolicy,
      isPeer: (key) => !key.startsWith('gone'),
      others: () => (typeof others === 'number' ? others : others.left),
      isKept: (key) => key === 'static',
      isKeptAt: (name) => name === '7.7.7.7',
    },
    drop: (key, { code }) => dropped.push(`${key} ${code}`),
    ...{ banned: () => undefined, onEvent: () => undefined },
  });
  return { env, bans, dropped, conduct };
}

const breach = new PeerlaneError('handshake-invalid', '');

describe('who is not known by a key', () => {
  it.each([
    ['9.9.9.9', ['9.9.9.9']],
    ['2a01:9:9:9:1:2:3:4', ['2a01:9:9:9::/64']],
    ['192.168.1.1', []],
    ['127.0.0.1', []],
    ['::1', []],
  ])('at %s: banned are %j', (ip, expected) => {
    const { bans, conduct } = setUp();
    for (let i = 0; i < 5; i++) conduct.endedUnknown(ip, breach);
    expect(bans.all.map(({ name }) => name)).toEqual(expected);
    // An address is no node.
    expect([...conduct.scores()]).toEqual([]);
  });
});

describe('what the policy holds against an address', () => {
  it('keeps nobody from being dialed there, and whom the user has named from coming in', () => {
    const { bans, conduct } = setUp();
    for (let i = 0; i < 3; i++) for (const ip of ['7.7.7.7', '9.9.9.9']) conduct.endedUnknown(ip, breach);
    expect(bans.all.map(({ name, by }) => [name, by])).toEqual([
      ['7.7.7.7', 'policy'],
      ['9.9.9.9', 'policy'],
    ]);
    for (const key of ['a', 'static']) expect(conduct.banOf(key, '9.9.9.9')).toBeUndefined();
    expect(['7.7.7.7', '9.9.9.9'].map((ip) => conduct.refusesAddress(ip))).toEqual([false, true]);
  });

  it('is nothing to what the user holds against it', () => {
    const { bans, conduct } = setUp();
    for (const name of ['7.7.7.7', '9.9.9.9']) bans.add({ kind: 'ip', name }, 1e9, 'mine');
    for (let i = 0; i < 5; i++) for (const ip of ['7.7.7.7', '9.9.9.9']) conduct.endedUnknown(ip, breach);
    expect(bans.all.map(({ reason, by }) => [reason, by])).toEqual(Array(2).fill(['mine', 'user']));
    for (const key of ['a', 'static']) expect(conduct.banOf(key, '9.9.9.9')?.reason).toBe('mine');
    expect(conduct.refusesAddress('7.7.7.7')).toBe(true);
  });
});

describe('our own network', () => {
  const cut = new PeerlaneError('ping-timeout', '');

  it('that fails again and again costs no peer anything', () => {
    const others = { left: 0 };
    const { env, conduct } = setUp(others);
    const keys = ['a', 'b', 'c', 'd'];
    for (let round = 0; round < 30; round++) {
      others.left = keys.length;
      for (const key of keys) {
        others.left--;
        conduct.ended(key, cut, true);
      }
      others.left = 1;
      for (const key of keys) expect(conduct.shunnedForMs(key, ['9.9.9.9'])).toBe(0);
      env.advance(120_000);
    }
    for (const key of keys) expect(conduct.history(key)).toMatchObject({ score: 0, recent: [] });
  });

  it('is not to blame for who goes alone, or was never a peer', () => {
    const { conduct } = setUp();
    for (let i = 0; i < 6; i++) conduct.ended('a', cut, true);
    for (let i = 0; i < 30; i++) conduct.ended(`${i}`, cut);
    conduct.ended('b', cut, true);
    expect(conduct.isPenalised('a')).toBe(true);
    expect(conduct.history('b').score).toBe(-4);
    expect(conduct.history('0').score).toBe(-4);
  });

  it('clears those that it made look bad at last, and nobody else', () => {
    const others = { left: 10 };
    const { conduct } = setUp(others);
    for (let i = 0; i < 4; i++) conduct.record('a', 'timeout');
    for (let i = 0; i < 4; i++) conduct.record('b', 'minor');
    conduct.ended('b', cut, true);
    expect(['a', 'b'].map((key) => conduct.isPenalised(key))).toEqual([true, true]);
    others.left = 1;
    conduct.ended('c', cut, true);
    expect(['a', 'b', 'c'].map((key) => conduct.history(key).score)).toEqual([-20, -16, 0]);
    expect(['a', 'b'].map((key) => conduct.isPenalised(key))).toEqual([true, false]);
  });
});

describe('a node', () => {
  it('that is penalised or banned is not dialed for as long, but when nobody else is there', () => {
    const others = { left: 2 };
    const { env, bans, conduct } = setUp(others);
    for (const key of ['a', 'static']) conduct.record(key, 'breach');
    bans.add({ kind: 'node', name: 'b' }, 1000, '');
    env.advance(400);
    const left = () => ['a', 'static', 'b', 'c'].map((key) => conduct.shunnedForMs(key, ['9.9.9.9']));
    expect(left()).toEqual([PENALTY_MS - 400, 0, 600, 0]);
    others.left = 0;
    expect(left()).toEqual([0, 0, 600, 0]);
  });

  it('is not dialed while all addresses that it may be at are banned, until the first of them is not', () => {
    const { bans, conduct } = setUp();
    const left = (...hosts: string[]) => conduct.shunnedForMs('a', hosts);
    bans.add({ kind: 'ip', name: '9.9.9.9' }, 1000, '');
    expect([left('9.9.9.9'), left('9.9.9.9', '8.8.8.8'), left('8.8.8.8', '9.9.9.9')]).toEqual([1000, 0, 0]);
    expect(left('9.9.9.9', 'a.name')).toBe(0);
    bans.add({ kind: 'ip', name: '8.8.8.8' }, 600, '');
    expect([left('9.9.9.9', '8.8.8.8'), left('8.8.8.8', '9.9.9.9')]).toEqual([600, 600]);
    bans.remove({ kind: 'ip', name: '9.9.9.9' });
    expect(left('9.9.9.9', '8.8.8.8')).toBe(0);
  });

  it('that is penalised is not dialed for a while', () => {
    const { env, conduct } = setUp();
    conduct.ended('a', breach);
    expect(conduct.isPenalised('a')).toBe(true);
    env.advance(PENALTY_MS);
    expect(conduct.isPenalised('a')).toBe(false);
  });

  it('that the user has named since it was banned is banned no more, but by the user', () => {
    const { bans, conduct } = setUp();
    const target = { kind: 'node', name: 'static' } as const;
    bans.add(target, 1000, '', 'policy');
    expect(conduct.banOf('static', '9.9.9.9')).toBeUndefined();
    bans.add({ kind: 'ip', name: '9.9.9.9' }, 1000, 'its address');
    expect(conduct.banOf('static', '9.9.9.9')?.reason).toBe('its address');
    bans.add(target, 1000, 'itself');
    expect(conduct.banOf('static', '9.9.9.9')?.reason).toBe('itself');
  });

  it('is dropped, then banned, and static ones never', () => {
    const { bans, dropped, conduct } = setUp();
    for (const key of ['a', 'static']) for (let i = 0; i < 3; i++) conduct.record(key, 'breach');
    expect(dropped).toEqual(['a bad-reputation', 'a banned']);
    expect(bans.all.map(({ name }) => name)).toEqual(['a']);
  });

  it('is forgotten when many others have done something since, unless it is connected', () => {
    const { conduct } = setUp();
    const { all } = NODE_REPUTATIONS;
    for (const key of ['a', 'gone', 'b']) conduct.record(key, 'good-answer');
    for (let i = 0; i < all; i++) conduct.record(`gone ${i}`, 'good-answer');
    expect([...conduct.scores()]).toHaveLength(all);
    expect(['a', 'gone', 'gone 0', 'gone 1', 'gone 2', 'b'].map((key) => conduct.history(key).score)).toEqual(
      [...[1, 0, 0, 0, 1, 1]],
    );
  });
});

describe('one host of very many addresses, and keys', () => {
  const hex = (i: number) => i.toString(16);
  const closed = new PeerlaneError('network-error', '');

  it.each([
    ['a /48', (i: number) => `2a0a:7703:0:${hex(i)}::1`],
    ['a /32', (i: number) => `2a0a:7703:${hex(i % 3000)}:${hex(i)}::1`],
  ])('in %s makes nobody forget what others did, or that they are banned', (_, ip) => {
    const { bans, conduct } = setUp();
    for (let i = 0; i < 3; i++) conduct.record('gone villain', 'breach', '8.8.8.8');
    for (const key of ['gone shady', 'shady']) conduct.record(key, 'breach', '8.8.8.8');
    for (let i = 0; i < 3; i++) conduct.endedUnknown('7.7.6.7', breach);
    for (let i = 0; i < 2; i++) conduct.endedUnknown('6.6.6.6', breach);
    for (let i = 0; i < NODE_REPUTATIONS.all + 10; i++) {
      for (let times = i < 1200 ? 3 : 1; times > 0; times--) {
        conduct.endedUnknown(ip(i), breach);
        conduct.ended(`gone ${i}`, breach, false, ip(i));
      }
    }
    for (let i = 0; i < 5000; i++) conduct.endedUnknown(ip(i), closed);
    expect([bans.get('node', 'gone villain'), bans.ofIp('7.7.6.7')]).not.toContain(undefined);
    expect(['gone shady', 'shady'].map((key) => conduct.history(key).score)).toEqual([-40, -40]);
    expect(['gone shady', 'shady'].map((key) => conduct.isPenalised(key))).toEqual([true, true]);
    conduct.endedUnknown('6.6.6.6', breach);
    expect(bans.ofIp('6.6.6.6')).toBeDefined();
    expect([...conduct.scores()].length).toBeLessThan(NODE_REPUTATIONS.all / 2);
  });

  it('that only come and go is not remembered at all, but where it has done worse', () => {
    const { bans, conduct } = setUp();
    for (let i = 0; i < ADDRESS_REPUTATIONS.network + 5; i++) {
      conduct.endedUnknown('9.9.9.9', breach);
      for (let times = 0; times < 30; times++) conduct.endedUnknown(`9.9.9.${10 + i}`, closed);
      if (i === 0) expect(bans.all).toEqual([]);
      if (i === 1) break;
    }
    for (let times = 0; times < 5; times++) conduct.endedUnknown('9.9.9.9', closed);
    conduct.endedUnknown('9.9.9.11', breach);
    expect(bans.ofIp('9.9.9.11')).toBeUndefined();
    expect(bans.all.map(({ name, reason }) => [name, reason])).toEqual([['9.9.9.9', '5 minor, 2 breach']]);
  });
});

describe('whom the user takes back', () => {
  it('is dialed again at once, as if it had done nothing', () => {
    const { conduct } = setUp();
    for (let i = 0; i < 4; i++) conduct.record('a', 'timeout');
    expect(conduct.shunnedForMs('a', ['9.9.9.9'])).toBeGreaterThan(0);
    conduct.forgive({ kind: 'node', name: 'a' });
    expect([conduct.history('a').score, conduct.shunnedForMs('a', ['9.9.9.9'])]).toEqual([0, 0]);
  });
});
