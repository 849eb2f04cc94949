import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_VOTES, VOTE_LIFETIME_MS } from '../../src/server/endpoint-ballot.ts';
import {
  EndpointVotes,
  type IpFamily,
  MIN_GLOBAL_VOTES,
  MIN_LOCAL_VOTES,
  type StatedEndpoint,
} from '../../src/server/endpoint-votes.ts';

const at = (ip: string | undefined, udpPort = 30_303): StatedEndpoint => ({ ip, udpPort });
/** Nodes of networks of their own. */
const global4 = (i: number, host = 1) => at(`9.${i >> 8}.${i & 255}.${host}`);
const global6 = (i: number, host = 1) => at(`2a00:${i.toString(16)}::${host}`);
const local4 = (i: number) => at('127.0.0.1', 1_000 + i);
const lan4 = (i: number) => at(`192.168.1.${1 + i}`);

/** As through a translator that gives each peer another port. */
const scattered = (ip: string) => (i: number) => at(ip, 20_000 + i);

/** A machine in which `count` voters have stated an endpoint, from number `first` on. */
function voted(
  ...rounds: [
    voter: (i: number) => StatedEndpoint,
    stated: StatedEndpoint | ((i: number) => StatedEndpoint),
    count: number,
    first?: number,
  ][]
) {
  const votes = new EndpointVotes();
  for (const [voter, stated, count, first = 0] of rounds) {
    for (let i = first; i < first + count; i++) {
      votes.add(voter(i), typeof stated === 'function' ? stated(i) : stated, 0);
    }
  }
  return votes;
}

/** What is predicted, without what follows from it. */
function predicted(votes: EndpointVotes, family: IpFamily = 4) {
  const prediction = votes.prediction(family);
  return prediction && { ip: prediction.ip, udpPort: prediction.udpPort };
}

const OWN = at('8.8.8.8');
const OTHER = at('8.8.4.4');
const OWN6 = at('2a01::8');
const LAN = at('192.168.1.77');
const LOOPBACK = at('127.0.0.1', 40_000);
const N = MIN_GLOBAL_VOTES;

