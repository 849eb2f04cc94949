/** Tickets, topics and answers over the wire of those who keep to no rules, as registrars and as advertisers. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EMPTY, toBareHex } from '../../../src/base/bytes.ts';
import { DEFAULT_DISCV5_LIMITS, encodeMessage, type Message } from '../../../src/discv5/index.ts';
import { C, DELTA, E, MAX_TOPIC_REQUESTS } from '../../../src/discv5/topics/index.ts';
import { signRecord, topicDiscoveryEntries } from '../../../src/enr/index.ts';
import { logDistance, type UdpEndpoint } from '../../../src/kad/index.ts';
import { Network } from '../../support/packet-network.ts';
import { runs } from '../../support/runs.ts';
import { SimNode } from '../network.ts';
import { Puppet } from '../puppet.ts';
import { topicOf } from './nodes.ts';

const entries = topicDiscoveryEntries(1);
const topic = topicOf(1);
const requestId = Uint8Array.of(1);

type Confirmation = Extract<Message, { kind: 'regConfirmation' }>;

/** An endpoint of its own, far from all others. */
let nextPlace = 0;
function place(): UdpEndpoint {
  const n = nextPlace++;
  return { ip: `${20 + ((n * 37) % 100)}.${(n * 91) % 256}.${(n * 53) % 256}.1`, port: 30303 };
}

class Asker extends Puppet {
  readonly registrar: SimNode;

  constructor(network: Network, registrar: SimNode, endpoint: UdpEndpoint = place()) {
    super(network, endpoint, entries);
    this.registrar = registrar;
    this.meet(registrar);
  }

  /** Without any time that goes by. */
  burst(plaintext: Uint8Array): void {
    this.registrar.receive(this.sealed(this.registrar, plaintext), this.endpoint);
  }

  ask(message: Message): Message[] {
    this.messages();
    this.say(this.registrar, encodeMessage(message));
    return this.messages();
  }

  register(ticket: Uint8Array = EMPTY, change: Partial<Extract<Message, { kind: 'regTopic' }>> = {}) {
    const request = { kind: 'regTopic' as const, requestId, topic, record: this.record.encoded, ticket };
    const said = this.ask({ ...request, distances: [], ...change });
    return said.find((one): one is Confirmation => one.kind === 'regConfirmation');
  }

  /** With the ticket that it needs at first where nobody is in its way. */
  place(change: Partial<Extract<Message, { kind: 'regTopic' }>> = {}): Confirmation | undefined {
    return this.register(this.register(EMPTY, change)?.ticket, change);
  }

  query(distances: readonly number[] = [], of = topic): Message[] {
    return this.ask({ kind: 'topicQuery', requestId, topic: of, distances });
  }
}

const topicsThere = [topic, topicOf(91), topicOf(92), topicOf(93)];

/** Addresses that have no more in common than they must: nobody waits for them. */
const APART = [20, 130, 70, 200, 50].map((first) => ({ ip: `${first}.1.1.1`, port: 30303 }));

/** A registrar with four topics, so that whoever wants to be the next for one of them waits a quarter of E, and somebody who does. */
function contested() {
  const network = new Network();
  const registrar = new SimNode(network, { entries });
  topicsThere.forEach((of, i) => {
    expect(new Asker(network, registrar, APART[i]).place({ topic: of })?.ticket).toEqual(EMPTY);
  });
  const asker = new Asker(network, registrar, APART[4]);
  const first = asker.register();
  if (first === undefined) throw new Error('no answer');
  expect(first.waitMs).toBeGreaterThan(E / 4 - 1_000);
  expect(first.waitMs).toBeLessThan(E / 3);
  return { network, registrar, asker, first };
}

/** Until the registrar lets an advertisement in, coming back as it is told to. */
function waited(network: Network, asker: Asker, from: Confirmation): number {
  const begun = network.env.now();
  let told: Confirmation | undefined = from;
  while (told !== undefined && told.ticket.length > 0) {
    network.env.advance(told.waitMs);
    told = asker.register(told.ticket);
  }
  if (told === undefined) throw new Error('no answer');
  return network.env.now() - begun;
}

