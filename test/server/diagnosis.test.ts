import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { diagnose, widestOf } from '../../src/server/diagnosis.ts';
import type { DiagnosisFacts, DialCounts, FindingKind } from '../../src/server/diagnosis-facts.ts';
import { INBOUND_MEMORY_MS, NO_ROUTER_PATIENCE_MS } from '../../src/server/diagnosis-reach.ts';
import type { DialOutcome } from '../../src/server/dial-backoff.ts';

const NO_DIALS = {
  ...{ outcomes: new Map(), codes: new Map(), reasons: new Map() },
  ...{ passedOver: 0, restricted: 0 },
};
const MINUTE = 60_000;
const V4 = { table: 100, sent: 1_000, received: 900, expired: 0 };
const HEALTHY: DiagnosisFacts = {
  uptimeMs: 60 * MINUTE,
  ...{ maxPeers: 50, inbound: 10, dialed: 10, kept: 0, missing: 0, candidates: 5, shunned: 0 },
  turnedAway: 0,
  inboundCodes: new Map(),
  ...NO_DIALS,
  sinceLastPeer: NO_DIALS,
  ...{ listens: true, ports: [30_303], sinceInboundMs: MINUTE, ownAddress: 'global' },
  state: 'running' as const,
  natFailures: {},
  outside: [],
  v4: V4,
  hasSources: true,
  hasOthers: true,
  clockSkew: { seconds: 1, samples: 20 },
};
/** As 20 networks see the node, on all of whose statements its record rests. */
const SEEN = { ip: '8.8.8.8', udpPort: 30_303, voters: 20, ports: 1, known: undefined, recordIp: '8.8.8.8' };
const V5 = { table: 50, sent: 500, received: 400 };
const FEW = { inbound: 1, dialed: 1 };
const NONE = { inbound: 0, dialed: 0, candidates: 0 };

