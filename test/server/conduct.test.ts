import { describe, expect, it } from 'vitest';
import { PeerlaneError } from '../../src/base/errors.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { Bans } from '../../src/server/bans.ts';
import { Conduct, MAX_REPUTATIONS } from '../../src/server/conduct.ts';
import { defaultPolicy, PENALTY_MS } from '../../src/server/reputation.ts';

function setUp(others = 10) {
  const env = new VirtualEnv({ seed: 1 });
  const bans = new Bans(env);
  const dropped: string[] = [];
  const conduct = new Conduct({
    ...{
      env,
      bans,
      policy: defaultPolicy,
      isPeer: () => true,
      others: () => others,
      isKept: (key) => key === 'static',
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

describe('a node', () => {
  it('that is penalised is not dialed for a while', () => {
    const { env, conduct } = setUp();
    conduct.ended('a', breach);
    expect(conduct.isPenalised('a')).toBe(true);
    env.advance(PENALTY_MS);
    expect(conduct.isPenalised('a')).toBe(false);
  });

  it('is dropped, then banned, and static ones never', () => {
    const { bans, dropped, conduct } = setUp();
    for (const key of ['a', 'static']) for (let i = 0; i < 3; i++) conduct.record(key, 'breach');
    expect(dropped).toEqual(['a bad-reputation', 'a banned']);
    expect(bans.all.map(({ name }) => name)).toEqual(['a']);
  });

  it('is forgotten when many others have done something since', () => {
    const { conduct } = setUp();
    for (let i = 0; i <= MAX_REPUTATIONS; i++) conduct.record(`${i}`, 'good-answer');
    expect([...conduct.scores()]).toHaveLength(MAX_REPUTATIONS);
    expect(conduct.history('0').score).toBe(0);
  });
});
