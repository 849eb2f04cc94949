/** How much others can have a node do, and how much they can have it remember. */
import { describe, expect, it } from 'vitest';
import { DEFAULT_DISCV5_LIMITS, MAX_CHALLENGED, MAX_SESSIONS } from '../../src/discv5/index.ts';
import { MAX_SESSIONS_OF_NETWORK, Sessions } from '../../src/discv5/sessions.ts';
import { Network } from '../support/packet-network.ts';
import { CheapNode, type CheapNodeOptions, NO_LIMITS, type Stranger } from './cheap-node.ts';

const { ip, subnet, strangers } = DEFAULT_DISCV5_LIMITS;

function setUp(options: CheapNodeOptions = {}) {
  const { env } = new Network();
  const node = new CheapNode(env, options);
  /** Somebody of a fresh id there. */
  const stranger = (address: string, port = 30303): Stranger => ({
    id: env.randomBytes(32),
    endpoint: { ip: address, port },
  });
  return { env, node, stranger };
}

/** An address in a network of its own. */
const apart = (i: number): string => `${20 + (i >> 8)}.1.${i & 255}.1`;

/** From where many may come, and how many of them are heard. */
const CROWDS = [
  { whose: 'of one address', rate: ip, address: () => '6.6.6.6' },
  { whose: 'of one /48', rate: ip, address: (i: number) => `2606:4700:1:${i.toString(16)}::1` },
  { whose: 'of one /24', rate: subnet, address: (i: number) => `6.6.6.${1 + (i % 200)}` },
  { whose: 'from everywhere', rate: strangers, address: apart },
];

describe('strangers', () => {
  it.each(CROWDS)(
    '$whose get so many WHOAREYOUs at once, so many a second, and no more',
    ({ rate, address }) => {
      const { env, node, stranger } = setUp();
      const knock = () => {
        for (let i = 0; i < rate.burst + 200; i++) node.knock(stranger(address(i), 1_024 + i));
        return node.engine.stats().challenges;
      };
      expect(knock()).toBe(rate.burst);
      env.advance(100);
      const share = (0.1 * rate.perSecond) / rate.burst;
      // What all may have together comes back the slower the less of it is taken.
      const more = rate === strangers ? Math.ceil(rate.burst * (1 - Math.exp(-share))) : rate.burst * share;
      expect(knock()).toBe(rate.burst + more);
      // Others are heard all the same, unless there was room for nobody.
      node.knock(stranger('9.9.9.9'));
      expect(node.engine.stats().challenges).toBe(rate.burst + more + (rate === strangers ? 0 : 1));
    },
  );

  it.each(CROWDS)('$whose have so many handshakes checked at once, and no more', ({ rate, address }) => {
    const { node, stranger } = setUp({ believes: false });
    const crowd = Array.from({ length: 20 }, (_, i) => stranger(address(i), 1_024 + i));
    for (const one of crowd) node.knock(one);
    expect(node.engine.stats().challenges).toBe(crowd.length);
    for (let round = 0; round * crowd.length < rate.burst + 200; round++) {
      for (const one of crowd) node.shake(one);
    }
    // Of what is for all, they leave a part for the next one.
    const part = rate === strangers ? crowd.length / (crowd.length + 1) : 1;
    expect(node.checked).toBe(Math.ceil(rate.burst * part));
    expect(node.engine.stats().dropped.shed).toBeGreaterThan(100);
  });

  it('are challenged up to so many at a time, and others when these are gone', () => {
    const { env, node, stranger } = setUp({ limits: NO_LIMITS });
    const first = stranger('6.6.6.6');
    node.knock(first);
    for (let i = 0; i < MAX_CHALLENGED + 200; i++) node.knock(stranger(apart(i)));
    expect(node.engine.sizes().challenged).toBe(MAX_CHALLENGED);
    expect(node.engine.stats()).toMatchObject({ challenges: MAX_CHALLENGED, dropped: { shed: 201 } });
    // Whoever is among them may have missed it.
    node.knock(first);
    expect(node.engine.stats().challenges).toBe(MAX_CHALLENGED + 1);
    env.advance(1_000);
    node.knock(stranger('7.7.7.7'));
    expect(node.engine.stats().challenges).toBe(MAX_CHALLENGED + 2);
    expect(node.engine.sizes().challenged).toBe(1);
  });
});