describe('why a server has few peers', () => {
  it('is nothing when all is well', () => {
    const { state, findings, summary } = diagnose(HEALTHY);
    expect([state, findings]).toEqual(['healthy', []]);
    expect(summary).toBe('20 of 50 peers; nothing is wrong as far as can be seen');
  });

  it.each([
    [{ inbound: 0, dialed: 0 }, 'none'],
    [{ inbound: 1, dialed: 2 }, 'few'],
    [{ inbound: 40, dialed: 10 }, 'full'],
    [{ inbound: 40, dialed: 11, kept: 1 }, 'full'],
    [{ inbound: 0, dialed: 1, kept: 1 }, 'few'],
    [{ inbound: 0, dialed: 1, kept: 1, hasOthers: false }, 'healthy'],
    [{ inbound: 1, dialed: 0, hasOthers: false }, 'few'],
  ] as const)('%o: %s', (change, state) => {
    expect(diagnose({ ...HEALTHY, ...change }).state).toBe(state);
  });

  it('is, among other things, that v5 has found nodes of other kinds', () => {
    const { summary } = diagnose({ ...HEALTHY, ...NONE, v5: V5, sinceLastPeer: { ...NO_DIALS, foreign: 7 } });
    expect(summary).toContain(
      '(100 in the table of discovery v4, 50 in the table of discovery v5); 7 that v5 found',
    );
  });

  it.each<[string, Partial<DiagnosisFacts>, FindingKind[], number]>([
    ['a clock that is behind', { clockSkew: { seconds: 40, samples: 9 } }, ['clock'], 40],
    ['a clock that is ahead', { clockSkew: { seconds: -3_600, samples: 9 } }, ['clock'], 3_600],
    [
      'no files left',
      { codes: new Map([['system-limit', 3]]), outcomes: new Map([['own', 3]]) },
      ['system-limit'],
      3,
    ],
    ['a server that was not started', { ...NONE, state: 'new' }, ['not-running'], 1],
    ['a closed server', { ...NONE, state: 'closed', missing: 3 }, ['not-running'], 1],
    ['nobody to ask', { ...NONE, hasSources: false, v4: undefined }, ['no-sources'], 0],
    [
      'no network',
      {
        ...NONE,
        v4: { ...V4, received: 0 },
        outcomes: new Map([['unreachable', 20]]),
        codes: new Map([['dial-failed', 20]]),
      },
      ['offline', 'discovery-blocked'],
      20,
    ],
    ['no way for UDP', { v4: { ...V4, received: 0 } }, ['discovery-blocked'], 1_000],
    [
      'no way for UDP, by v5 alone',
      { v4: undefined, v5: { ...V5, received: 0 } },
      ['discovery-blocked'],
      500,
    ],
    [
      'no way for UDP, by both versions',
      { v4: { ...V4, received: 0 }, v5: { ...V5, received: 0 } },
      ['discovery-blocked'],
      1_500,
    ],
    ['nobody who speaks v5', { ...FEW, v5: { ...V5, received: 0 } }, ['version-unheard'], 500],
    ['nobody who speaks v4', { ...FEW, v4: { ...V4, received: 0 }, v5: V5 }, ['version-unheard'], 1_000],
    ['enough peers, none of whom speaks v5', { v5: { ...V5, received: 0 } }, [], 0],
    ['both versions that are answered', { ...FEW, v5: V5 }, [], 0],
    ['nodes of other kinds, by v5', { ...FEW, v5: V5, foreign: 900 }, [], 0],
    [
      'dials that reach nobody, and v5 that is answered',
      { ...NONE, v4: undefined, v5: V5, outcomes: new Map([['unreachable', 20]]) },
      ['tcp-blocked'],
      20,
    ],
    [
      'the same, and somebody who comes in',
      { ...FEW, dialed: 0, outcomes: new Map([['unreachable', 12]]) },
      ['tcp-blocked'],
      12,
    ],
    [
      'fewer dials, which may have found nobody by chance',
      { ...NONE, outcomes: new Map([['unreachable', 11]]) },
      ['unreachable'],
      11,
    ],
    [
      'dials of which one has reached somebody',
      {
        ...NONE,
        outcomes: new Map([
          ['unreachable', 30],
          ['full', 1],
        ]),
      },
      ['unreachable'],
      30,
    ],
    [
      'another chain, by Status',
      {
        outcomes: new Map([
          ['useless', 12],
          ['unreachable', 5],
        ]),
        codes: new Map([
          ['genesis-mismatch', 4],
          ['fork-id-mismatch', 8],
        ]),
      },
      ['wrong-fork'],
      12,
    ],
    ['another chain, by records', { passedOver: 30 }, ['wrong-fork'], 30],
    [
      'no slots',
      {
        outcomes: new Map([
          ['full', 30],
          ['unreachable', 10],
        ]),
      },
      ['saturated'],
      30,
    ],
    [
      'another protocol',
      { outcomes: new Map([['useless', 30]]), codes: new Map([['no-shared-capability', 30]]) },
      ['incompatible'],
      30,
    ],
    [
      'nodes that are gone',
      {
        outcomes: new Map([
          ['unreachable', 30],
          ['left', 10],
        ]),
      },
      ['unreachable'],
      30,
    ],
    [
      'addresses that we refuse',
      { ...NONE, candidates: 7, codes: new Map([['address-refused', 9]]), outcomes: new Map([['own', 9]]) },
      ['restricted'],
      9,
    ],
    ['found at addresses that we refuse', { ...NONE, restricted: 9 }, ['restricted'], 9],
    [
      'others who send us away',
      {
        ...{
          ...FEW,
          outcomes: new Map([
            ['useless', 5],
            ['full', 4],
          ]),
        },
        reasons: new Map([
          ['useless-peer', 3],
          ['subprotocol-error', 2],
        ]),
      },
      ['turned-down'],
      5,
    ],
    [
      'some who send us away where others stay',
      { outcomes: new Map([['useless', 9]]), reasons: new Map([['useless-peer', 9]]) },
      [],
      0,
    ],
    [
      'a handler that throws, and returns',
      {
        ...{ ...FEW, outcomes: new Map([['own', 5]]) },
        ...{ codes: new Map([['handler-failed', 4]]), inboundCodes: new Map([['handler-returned', 1]]) },
      },
      ['handler-ended'],
      5,
    ],
    [
      'another chain, of those who come in',
      { inbound: 0, dialed: 3, inboundCodes: new Map([['network-mismatch', 8]]) },
      ['wrong-fork'],
      8,
    ],
    [
      'another chain, of some who come in where others stay',
      { inbound: 1, dialed: 3, inboundCodes: new Map([['network-mismatch', 8]]) },
      [],
      0,
    ],
    [
      'who come in and speak something else',
      { inbound: 0, dialed: 3, inboundCodes: new Map([['no-shared-capability', 8]]) },
      ['incompatible'],
      8,
    ],
    ['who comes in from where we refuse it', { inbound: 0, dialed: 5, turnedAway: 3 }, ['turned-away'], 3],
    ['others who come in', { inbound: 1, dialed: 5, turnedAway: 3 }, [], 0],
    ['enough who were dialed', { inbound: 0, dialed: 25, turnedAway: 3 }, [], 0],
    ['enough others than those that we refuse', { inbound: 15, restricted: 900 }, [], 0],
    ['nobody but the banned', { ...NONE, candidates: 2, shunned: 1 }, ['shunned'], 1],
    ['many who are banned', { candidates: 12, shunned: 5 }, ['shunned'], 5],
    ['some who are banned', { candidates: 12, shunned: 4 }, [], 0],
    ['nodes whose time has not come', { ...NONE, candidates: 3 }, ['waiting'], 3],
    ['no node of use', NONE, ['no-candidates'], 0],
    ['nodes of few networks', { dialed: 2, inbound: 0, candidates: 0, crowded: 6 }, ['crowded-network'], 6],
    ['nodes of few networks, and peers enough', { dialed: 25, candidates: 0, crowded: 6 }, [], 0],
    ['nodes of few networks and others', { dialed: 2, inbound: 0, candidates: 3, crowded: 6 }, [], 0],
    ['a router', { ownAddress: 'private' }, ['nat'], 0],
    ['an address that nobody knows', { ownAddress: undefined }, ['nat'], 0],
    ['a router that refuses', { ownAddress: 'private', natFailures: { tcp: 'nat-refused' } }, ['nat'], 0],
    ['a router that refuses UDP', { ownAddress: 'private', natFailures: { udp: 'nat-refused' } }, ['nat'], 0],
    ['a translator of the provider', { natFailures: { tcp: 'nat-carrier-grade' } }, ['nat'], 0],
    [
      'such a translator for UDP',
      { natFailures: { tcp: 'nat-refused', udp: 'nat-carrier-grade' } },
      ['nat'],
      0,
    ],
    [
      'a router that refuses, though others see the address',
      { sinceInboundMs: undefined, uptimeMs: MINUTE, natFailures: { tcp: 'nat-refused' } },
      ['nat'],
      0,
    ],
    [
      'a router that refuses, after a time in which somebody should have come in',
      { sinceInboundMs: undefined, natFailures: { tcp: 'nat-lie' } },
      ['nat'],
      0,
    ],
    ['a router that refuses, where the port is forwarded', { natFailures: { tcp: 'nat-refused' } }, [], 0],
    [
      'a router that refuses UDP alone',
      { sinceInboundMs: undefined, uptimeMs: MINUTE, natFailures: { udp: 'nat-lie' } },
      [],
      0,
    ],
    [
      'no router, at first',
      {
        sinceInboundMs: undefined,
        uptimeMs: NO_ROUTER_PATIENCE_MS - 1,
        natFailures: { tcp: 'nat-no-router' },
      },
      [],
      0,
    ],
    [
      'no router',
      { sinceInboundMs: undefined, uptimeMs: NO_ROUTER_PATIENCE_MS, natFailures: { tcp: 'nat-no-router' } },
      ['nat'],
      0,
    ],
    ['an address that others see', { outside: [SEEN] }, [], 0],
    [
      'an address that was told, and is not that of today',
      { outside: [{ ...SEEN, known: 'endpoint', recordIp: '9.9.9.9' }] },
      ['other-address'],
      20,
    ],
    [
      'an address of a router that is behind another one',
      { outside: [{ ...SEEN, known: 'address', recordIp: '9.9.9.9' }] },
      ['other-address'],
      20,
    ],
    [
      'a translator that gives each peer another port',
      { outside: [{ ...SEEN, udpPort: undefined, ports: 19 }] },
      ['symmetric-nat'],
      19,
    ],
    [
      'such a translator for an address that STUN has told',
      { outside: [{ ...SEEN, udpPort: undefined, ports: 19, known: 'address' }] },
      ['symmetric-nat'],
      19,
    ],
    [
      'such a translator past which the port is mapped',
      { outside: [{ ...SEEN, udpPort: undefined, ports: 19, known: 'endpoint' }] },
      [],
      0,
    ],
    ['a closed port', { sinceInboundMs: undefined }, ['closed-port'], 0],
    ['a port that was open once', { sinceInboundMs: INBOUND_MEMORY_MS }, ['closed-port'], 0],
    ['a port that was open of late', { sinceInboundMs: INBOUND_MEMORY_MS - 1 }, [], 0],
    [
      'a router that has forgotten the port',
      { sinceInboundMs: INBOUND_MEMORY_MS, natFailures: { tcp: 'nat-no-router' } },
      ['nat'],
      0,
    ],
    ['static nodes that are gone', { missing: 2 }, ['static-missing'], 2],
    ['too few dials to say', { outcomes: new Map([['unreachable', 4]]) }, [], 0],
    [
      'a server that has just begun',
      { ...NONE, uptimeMs: 1_000, sinceInboundMs: undefined, v4: { ...V4, received: 0 } },
      [],
      0,
    ],
    [
      'a server that does not listen',
      { listens: false, ownAddress: undefined, sinceInboundMs: undefined },
      [],
      0,
    ],
  ])('%s', (_, change, kinds, count) => {
    const { findings, summary } = diagnose({ ...HEALTHY, ...change });
    expect(findings.map(({ kind }) => kind)).toEqual(kinds);
    expect(findings[0]?.count ?? 0).toBe(count);
    for (const { message, advice } of findings) {
      expect(message).toMatch(/^\S.{10,}[^.]$/);
      expect(advice).toMatch(/^[A-Z].{10,}[^.]$/);
    }
    if (findings[0] !== undefined) expect(summary).toContain(findings[0].message);
  });

  const alone = (sinceLastPeer: Partial<DialCounts>, change: Partial<DiagnosisFacts> = {}) =>
    diagnose({ ...HEALTHY, ...NONE, sinceLastPeer: { ...NO_DIALS, ...sinceLastPeer }, ...change });

  it.each<[string, Partial<DialCounts>, Partial<DiagnosisFacts>, FindingKind, number]>([
    [
      'a single node that speaks another protocol, dialed an hour ago',
      { outcomes: new Map([['useless', 1]]), codes: new Map([['no-shared-capability', 1]]) },
      {},
      'incompatible',
      1,
    ],
    [
      'another chain',
      { outcomes: new Map([['useless', 2]]), codes: new Map([['fork-id-mismatch', 2]]) },
      {},
      'wrong-fork',
      2,
    ],
    ['a single node that is refused', { restricted: 1 }, {}, 'restricted', 1],
    ['another chain, by a single record', { passedOver: 1 }, {}, 'wrong-fork', 1],
    ['a node without a slot', { outcomes: new Map([['full', 1]]) }, { candidates: 1 }, 'saturated', 1],
    [
      'many dials of late before old ones',
      { outcomes: new Map([['full', 40]]) },
      { outcomes: new Map([['unreachable', 6]]), v4: undefined, codes: new Map([['dial-failed', 6]]) },
      'offline',
      6,
    ],
    ['nodes that have left', { outcomes: new Map([['left', 3]]) }, {}, 'waiting', 3],
    ['nodes that may be gone', { outcomes: new Map([['unreachable', 4]]) }, {}, 'waiting', 4],
  ])('without a peer: %s', (_, sinceLastPeer, change, kind, count) => {
    const { state, findings, summary } = alone(sinceLastPeer, change);
    expect([state, findings[0]?.kind, findings[0]?.count]).toEqual(['none', kind, count]);
    expect(summary).toContain(findings[0]?.message);
  });

  it('is asked of longer ago only without a peer', () => {
    const { findings } = alone({ outcomes: new Map([['full', 40]]) }, { dialed: 1 });
    expect(findings).toEqual([]);
  });

  it('without a peer is never nothing', () => {
    const outcomes = fc
      .dictionary(fc.constantFrom<DialOutcome>('stayed', 'own', 'unreachable', 'left', 'useless'), fc.nat(20))
      .map((counts) => new Map(Object.entries(counts).filter(([, count]) => count > 0)));
    const outcomeMaps = outcomes as fc.Arbitrary<Map<DialOutcome, number>>;
    fc.assert(
      fc.property(
        outcomeMaps,
        outcomeMaps,
        fc.nat(3),
        fc.nat(300_000),
        (recent, before, candidates, uptimeMs) => {
          const change = { outcomes: recent, candidates, uptimeMs };
          const { findings, summary } = alone({ outcomes: before }, change);
          expect(summary).not.toContain('nothing is wrong');
          if (uptimeMs >= MINUTE) expect(findings).not.toEqual([]);
          else if (findings.length === 0) expect(summary).toContain('it is too early to say why');
        },
      ),
    );
  });

  it('is never nothing while there are few', () => {
    const few = diagnose({ ...HEALTHY, inbound: 1, dialed: 1 });
    expect([few.state, few.summary]).toEqual(['few', '2 of 50 peers; why there are so few cannot be seen']);
  });

  it('names the cause of others first', () => {
    const all = diagnose({
      ...HEALTHY,
      ...NONE,
      clockSkew: { seconds: 99, samples: 9 },
      missing: 1,
      ownAddress: 'private',
    });
    expect(all.findings.map(({ kind }) => kind)).toEqual(['clock', 'no-candidates', 'nat', 'static-missing']);
  });

  it('does not advise what has been tried and has failed', () => {
    const adviceOf = (change: Partial<DiagnosisFacts>) =>
      diagnose({ ...HEALTHY, ownAddress: 'private', ...change }).findings.map(({ advice }) => advice);
    expect(adviceOf({})[0]).toContain("nat ('any')");
    for (const natFailure of ['nat-no-router', 'nat-refused', 'nat-lie'] as const) {
      expect(adviceOf({ natFailures: { tcp: natFailure } })[0]).not.toContain('option nat');
    }
  });

  it('takes the address that is reached from farthest away', () => {
    expect(widestOf(['10.0.0.1', '2600::1'])).toBe('global');
    expect(widestOf(['10.0.0.1', undefined])).toBe('private');
    expect(widestOf([undefined, undefined])).toBeUndefined();
  });
});