/** All are let in, at the same time as far as that goes. */
function allIn(network: Network, askers: readonly Asker[]): void {
  const waiting = askers.map((asker) => ({ asker, at: network.env.now(), ticket: EMPTY }));
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    network.env.advance(Math.max(0, next.at - network.env.now()));
    const told = next.asker.register(next.ticket);
    if (told === undefined) throw new Error('no answer');
    if (told.ticket.length === 0) continue;
    waiting.push({ asker: next.asker, at: network.env.now() + told.waitMs, ticket: told.ticket });
    waiting.sort((a, b) => a.at - b.at);
  }
}

describe('a ticket over the wire', () => {
  it('lets its advertiser in when the time has come', () => {
    const { network, asker, first } = contested();
    const ms = waited(network, asker, first);
    expect(ms).toBeGreaterThanOrEqual(first.waitMs);
    expect(ms).toBeLessThan(first.waitMs + 5_000);
  });

  it('that comes too early, too late, or changed, begins anew', () => {
    const { network, asker, first } = contested();
    network.env.advance(first.waitMs / 2);
    // What it has waited counts for nothing.
    const early = asker.register(first.ticket);
    expect(early?.waitMs).toBeGreaterThan(0.9 * first.waitMs);
    network.env.advance((early?.waitMs ?? 0) + DELTA + 1_000);
    const again = asker.register(early?.ticket);
    expect(again?.waitMs).toBeGreaterThan(0.9 * first.waitMs);
    network.env.advance(again?.waitMs ?? 0);
    for (const change of [0, 7, 20, 23, 24, 40, 55]) {
      const forged = again?.ticket.slice() ?? EMPTY;
      forged[change] = (forged[change] ?? 0) ^ 1;
      expect(asker.register(forged)?.waitMs).toBeGreaterThan(1);
    }
    expect(asker.register(again?.ticket)?.ticket).toEqual(EMPTY);
  });

  it('of another registrar, of another node, topic or record is worth nothing', () => {
    const { network, registrar, asker, first } = contested();
    const elsewhere = new SimNode(network, { entries });
    const there = new Asker(network, elsewhere);
    there.place();
    const other = new Asker(network, registrar);
    const begun = network.env.now();
    const record = signRecord(asker.secretKey, {
      seq: 2n,
      entries: { ip: asker.endpoint.ip, udp: asker.endpoint.port, ...entries },
    }).encoded;
    network.env.advance(first.waitMs - (network.env.now() - begun));
    // None of them has waited: with this ticket each would have.
    for (const told of [
      other.register(first.ticket),
      asker.register(first.ticket, { record }),
      asker.register(first.ticket, { topic: topicsThere[1] ?? topic }),
    ]) {
      expect(told?.waitMs).toBeGreaterThan(1);
    }
    asker.meet(elsewhere);
    asker.messages();
    asker.say(elsewhere, encodeMessage({ ...regTopicOf(asker), ticket: first.ticket }));
    const [told] = asker.messages();
    expect(told).toMatchObject({ kind: 'regConfirmation', waitMs: E });
  });

  it('that is replayed gains nothing: the advertisement ends when it would have', () => {
    const network = new Network();
    const registrar = new SimNode(network, { entries });
    const asker = new Asker(network, registrar);
    const { ticket = EMPTY } = asker.register() ?? {};
    expect(asker.register(ticket)).toMatchObject({ ticket: EMPTY, waitMs: E });
    const until = network.env.now() - 100 + E;
    for (let i = 0; i < 20; i++) {
      const replayed = asker.register(ticket);
      expect(replayed?.ticket).toEqual(EMPTY);
      expect(replayed?.waitMs).toBeLessThanOrEqual(until - network.env.now() + 200);
    }
    expect(registrar.engine.stats().topics).toMatchObject({ ads: 1, topics: 1 });
    network.env.advance(until - network.env.now() + 100);
    expect(registrar.engine.stats().topics?.ads).toBe(1);
    expect(asker.query()).toMatchObject([{ kind: 'topicNodes', total: 1, records: [] }]);
    expect(registrar.engine.stats().topics?.ads).toBe(0);
  });

  it('for the record of somebody else, of another place, or of nobody is worth nothing, however often one comes back', () => {
    const network = new Network();
    const registrar = new SimNode(network, { entries });
    const [asker, other] = [new Asker(network, registrar), new Asker(network, registrar)];
    const elsewhere = signRecord(asker.secretKey, {
      seq: 2n,
      entries: { ip: '9.9.9.9', udp: 30303, ...entries },
    });
    const nowhere = signRecord(asker.secretKey, { seq: 2n, entries });
    const broken = asker.record.encoded.slice();
    broken[20] = (broken[20] ?? 0) ^ 1;
    const records = [other.record, elsewhere, nowhere].map(({ encoded }) => encoded);
    let last = EMPTY;
    for (const record of [...records, broken, ...records]) {
      const [told, ...more] = asker.ask({ ...regTopicOf(asker), record, ticket: last });
      if (told?.kind !== 'regConfirmation') throw new Error('no answer');
      expect([told.total, told.waitMs, told.ticket.length > 0, more]).toEqual([1, E, true, []]);
      last = told.ticket;
      network.env.advance(E);
    }
    expect(registrar.engine.stats().topics).toMatchObject({ ads: 0, answers: { refused: 6, invalid: 1 } });
    // Nothing has been saved up.
    expect(asker.register(last)?.ticket).not.toEqual(EMPTY);
  });
});