describe('an endpoint', () => {
  it.each([
    ['that enough networks state is predicted', voted([global4, OWN, N]), OWN, undefined],
    ['that one too few state is not', voted([global4, OWN, N - 1]), undefined, undefined],
    [
      'that many nodes of one network state is not',
      voted([(i) => global4(7, i + 1), OWN, 200]),
      undefined,
      undefined,
    ],
    [
      'that many nodes of one /48 state is not',
      voted([(i) => global6(7, i + 1), OWN6, 200]),
      undefined,
      undefined,
    ],
    [
      'that many /48 of one /32 state is not',
      voted([(i) => at(`2a00:7:${i.toString(16)}::1`), OWN6, 200]),
      undefined,
      undefined,
    ],
    ['of IPv6 is predicted beside that of IPv4', voted([global4, OWN, N], [global6, OWN6, N]), OWN, OWN6],
    [
      'is stated by its own family only',
      voted([global6, OWN, 2 * N], [global4, OWN6, 2 * N]),
      undefined,
      undefined,
    ],
    ['has a port', voted([global4, OWN, N - 1], [global4, at('8.8.8.8', 9), N - 1, N]), undefined, undefined],
    [
      'that only half state is not predicted',
      voted([global4, OTHER, N], [global4, OWN, N, N]),
      OTHER,
      undefined,
    ],
    [
      'that more than half state replaces another',
      voted([global4, OTHER, N], [global4, OWN, N + 1, N]),
      OWN,
      undefined,
    ],
    ['of loopback is stated there', voted([local4, LOOPBACK, MIN_LOCAL_VOTES]), LOOPBACK, undefined],
    [
      'of loopback needs more than one or two',
      voted([local4, LOOPBACK, MIN_LOCAL_VOTES - 1]),
      undefined,
      undefined,
    ],
    ['of a LAN is stated there', voted([lan4, LAN, MIN_LOCAL_VOTES]), LAN, undefined],
    [
      'of a LAN is preferred to loopback',
      voted([local4, LOOPBACK, 9], [lan4, LAN, MIN_LOCAL_VOTES]),
      LAN,
      undefined,
    ],
    [
      'of loopback does not replace one of a LAN',
      voted([lan4, LAN, 3], [local4, LOOPBACK, 9]),
      LAN,
      undefined,
    ],
    [
      'of a LAN is not predicted while a global one is stated',
      voted([global4, OWN, 1], [lan4, LAN, 9]),
      undefined,
      undefined,
    ],
    ['of a LAN gives way to a global one', voted([lan4, LAN, 9], [global4, OWN, N]), OWN, undefined],
    ['of a LAN never replaces a global one', voted([global4, OWN, N], [lan4, LAN, 99]), OWN, undefined],
    ['of a LAN cannot be seen from the Internet', voted([global4, LAN, 2 * N]), undefined, undefined],
    ['that is global cannot be seen from a LAN', voted([lan4, OWN, 2 * N]), undefined, undefined],
    [
      'that no host has is none',
      voted([global4, at('224.0.0.1'), N], [global4, at('0.0.0.0'), N]),
      undefined,
      undefined,
    ],
    [
      'without an address or a port is none',
      voted([global4, at(undefined), N], [global4, at('8.8.8.8', 0), N]),
      undefined,
      undefined,
    ],
    [
      'may be stated in another form',
      voted([global6, at('2A01:0::8'), N - 1], [global6, OWN6, 1, N]),
      undefined,
      OWN6,
    ],
    [
      'whose port each sees elsewhere is an address',
      voted([global4, scattered('8.8.8.8'), N]),
      { ip: '8.8.8.8', udpPort: undefined },
      undefined,
    ],
    [
      'whose port each sees elsewhere needs as many',
      voted([global4, scattered('8.8.8.8'), N - 1]),
      undefined,
      undefined,
    ],
    [
      'whose port each node of one network sees elsewhere is none',
      voted([(i) => global4(7, i + 1), scattered('8.8.8.8'), 200]),
      undefined,
      undefined,
    ],
    [
      'of IPv6 whose port each sees elsewhere says nothing of IPv4',
      voted([global4, OWN, N], [global6, scattered('2a01::8'), N]),
      OWN,
      { ip: '2a01::8', udpPort: undefined },
    ],
    [
      'keeps its port when each sees another one',
      voted([global4, OWN, N], [global4, scattered('8.8.8.8'), 3 * N]),
      OWN,
      undefined,
    ],
    [
      'has no port any more where each sees another one at another address',
      voted([global4, OWN, N], [global4, scattered('8.8.4.4'), 3 * N]),
      { ip: '8.8.4.4', udpPort: undefined },
      undefined,
    ],
    [
      'gets a port when enough see the same',
      voted([global4, scattered('8.8.8.8'), N], [global4, at('8.8.8.8', 9), N + 1, N]),
      at('8.8.8.8', 9),
      undefined,
    ],
    [
      'that has a port for more than a quarter is waited for',
      voted([global4, OWN, 4], [global4, scattered('8.8.8.8'), N, N]),
      undefined,
      undefined,
    ],
    [
      'follows a translator that maps to another port',
      voted([global4, OWN, N], [global4, at('8.8.8.8', 9), N]),
      at('8.8.8.8', 9),
      undefined,
    ],
    ['of IPv4 may be mapped into IPv6', voted([global4, at('::ffff:8.8.8.8'), N]), OWN, undefined],
  ] as const)('%s', (_, votes, ip4, ip6) => {
    expect(predicted(votes, 4)).toEqual(ip4);
    expect(predicted(votes, 6)).toEqual(ip6);
  });

  it('is told of when it changes, and then only', () => {
    const votes = new EndpointVotes();
    const changes = Array.from({ length: 3 * N }, (_, i) => votes.add(global4(i), OWN, i));
    expect(changes.flatMap((isChange, i) => (isChange ? [i] : []))).toEqual([N - 1]);
  });
});