describe('whoever has a session', () => {
  it('is heard so many times at once, so many a second, and takes nothing from others', () => {
    const { env, node, stranger } = setUp({ limits: { known: { perSecond: 100, burst: 20 } } });
    const [loud, other] = [stranger('6.6.6.6'), stranger('7.7.7.7')];
    for (const one of [loud, other]) node.meet(one);
    const say = () => Array.from({ length: 60 }, () => node.answers(loud)).filter((heard) => heard).length;
    const atOnce = say();
    // What came with the handshake may be one of them.
    expect(atOnce).toBeGreaterThanOrEqual(19);
    expect(atOnce).toBeLessThanOrEqual(20);
    expect(node.answers(other)).toBe(true);
    env.advance(100);
    const later = say();
    expect(later).toBeGreaterThanOrEqual(9);
    expect(later).toBeLessThanOrEqual(11);
  });
});

describe('sessions', () => {
  it('are so many in all, and those that were used last', () => {
    const sessions = new Sessions();
    const keys = { write: new Uint8Array(16), read: new Uint8Array(16) };
    const begin = (key: string, i: number) => {
      const shared = { network: apart(i), sharer: apart(i) };
      return sessions.establish(
        { key, endpoint: { ip: apart(i), port: 1 } },
        shared,
        keys,
        undefined,
        'them',
        0,
      );
    };
    begin('friend', 0);
    begin('forgotten', 1);
    for (let i = 0; i < MAX_SESSIONS + 200; i++) {
      begin(`${i}`, i);
      if (i === MAX_SESSIONS / 2) expect(sessions.use({ key: 'friend' })).toBeDefined();
    }
    expect(sessions.size).toBe(MAX_SESSIONS);
    expect(sessions.get({ key: 'friend' })).toBeDefined();
    expect(sessions.get({ key: 'forgotten' })).toBeUndefined();
  });

  it('are given up by whoever has most, however many networks come with many', () => {
    const sessions = new Sessions();
    const keys = { write: new Uint8Array(16), read: new Uint8Array(16) };
    const begin = (key: string, i: number, network?: string) => {
      const shared = network === undefined ? undefined : { network, sharer: network };
      return sessions.establish(
        { key, endpoint: { ip: apart(i), port: 1 } },
        shared,
        keys,
        undefined,
        'them',
        0,
      );
    };
    for (let i = 0; i < 30; i++) begin(`friend ${i}`, i, `friend ${i}`);
    begin('neighbour', 31);
    for (let i = 0; i < 3 * MAX_SESSIONS; i++) begin(`${i}`, 32, `crowd ${i % 16}`);
    expect(sessions.size).toBe(MAX_SESSIONS);
    for (let i = 0; i < 30; i++) expect(sessions.get({ key: `friend ${i}` })).toBeDefined();
    expect(sessions.get({ key: 'neighbour' })).toBeDefined();
  });

  /** An address in a /48 of its own, all of one /32. */
  const inWide = (i: number): string => `2a01:4f8:${i.toString(16)}::1`;

  it('are given up by an IPv6 /32 that has most, however many of its /48 it comes with', () => {
    const { env, node, stranger } = setUp({ limits: NO_LIMITS });
    const friends = Array.from({ length: 30 }, (_, i) => stranger(apart(i)));
    for (const friend of friends) node.meet(friend);
    for (let i = 0; i < MAX_SESSIONS + 200; i++) {
      node.meet(stranger(inWide(i)));
      env.advance(10);
    }
    expect(node.engine.stats().sessions).toBe(MAX_SESSIONS);
    expect(friends.filter((friend) => !node.answers(friend))).toEqual([]);
  });

  it('are given up in a /32 by the /48 that has most', () => {
    const { env, node, stranger } = setUp({ limits: NO_LIMITS });
    const neighbours = Array.from({ length: 200 }, (_, i) => stranger(inWide(i)));
    for (const neighbour of neighbours) node.meet(neighbour);
    // Of ten /48 as many as each may have, and of others, who have the least, the rest.
    for (let i = 0; i < MAX_SESSIONS + 200; i++) {
      node.meet(stranger(inWide(1_000 + (i % 10)), 1_024 + i));
      env.advance(10);
    }
    expect(node.engine.stats().sessions).toBe(MAX_SESSIONS);
    expect(neighbours.filter((neighbour) => !node.answers(neighbour))).toEqual([]);
  });

  it('that others begin in one network are so many, and leave those of others alone', () => {
    const { env, node, stranger } = setUp({ limits: NO_LIMITS });
    const friend = stranger('7.7.7.7');
    node.meet(friend);
    for (let i = 0; i < MAX_SESSIONS_OF_NETWORK + 50; i++) {
      node.meet(stranger(`6.6.6.${1 + (i % 200)}`, 1_024 + i));
      env.advance(10);
    }
    expect(node.engine.stats().sessions).toBe(MAX_SESSIONS_OF_NETWORK + 1);
    expect(node.answers(friend)).toBe(true);
  });
});