function regTopicOf(asker: Puppet): Extract<Message, { kind: 'regTopic' }> {
  const record = asker.record.encoded;
  return { kind: 'regTopic', requestId, topic, record, ticket: EMPTY, distances: [] };
}

describe('a question', () => {
  it('with 300 distances has an answer of no more than sixteen records, in packets that fit, of which it tells the number', () => {
    const network = new Network();
    const registrar = new SimNode(network, { entries });
    for (let i = 0; i < 60; i++) new SimNode(network, { endpoint: place(), entries }).ping(registrar.node);
    network.env.advance(2_000);
    const asker = new Asker(network, registrar);
    const advertisers = Array.from({ length: 12 }, () => new Asker(network, registrar));
    allIn(network, advertisers);
    const distances = Array.from({ length: 300 }, (_, i) => 256 - (i % 256));
    const before = asker.received.length;
    for (const answer of [asker.query(distances), asker.ask({ ...regTopicOf(asker), distances })]) {
      const [{ total } = { total: 0 }] = answer as { total: number }[];
      expect(answer.map((one) => ('total' in one ? one.total : 0))).toEqual(answer.map(() => total));
      expect(answer).toHaveLength(total);
      expect(total).toBeGreaterThan(1);
      expect(total).toBeLessThanOrEqual(10);
      const records = answer.flatMap((one) => (one.kind === 'nodes' ? one.records : []));
      expect(records.length).toBeGreaterThan(2);
      expect(records.length).toBeLessThanOrEqual(16);
    }
    const found = asker.query(distances).flatMap((one) => (one.kind === 'topicNodes' ? one.records : []));
    expect(new Set(found.map(toBareHex)).size).toBe(10);
    for (const packet of asker.received.slice(before)) expect(packet.length).toBeLessThanOrEqual(1_280);
  });

  it('with distances that no node has, or none, or for whom only a LAN would do, has no records', () => {
    const network = new Network();
    const registrar = new SimNode(network, { entries });
    const lan = new SimNode(network, { entries, endpoint: { ip: '192.168.7.7', port: 30303 } });
    lan.ping(registrar.node);
    network.env.advance(2_000);
    expect(registrar.engine.table.isLive(lan.id)).toBe(true);
    const asker = new Asker(network, registrar);
    const distance = logDistance(topic, lan.id);
    for (const distances of [[], [0], [257, 1_000_000, 2 ** 50], [distance], Array(300).fill(1)]) {
      expect(asker.query(distances)).toMatchObject([{ kind: 'topicNodes', total: 1, records: [] }]);
    }
    const near = new Asker(network, registrar, { ip: '192.168.7.8', port: 30303 });
    expect(near.query([distance])).toMatchObject([
      { kind: 'topicNodes', total: 2, records: [] },
      { kind: 'nodes', total: 2, records: [lan.record.encoded] },
    ]);
  });
});