describe('the view from outside', () => {
  it.each([
    ['is what enough see', voted([global4, OWN, N + 2]), { ...OWN, voters: N + 2, ports: 1 }],
    [
      'tells how many ports they see',
      voted([global4, scattered('8.8.8.8'), N], [global4, OTHER, N - 1, N]),
      { ip: '8.8.8.8', udpPort: undefined, voters: N, ports: N },
    ],
    ['is none where too few say anything', voted([global4, OWN, N - 1]), undefined],
    ['is none where half say something else', voted([global4, OWN, N], [global4, OTHER, N, N]), undefined],
    ['is not that of a LAN', voted([lan4, LAN, 2 * N]), undefined],
  ] as const)('%s', (_, votes, view) => {
    expect(votes.fromOutside(4, 0)).toEqual(view);
    expect(votes.fromOutside(6, 0)).toBeUndefined();
    expect(votes.fromOutside(4, VOTE_LIFETIME_MS)).toBeUndefined();
  });

  it('is that of now, while the prediction stays', () => {
    const votes = voted([global4, OWN, N]);
    for (let i = 0; i < 3 * N; i++) votes.add(global4(i), at('8.8.8.8', 20_000 + i), 1);
    expect(votes.fromOutside(4, 1)).toMatchObject({ udpPort: undefined, ports: 3 * N });
    expect(predicted(votes)).toEqual(OWN);
  });
});

describe('a vote', () => {
  it('is replaced by the next one of its network', () => {
    const votes = voted([global4, OTHER, N], [global4, OWN, N]);
    expect(predicted(votes, 4)).toEqual(OWN);
    expect(votes.size).toBe(N);
  });

  it('ends after a while; the prediction stays until there is another', () => {
    const votes = voted([global4, OWN, 2 * N]);
    for (let i = 0; i < N - 1; i++) votes.add(global4(i), OTHER, VOTE_LIFETIME_MS);
    expect(votes.size).toBe(N - 1);
    expect(predicted(votes, 4)).toEqual(OWN);
    expect(votes.add(global4(N), OTHER, VOTE_LIFETIME_MS)).toBe(true);
    expect(predicted(votes, 4)).toEqual(OTHER);
  });

  it('for a global endpoint holds one for a LAN back as long as it counts', () => {
    const votes = voted([global4, OWN, 1]);
    for (let i = 0; i < 9; i++) expect(votes.add(lan4(i), LAN, VOTE_LIFETIME_MS - 1)).toBe(false);
    expect(votes.add(lan4(0), LAN, VOTE_LIFETIME_MS)).toBe(true);
  });

  it('for a LAN takes no prediction back that reaches further, though nobody states that any more', () => {
    const votes = voted([global4, OWN, N]);
    for (let i = 0; i < 9; i++) expect(votes.add(lan4(i), LAN, VOTE_LIFETIME_MS)).toBe(false);
    expect(predicted(votes, 4)).toEqual(OWN);
  });

  it('of this machine is none on how a LAN reaches us', () => {
    const votes = voted([local4, LAN, 3 * MIN_LOCAL_VOTES]);
    expect([votes.size, predicted(votes, 4)]).toEqual([0, undefined]);
  });

  it('is one of so many that are held', () => {
    const votes = voted([local4, LOOPBACK, 3 * MAX_VOTES], [global4, OWN, 3 * MAX_VOTES]);
    for (let i = 0; i < 3 * MAX_VOTES; i++) votes.add(lan4(0), at('192.168.1.9', 1 + i), 0);
    for (let i = 0; i < 3 * MAX_VOTES; i++) votes.add(global6(i), { ip: OWN6.ip, udpPort: 1 + i }, 0);
    expect(votes.size).toBe(3 * MAX_VOTES + 1);
    expect(predicted(votes, 4)).toEqual(OWN);
  });
});

