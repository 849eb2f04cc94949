/**
 * Packets that are what they should be but for some fields, hashed and signed again so that nothing but these stands in
 * their way. Each run is a life of an engine; a step of it is a packet, a question of the engine's own, or time.
 */
import { RLP } from '@ethereumjs/rlp';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, fromHex } from '../../src/base/bytes.ts';
import { MAX_DEBTORS } from '../../src/discv4/debts.ts';
import { type Discv4Sizes, encodeMessage, type Message } from '../../src/discv4/index.ts';
import { MAX_KNOWN_QUEUE, MAX_STRANGER_QUEUE } from '../../src/discv4/intake.ts';
import { MAX_PING_BACKS } from '../../src/discv4/pings.ts';
import { MAX_PROOFS } from '../../src/discv4/proofs.ts';
import {
  BUCKET_SIZE,
  MAX_RATED,
  MAX_RATED_SUBNETS,
  MAX_REQUESTS,
  REPLACEMENTS,
} from '../../src/kad/index.ts';
import { Network } from '../support/packet-network.ts';
import { FUZZ_FACTOR, runs } from '../support/runs.ts';
import { Puppet, SimNode } from './network.ts';

type Item = Uint8Array | Item[];

const KINDS = ['ping', 'pong', 'findNode', 'neighbors', 'enrRequest', 'enrResponse'] as const;
type Kind = (typeof KINDS)[number];

/** Values that mean something in the place of another, or too much. */
const ODD: readonly Item[] = [
  ...['', '00', '01', '0400', '7f', 'ffff', '011170', 'ffffffff', '20000000000000', 'ffffffffffffffff'],
  // Addresses: this machine, a LAN, a group, everybody, nobody; IPv4 inside IPv6; one that is too long.
  ...[
    '7f000001',
    '0a000001',
    'e0000001',
    'ffffffff',
    '00000000',
    '08080808',
    `${'00'.repeat(10)}ffff0a000001`,
  ],
  ...[`ff02${'00'.repeat(13)}01`, `${'00'.repeat(15)}01`, 'ab'.repeat(17), 'cd'.repeat(32), 'ef'.repeat(64)],
].map((hex) => fromHex(hex));
const LISTS: readonly Item[] = [[], [[]], [[[[[[]]]]]], [new Uint8Array(1), []]];

const value: fc.Arbitrary<Item> = fc.oneof(
  fc.constantFrom(...ODD, ...LISTS),
  fc.uint8Array({ maxLength: 70 }),
);
const mutation = fc.record({
  /** Which of all items of the message, lists before what is in them. */
  at: fc.nat(60),
  how: fc.constantFrom('replace', 'drop', 'twice', 'wrap', 'append'),
  value,
});
const packetStep = fc.record({
  step: fc.constant('packet' as const),
  kind: fc.constantFrom(...KINDS),
  /** The first four are known. */
  sender: fc.nat(9),
  mutations: fc.oneof(
    { weight: 1, arbitrary: fc.constant([]) },
    { weight: 4, arbitrary: fc.array(mutation, { minLength: 1, maxLength: 3 }) },
  ),
  behind: fc.oneof(fc.constant(new Uint8Array(0)), fc.uint8Array({ maxLength: 40 })),
  type: fc.option(fc.integer({ min: 0, max: 8 }), { nil: undefined, freq: 15 }),
});
const askStep = fc.record({
  step: fc.constant('ask' as const),
  what: fc.constantFrom('ping', 'findNode', 'record', 'lookup'),
  whom: fc.nat(9),
});
const waitStep = fc.record({
  step: fc.constant('wait' as const),
  ms: fc.oneof(fc.nat(60), fc.constantFrom(100, 600, 5_000, 25_000)),
});
const steps = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: packetStep },
    { weight: 2, arbitrary: askStep },
    { weight: 2, arbitrary: waitStep },
  ),
  { minLength: 40, maxLength: 90, size: 'max' },
);
type Step = typeof steps extends fc.Arbitrary<readonly (infer T)[]> ? T : never;
type Mutation = { at: number; how: string; value: Item };

/** Where each item of a message stands. */
function places(list: Item[], all: { list: Item[]; index: number }[] = []): typeof all {
  for (const [index, item] of list.entries()) {
    all.push({ list, index });
    if (Array.isArray(item)) places(item, all);
  }
  return all;
}

/** What is put in is changed by the next mutation: the same list must not stand in two places, let alone in itself. */
const copyOf = (item: Item): Item => (Array.isArray(item) ? item.map(copyOf) : item);

function mutate(message: Item[], { at, how, value: given }: Mutation): void {
  const value = copyOf(given);
  const all = places(message);
  const place = all[at % Math.max(1, all.length)];
  if (place === undefined || how === 'append') {
    message.push(value);
    return;
  }
  const { list, index } = place;
  const item = list[index] ?? value;
  if (how === 'replace') list[index] = value;
  else if (how === 'drop') list.splice(index, 1);
  else if (how === 'twice') list.splice(index, 0, copyOf(item));
  else list[index] = [item];
}

function items(content: Uint8Array): Item[] {
  const decoded: unknown = RLP.decode(content.subarray(1));
  const itemOf = (item: unknown): Item => {
    if (item instanceof Uint8Array) return item;
    return Array.isArray(item) ? item.map(itemOf) : new Uint8Array(0);
  };
  return Array.isArray(decoded) ? decoded.map(itemOf) : [];
}