describe('a registrar', () => {
  it('counts no advertisement that is over', () => {
    const network = new Network();
    const registrar = new SimNode(network, { entries });
    expect(new Asker(network, registrar).place()?.ticket).toEqual(EMPTY);
    expect(registrar.engine.stats().topics).toMatchObject({ ads: 1, topics: 1 });
    network.env.advance(2 * E);
    registrar.engine.tick(registrar.now);
    expect(registrar.engine.stats().topics).toMatchObject({ ads: 0, topics: 0 });
  });

  it('answers one address only so often, others all the same, and keeps no more than fits, whatever topics come', () => {
    const network = new Network();
    const lifted = { perSecond: 1e6, burst: 1e6 };
    const limits = { known: lifted, knownIp: lifted, knownSubnet: lifted, allKnown: lifted };
    const registrar = new SimNode(network, { entries, limits });
    const asker = new Asker(network, registrar);
    const other = new Asker(network, registrar);
    for (let i = 0; i < 1_500; i++) {
      const message = { ...regTopicOf(asker), topic: topicOf(1_000 + i) };
      asker.say(registrar, encodeMessage(message));
    }
    const { answers } = registrar.engine.stats().topics ?? {};
    // 150 s have passed, for each request a tenth.
    expect(answers?.shed).toBe(0);
    expect((answers?.wait ?? 0) + (answers?.admitted ?? 0)).toBe(1_500);
    network.delayMs = 0;
    const flood = (count: number, from: Asker): void => {
      for (let i = 0; i < count; i++) {
        const of = { ...regTopicOf(from), topic: topicOf(10_000 + i) };
        from.burst(encodeMessage(of));
      }
      network.env.advance(0);
    };
    flood(2_000, asker);
    expect(registrar.engine.stats().topics?.answers.shed).toBeGreaterThan(1_700);
    expect(other.place({ topic: topicOf(3) })).toMatchObject({ ticket: EMPTY, waitMs: E });
    expect(registrar.engine.stats().topics?.ads).toBeLessThanOrEqual(C);
    expect(registrar.engine.sizes().topicRated).toBeLessThan(10);
  });
});

describe('what a registrar does for those who ask much', () => {
  it('leaves a neighbour of the same address its answers', () => {
    const network = new Network();
    network.delayMs = 0;
    const registrar = new SimNode(network, { entries });
    const [loud, neighbour] = [30_303, 30_304].map(
      (port) => new Asker(network, registrar, { ip: '20.1.2.3', port }),
    );
    if (loud === undefined || neighbour === undefined) throw new Error('there are two');
    for (let second = 0; second < 60; second++) {
      for (let i = 0; i < 100; i++) {
        loud.burst(encodeMessage({ kind: 'topicQuery', requestId, topic, distances: [] }));
        network.env.advance(10);
      }
      expect(neighbour.query().map(({ kind }) => kind)).toContain('topicNodes');
    }
    expect(registrar.engine.stats().topics?.answers.shed).toBeGreaterThan(60 * 50);
  });

  it('is no more than its part of the time, however many records they make it check', () => {
    const network = new Network();
    network.delayMs = 0;
    const CHECK_MS = 5;
    let readings = 0;
    // Each look at the clock is half of what a check takes.
    const clock = () => network.env.now() + (readings++ * CHECK_MS) / 2;
    const registrar = new SimNode(network, { entries, clock });
    const askers = Array.from({ length: 4 }, () => new Asker(network, registrar));
    const honest = new Asker(network, registrar);
    const answered = () => {
      const { wait = 0, admitted = 0 } = registrar.engine.stats().topics?.answers ?? {};
      return wait + admitted;
    };
    const start = clock();
    for (let i = 0; i < 60; i++) {
      for (const asker of askers) {
        const { ip, port } = asker.endpoint;
        const record = signRecord(asker.secretKey, {
          seq: 10n + BigInt(i),
          entries: { ...entries, ip, udp: port },
        });
        asker.burst(encodeMessage({ ...regTopicOf(asker), record: record.encoded }));
      }
    }
    network.env.advance(0);
    const { burst, perSecond } = DEFAULT_DISCV5_LIMITS.handshakeMs;
    const passedMs = clock() - start;
    expect(answered()).toBeGreaterThan(2);
    expect(answered() * CHECK_MS).toBeLessThanOrEqual(burst + (passedMs / 1_000) * perSecond);
    expect(registrar.engine.stats().topics?.answers.shed).toBeGreaterThan(100);
    expect(honest.register()).toBeDefined();
  });
});