describe('liars', () => {
  const lie = fc.oneof(
    fc.constantFrom(
      OTHER,
      at('1.2.3.4'),
      at('8.8.8.8', 1),
      LAN,
      LOOPBACK,
      OWN6,
      at(undefined),
      at('8.8.8.8', 0),
    ),
    fc.record({ ip: fc.ipV4(), udpPort: fc.integer({ min: -1, max: 70_000 }) }),
  );
  /** As many addresses as they like, of networks of which there are fewer than of the others. */
  const statements = fc.array(
    fc.record({ network: fc.nat(), host: fc.integer({ min: 1, max: 254 }), stated: lie, ms: fc.nat(1_000) }),
    { maxLength: 200 },
  );

  it('in a minority of the networks change nothing, whatever they state and how often', () => {
    const honest = fc.integer({ min: N, max: 100 });
    fc.assert(
      fc.property(honest, fc.nat(), statements, (honestNetworks, liars, lies) => {
        const votes = voted([global4, OWN, honestNetworks]);
        const lyingNetworks = 1 + (liars % (honestNetworks - 1));
        let now = 0;
        for (const { network, host, stated, ms } of lies) {
          now = Math.min(VOTE_LIFETIME_MS - 1, now + ms);
          expect(votes.add(global4(1_000 + (network % lyingNetworks), host), stated, now)).toBe(false);
        }
        expect(predicted(votes, 4)).toEqual(OWN);
      }),
    );
  });

  it('never have a say for more networks than they have, as a count from scratch tells', () => {
    const ips = fc.constantFrom('8.8.8.8', '8.8.4.4', '1.2.3.4');
    const statement = fc.record({
      network: fc.nat(40),
      host: fc.nat(3),
      ip: ips,
      port: fc.integer({ min: 1, max: 4 }),
    });
    const steps = fc.record({ statement, ms: fc.nat(VOTE_LIFETIME_MS / 20) });
    fc.assert(
      fc.property(fc.array(steps, { minLength: 50, maxLength: 400 }), (all) => {
        const votes = new EndpointVotes();
        const latest = new Map<number, { ip: string; port: number; at: number }>();
        let now = 0;
        for (const { statement, ms } of all) {
          const { network, host, ip, port } = statement;
          now += ms;
          const isChange = votes.add(global4(network, host + 1), at(ip, port), now);
          latest.set(network, { ip, port, at: now });
          const counting = [...latest.values()].filter((vote) => now - vote.at < VOTE_LIFETIME_MS);
          expect(votes.size).toBe(counting.length);
          const prediction = votes.prediction(4);
          const there = counting.filter((vote) => vote.ip === prediction?.ip);
          if (isChange) {
            expect(there.length).toBeGreaterThanOrEqual(N);
            expect(2 * there.length).toBeGreaterThan(counting.length);
          }
          const same = there.filter((vote) => vote.port === prediction?.udpPort);
          if (isChange && prediction?.udpPort !== undefined) {
            expect(same.length).toBeGreaterThanOrEqual(N);
            expect(2 * same.length).toBeGreaterThan(counting.length);
          }
          // Whatever has a majority is predicted at once.
          const view = votes.fromOutside(4, now);
          if (view?.udpPort !== undefined) expect(predicted(votes)).toEqual(at(view.ip, view.udpPort));
        }
      }),
    );
  });

  it('who were there first are outvoted by as many networks and one', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), statements, (lyingNetworks, lies) => {
        const votes = new EndpointVotes();
        for (const { network, host, stated } of lies)
          votes.add(global4(1_000 + (network % lyingNetworks), host), stated, 0);
        for (let i = 0; i < Math.max(N, lyingNetworks + 1); i++) votes.add(global4(i), OWN, 0);
        expect(predicted(votes, 4)).toEqual(OWN);
      }),
    );
  });

  it('of a LAN never have a say on a global endpoint', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(250), fc.integer({ min: 1, max: 65_535 }), lie)), (lies) => {
        const votes = voted([global4, OWN, N]);
        for (const [host, port, stated] of lies) votes.add(at(`10.0.0.${host}`, port), stated, 1);
        expect(predicted(votes, 4)).toEqual(OWN);
      }),
    );
  });
});