class Life {
  readonly network = new Network();
  readonly node = new SimNode(this.network, { secretKey: new Uint8Array(32).fill(0x22) });
  readonly puppets = Array.from({ length: 10 }, (_, i) => {
    // Some on this machine's network, some in one /24, some over IPv6.
    const ip = ['8.8.4.1', '8.8.4.2', '2a00:1::1', '10.0.0.7', '127.0.0.1'][i % 5] ?? '8.8.4.4';
    return new Puppet(this.network, { ip, port: 30_400 + i }, new Uint8Array(32).fill(0x31 + i));
  });
  readonly known = this.puppets.slice(0, 4);
  packets = 0;

  constructor() {
    // Not started: the checks of its table would take most of the time.
    for (const puppet of this.known) this.bond(puppet);
  }

  bond(puppet: Puppet): void {
    puppet.answerPings(this.node);
    puppet.ping(this.node);
    this.network.env.advance(150);
  }

  message(kind: Kind, puppet: Puppet): Message {
    const endpoint = { ip: puppet.endpoint.ip, udpPort: puppet.endpoint.port, tcpPort: 30303 };
    const { expiration } = puppet;
    switch (kind) {
      case 'ping':
        return { kind, from: endpoint, to: endpoint, expiration, enrSeq: 5n };
      case 'pong':
        return { kind, to: endpoint, pingHash: puppet.hashOf('ping'), expiration, enrSeq: 5n };
      case 'findNode':
        return { kind, target: this.node.publicKey, expiration };
      case 'neighbors': {
        const nodes = this.puppets.map(({ publicKey }, i) => ({
          ...endpoint,
          udpPort: 2_000 + i,
          publicKey,
        }));
        return { kind, nodes: [...nodes, { ...endpoint, publicKey: this.node.publicKey }], expiration };
      }
      case 'enrRequest':
        return { kind, expiration };
      case 'enrResponse':
        return { kind, requestHash: puppet.hashOf('enrRequest'), record: this.node.record.encoded };
    }
  }

  take(step: Step): void {
    if (step.step === 'wait') {
      this.network.env.advance(step.ms);
      return;
    }
    if (step.step === 'ask') {
      this.ask(step.what, this.puppets[step.whom] ?? this.node);
      return;
    }
    const puppet = this.puppets[step.sender];
    if (puppet === undefined) return;
    const content = encodeMessage(this.message(step.kind, puppet));
    const message = items(content);
    for (const one of step.mutations) mutate(message, one);
    const type = Uint8Array.of(step.type ?? content[0] ?? 0);
    const changed = concatBytes(type, RLP.encode(message), step.behind);
    puppet.sendPacket(this.node, puppet.sealContent(changed));
    this.packets++;
  }

  ask(what: string, { node: whom }: Pick<Puppet, 'node'>): void {
    const { engine, now, publicKey } = this.node;
    const done = () => undefined;
    // More than there may be are refused, which is not what this is about.
    if (engine.stats().requests >= MAX_REQUESTS) return;
    if (what === 'ping') engine.ping(whom, now, done);
    else if (what === 'findNode') engine.findNode(whom, publicKey, now, done);
    else if (what === 'record') engine.requestRecord(whom, now, done);
    else this.node.lookup(whom.publicKey);
    this.node.schedule();
  }
}

const MOST: Readonly<Record<string, number>> = {
  queued: MAX_KNOWN_QUEUE + MAX_STRANGER_QUEUE,
  rated: 5 * MAX_RATED + 2 * MAX_RATED_SUBNETS,
  requests: MAX_REQUESTS,
  pingBacks: MAX_PING_BACKS,
  proofs: MAX_PROOFS,
  debtors: MAX_DEBTORS,
};

/** What holds more than it may. */
function overfull(sizes: Discv4Sizes): string | undefined {
  const counts: Readonly<Record<string, number>> = { ...sizes };
  return Object.keys(MOST).find((name) => (counts[name] ?? 0) > (MOST[name] ?? 0));
}

describe('fuzz: mutated packets with good hashes and signatures', () => {
  it('neither stop an engine, nor fill it, nor make it deaf to those it knows', () => {
    const totals: Record<string, number> = {};
    fc.assert(
      fc.property(steps, (life) => {
        const one = new Life();
        const { node, network } = one;
        for (const step of life) {
          one.take(step);
          const over = overfull(node.engine.sizes());
          if (over !== undefined) throw new Error(`too many: ${over}`);
        }
        const { table } = node.engine;
        expect(table.size).toBeLessThanOrEqual(256 * (BUCKET_SIZE + REPLACEMENTS));
        const { dropped, received } = node.engine.stats();
        for (const [name, count] of Object.entries({ ...dropped, received, packets: one.packets })) {
          totals[name] = (totals[name] ?? 0) + count;
        }
        // When all have gone quiet for some time, nothing that was begun for them is left.
        const stopAnswering = () => undefined;
        for (const puppet of one.puppets) puppet.onMessage = stopAnswering;
        network.env.advance(20_000);
        const { queued, unsigned, pingBacks } = node.engine.sizes();
        expect({ queued, unsigned, pingBacks }).toEqual({ queued: 0, unsigned: 0, pingBacks: 0 });
        // Whoever comes with a proof is answered as before.
        const [puppet] = one.known;
        if (puppet === undefined) throw new Error('nobody is known');
        one.bond(puppet);
        const hash = puppet.ping(node);
        network.env.advance(150);
        expect(puppet.take('pong').some(({ pingHash }) => Buffer.compare(pingHash, hash) === 0)).toBe(true);
      }),
      { numRuns: runs(40) },
    );
    // More than a third of them get as far as their signatures, and some of each kind are dropped for what is in them.
    expect(totals.received).toBeGreaterThan((totals.packets ?? 0) / 3);
    for (const reason of ['malformed', 'expired', 'unproven', 'unsolicited']) {
      expect(totals[reason], reason).toBeGreaterThan(0);
    }
    if (FUZZ_FACTOR > 1) console.info(JSON.stringify(totals));
  });
});