describe('an answer', () => {
  /** A node that asks, and a registrar that answers it what it likes. */
  function asked() {
    const network = new Network();
    const node = new SimNode(network, { endpoint: place(), entries });
    const registrar = new Puppet(network, place(), entries).meet(node);
    registrar.messages();
    return { network, node, registrar };
  }

  function searching() {
    const { network, node, registrar } = asked();
    const found: string[] = [];
    const run = node.engine.search(topic, 5, {
      found: (nodes) => found.push(...nodes.map(({ id }) => toBareHex(id))),
    });
    node.engine.resumeSearch(run, node.now);
    node.schedule();
    network.env.advance(50);
    const query = registrar.messages().find((one) => one.kind === 'topicQuery');
    if (query === undefined) throw new Error('nobody was asked');
    const say = (message: Message): void => registrar.say(node, encodeMessage(message));
    const { requestId, distances } = query;
    return { network, node, registrar, found, run, say, requestId, distances };
  }

  it('of a total of 0, of a million, or of more than comes, is taken for what it is', () => {
    for (const total of [0, 1_000_000]) {
      const { network, node, found, run, say, ...sent } = searching();
      const advertiser = new Puppet(network, place());
      say({ kind: 'topicNodes', requestId: sent.requestId, total, records: [advertiser.record.encoded] });
      network.env.advance(5_000);
      expect(found).toEqual([toBareHex(advertiser.id)]);
      expect(run.isDone).toBe(true);
      expect(node.engine.stats().topics?.requests).toBe(0);
    }
    const { network, node, run, say, ...sent } = searching();
    for (let i = 0; i < 30; i++) {
      say({ kind: 'topicNodes', requestId: sent.requestId, total: 1_000_000, records: [] });
    }
    // Ten of them are an answer.
    expect(node.engine.stats().dropped.unsolicited).toBe(20);
    network.env.advance(5_000);
    expect(run.isDone).toBe(true);
  });

  it('with records of another distance, of places that the registrar may not name, or of no nodes, brings none of them', () => {
    const { network, node, registrar, found, say, ...sent } = searching();
    const others = Array.from({ length: 80 }, () => new Puppet(network, place(), entries));
    const isWanted = ({ id }: Puppet) => sent.distances.includes(logDistance(topic, id));
    const [unwanted, wanted] = [others.filter((one) => !isWanted(one)), others.filter(isWanted)];
    expect(unwanted.length).toBeGreaterThan(1);
    const lan = new Puppet(network, { ip: '192.168.1.9', port: 30303 }, entries);
    const home = new Puppet(network, { ip: '127.0.0.9', port: 30303 }, entries);
    const dns = new Puppet(network, { ip: '44.4.4.4', port: 53 }, entries);
    const nobody = others[0]?.record.encoded.slice() ?? EMPTY;
    nobody[30] = (nobody[30] ?? 0) ^ 1;
    const records = [lan, home, dns].map(({ record }) => record.encoded);
    say({ kind: 'topicNodes', requestId: sent.requestId, total: 3, records: [...records, nobody] });
    say({ kind: 'nodes', requestId: sent.requestId, total: 3, records });
    const named = [...unwanted.slice(0, 4), ...wanted.slice(0, 1)].map(({ record }) => record.encoded);
    say({ kind: 'nodes', requestId: sent.requestId, total: 3, records: named });
    expect(wanted.slice(0, 2).map(({ id }) => node.engine.table.has(id))).toEqual([true, false]);
    for (const { id } of [lan, home, dns, ...unwanted]) expect(node.engine.table.has(id)).toBe(false);
    expect(node.engine.table.has(registrar.id)).toBe(true);
    network.env.advance(5_000);
    expect(found).toEqual([]);
  });

  it('that is none of the kind that was asked for is passed over', () => {
    const { network, node, found, run, say, ...sent } = searching();
    const { requestId: id } = sent;
    say({ kind: 'regConfirmation', requestId: id, total: 1, ticket: EMPTY, waitMs: 1 });
    say({ kind: 'pong', requestId: id, enrSeq: 1n, ip: '1.2.3.4', port: 1 });
    say({ kind: 'talkResponse', requestId: id, response: EMPTY });
    expect(node.engine.stats().dropped.unsolicited).toBe(3);
    network.env.advance(5_000);
    expect([found, run.isDone]).toEqual([[], true]);
  });

  it('that does not come soon is asked for once more, by the same question', () => {
    for (const kind of ['regTopic', 'topicQuery']) {
      const { network, node, registrar } = asked();
      if (kind === 'regTopic') node.engine.advertise(topic, node.now);
      else node.engine.resumeSearch(node.engine.search(topic, 5), node.now);
      node.schedule();
      network.env.advance(450);
      const [first, second, ...more] = registrar.messages().filter((one) => one.kind === kind);
      expect(first).toBeDefined();
      expect([second, more]).toEqual([first, []]);
    }
  });

  it('that does not come is held against nobody who answers Pings by searches, and by registrations not for searches', () => {
    const { network, node, registrar } = asked();
    let answersPings = true;
    const kindsWithin = (ms: number): string[] => {
      const kinds: string[] = [];
      const seen = new Set<string>();
      for (let passed = 0; passed < ms; passed += 50) {
        network.env.advance(50);
        for (const one of registrar.messages()) {
          // What is not answered comes twice.
          const isNew = seen.size < seen.add(toBareHex(one.requestId)).size;
          if (isNew) kinds.push(one.kind);
          if (one.kind !== 'ping' || !answersPings) continue;
          const { requestId } = one;
          registrar.say(node, encodeMessage({ kind: 'pong', requestId, enrSeq: 1n, ...node.endpoint }));
        }
      }
      return kinds;
    };
    const isAsked = (of: Uint8Array): boolean => {
      const run = node.engine.search(of, 5);
      node.engine.resumeSearch(run, node.now);
      node.schedule();
      const kinds = kindsWithin(4_000);
      expect(run.isDone).toBe(true);
      return kinds.includes('topicQuery');
    };
    expect([1, 2, 3, 4, 5].map((n) => isAsked(topicOf(n)))).toEqual([true, true, true, true, true]);
    // It says nothing to registrations either, which always have an answer: for those it is left alone.
    const run = node.engine.advertise(topic, node.now);
    node.schedule();
    const isRegistration = (kind: string) => kind === 'regTopic';
    expect(kindsWithin(3 * 60_000).filter(isRegistration)).toHaveLength(4);
    expect(kindsWithin(60_000).filter(isRegistration)).toEqual([]);
    run.stop();
    expect(isAsked(topicOf(6))).toBe(true);
    answersPings = false;
    expect([7, 8, 9].map((n) => isAsked(topicOf(n))).at(-1)).toBe(false);
  });

  it('with a second word on a registration, without an end of tickets, or with none of sense, ends nothing but that registrar', () => {
    const { network, node, registrar } = asked();
    const run = node.engine.advertise(topic, node.now);
    node.schedule();
    let asking = EMPTY;
    const answer = (change: Partial<Confirmation>): void => {
      network.env.advance(50);
      const request = registrar.messages().findLast((one) => one.kind === 'regTopic');
      if (request === undefined) throw new Error('nobody was asked');
      asking = request.requestId;
      const told = { kind: 'regConfirmation' as const, total: 2, ticket: Uint8Array.of(1), waitMs: 1_000 };
      registrar.say(node, encodeMessage({ ...told, requestId: request.requestId, ...change }));
    };
    answer({});
    const unsolicited = node.engine.stats().dropped.unsolicited;
    registrar.say(
      node,
      encodeMessage({ kind: 'regConfirmation', requestId: asking, total: 2, ticket: EMPTY, waitMs: E }),
    );
    expect(node.engine.stats().dropped.unsolicited).toBe(unsolicited + 1);
    expect(run.stats).toEqual({ active: 0, pending: 1 });
    network.env.advance(2_000);
    answer({ ticket: new Uint8Array(513), total: 1 });
    expect(run.stats).toEqual({ active: 0, pending: 0 });
    // It is left alone now.
    network.env.advance(60_000);
    expect(registrar.messages().filter(({ kind }) => kind === 'regTopic')).toEqual([]);
    network.env.advance(10 * 60_000);
    expect(node.engine.stats().topics?.requests).toBe(0);
  });

  it('that lets an advertisement in for no time is none, and nobody is told that it was', () => {
    const network = new Network();
    const node = new SimNode(network, { endpoint: place(), entries });
    const registrar = new Puppet(network, place(), entries).meet(node);
    registrar.messages();
    let admitted = 0;
    const run = node.engine.advertise(topic, node.now, { admitted: () => admitted++ });
    node.schedule();
    network.env.advance(50);
    const asked = registrar.messages().findLast(({ kind }) => kind === 'regTopic');
    if (asked === undefined) throw new Error('the registrar is not asked');
    const { requestId } = asked;
    registrar.say(
      node,
      encodeMessage({ kind: 'regConfirmation', requestId, total: 1, ticket: EMPTY, waitMs: 0 }),
    );
    expect(run.stats).toEqual({ active: 0, pending: 0 });
    expect([admitted, node.events.filter(({ kind }) => kind === 'topic-admitted')]).toEqual([0, []]);
  });

  it('of any content leaves the node as it was, and so does any question', () => {
    const { network, node, registrar } = asked();
    const advertisement = node.engine.advertise(topicOf(4), node.now);
    node.schedule();
    const others: readonly Message[] = [
      regTopicOf(registrar),
      { kind: 'topicQuery', requestId, topic, distances: [1, 2, 255, 256] },
      { kind: 'regConfirmation', requestId, total: 2, ticket: new Uint8Array(56), waitMs: 1_000 },
      { kind: 'topicNodes', requestId, total: 2, records: [registrar.record.encoded] },
      { kind: 'nodes', requestId, total: 2, records: [registrar.record.encoded] },
    ];
    const ids: Uint8Array[] = [requestId];
    let answered = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...others),
        fc.array(fc.tuple(fc.nat(600), fc.nat(255)), { maxLength: 4 }),
        fc.nat(20),
        fc.nat(3_000),
        (message, changes, cut, ms) => {
          const run = node.engine.search(topic, 1);
          node.engine.resumeSearch(run, node.now);
          network.env.advance(ms);
          const sent = registrar.messages();
          const asking = sent.find(({ kind }) => kind === 'topicQuery' || kind === 'regTopic');
          answered += sent.filter(({ kind }) => kind === 'topicNodes' || kind === 'regConfirmation').length;
          if (asking !== undefined) ids.push(asking.requestId);
          const bytes = encodeMessage({ ...message, requestId: ids.at(-1) ?? requestId });
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          registrar.say(node, bytes.subarray(0, Math.max(0, bytes.length - cut)));
          run.stop();
        },
      ),
      { numRuns: runs(300) },
    );
    expect(answered).toBeGreaterThan(0);
    network.env.advance(10_000);
    const { requests = MAX_TOPIC_REQUESTS, searches } = node.engine.stats().topics ?? {};
    expect(requests).toBeLessThan(8);
    expect(searches).toBe(0);
    advertisement.stop();
    network.env.advance(10_000);
    expect(node.engine.sizes()).toMatchObject({ requests: 0 });
    expect(node.engine.sizes().ads).toBeLessThanOrEqual(C);
  });
});
