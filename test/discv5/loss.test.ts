/** Packets that get lost, and those that are sent again for them. */
import { describe, expect, it } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { encodeMessage } from '../../src/discv5/index.ts';
import { sealMessage, sealWhoareyou, unmask } from '../../src/discv5/packet.ts';
import type { TalkCall } from '../../src/discv5/responder.ts';
import { kadNode, MAX_UNANSWERED, MAX_UNANSWERED_OF_ADDRESS } from '../../src/kad/index.ts';
import { freshEndpoint, Network, type SentPacket } from '../support/packet-network.ts';
import { type Asked, SimNode } from './network.ts';
import { Puppet } from './puppet.ts';

/** A TalkReq of this is taken, and never answered. */
const SLOW = 3;

/** Two that have not met, and the kinds of packets between them, in order. */
function pair() {
  const network = new Network({ log: true });
  const taken: string[] = [];
  const talk = ({ request, respond }: TalkCall) => {
    const isSlow = request[0] === SLOW;
    taken.push(isSlow ? 'slow' : 'talk');
    if (!isSlow) respond(Uint8Array.of(5));
    return true;
  };
  // In no table, so that nobody checks anybody.
  const [a, b] = [new SimNode(network, { isPublic: false }), new SimNode(network, { isPublic: false, talk })];
  const nameOf = (ip: string) => (ip === a.endpoint.ip ? 'a' : 'b');
  const read = ({ packet, to }: SentPacket) => {
    const unmasked = unmask(packet, to.ip === a.endpoint.ip ? a.id : b.id);
    if (unmasked === undefined || unmasked === 'malformed') throw new Error('no packet');
    return unmasked;
  };
  const sent = () => (network.log ?? []).map((one) => `${nameOf(one.from.ip)} ${read(one).kind}`);
  const toB = () => sent().filter((text) => text.startsWith('a'));
  /** Of all that are sent from now on, those with these numbers get lost, from 1. */
  const lose = (...numbers: number[]) => {
    let count = 0;
    network.loses = () => numbers.includes(++count);
    network.log?.splice(0);
  };
  const meet = () => {
    const ping = a.ping(b.node);
    network.env.advance(1_000);
    if (ping.result === undefined) throw new Error('they have not met');
  };
  const askTalk = (message: number) =>
    a.ask<Uint8Array>((done) => a.engine.talk(b.node, Uint8Array.of(1), Uint8Array.of(message), a.now, done));
  const ask: Readonly<Record<string, () => Asked<unknown>>> = {
    ping: () => a.ping(b.node),
    findNode: () => a.findNode(b.node, [0]),
    talk: () => askTalk(2),
    slowTalk: () => askTalk(SLOW),
  };
  const begin = (kind: string) => ask[kind]?.() ?? a.ping(b.node);
  return { network, a, b, sent, toB, lose, meet, begin, taken, read };
}

const QUESTIONS = ['ping', 'findNode'];
const FIRST = ['the knock', 'the WHOAREYOU', 'the handshake', 'the answer'];
const OPENING = ['a message', 'a message', 'a handshake'];

describe('a question to a node without a session', () => {
  it.each(QUESTIONS.flatMap((kind) => FIRST.map((name, i) => ({ kind, name, number: i + 1 }))))(
    '$kind is answered when $name gets lost, and so is the next one',
    ({ kind, number }) => {
      const { network, a, b, lose, begin } = pair();
      lose(number);
      const first = begin(kind);
      network.env.advance(1_000);
      expect(first).toMatchObject({ isDone: true, result: expect.anything(), failure: undefined });
      lose();
      const [second, back] = [begin(kind), b.ping(a.node)];
      network.env.advance(200);
      expect([second.result, back.result]).toEqual([expect.anything(), expect.anything()]);
      expect(network.log).toHaveLength(4);
    },
  );

  it('has all that wait behind it answered, whichever packet gets lost', () => {
    for (let number = 1; number <= 4; number++) {
      const { network, a, b, lose } = pair();
      lose(number);
      const asked = Array.from({ length: 5 }, () => a.ping(b.node));
      network.env.advance(2_000);
      expect(asked.map(({ result }) => result !== undefined)).toEqual(asked.map(() => true));
    }
  });

  it('is answered although the one that it waits behind never is, and the session stays', () => {
    const { network, a, b, begin, toB } = pair();
    const slow = begin('slowTalk');
    const beside = [begin('ping'), begin('talk')];
    network.env.advance(900);
    const late = begin('ping');
    network.env.advance(200);
    const [after, back] = [begin('findNode'), b.ping(a.node)];
    network.env.advance(200);
    for (const { result } of [...beside, late, after, back]) expect(result).toBeDefined();
    network.env.advance(1_000);
    expect([slow.isDone, slow.result]).toEqual([true, undefined]);
    expect(toB().filter((text) => text === 'a handshake')).toHaveLength(1);
    expect(a.engine.sizes().requests).toBe(0);
  });

  it('brings a second handshake about when the one that it waits behind gets lost, which is then taken once', () => {
    const { network, lose, begin, toB, taken } = pair();
    lose(3);
    const asked = [begin('talk'), begin('ping'), begin('talk')];
    network.env.advance(2_000);
    for (const { result } of asked) expect(result).toBeDefined();
    expect(taken).toHaveLength(2);
    expect(toB().filter((text) => text === 'a handshake')).toHaveLength(2);
  });

  it('is sent behind a second handshake, with other keys, when the first gets lost, and behind no third', () => {
    const { network, sent, lose, begin, read } = pair();
    lose(3);
    begin('ping');
    network.env.advance(1_000);
    const packets = ['a message', 'b whoareyou', 'a handshake', 'a message', 'b whoareyou', 'a handshake'];
    expect(sent()).toEqual([...packets, 'b message']);
    const [first, second] = [1, 4].map((i) => network.log?.[i]?.packet);
    expect(first).toEqual(second);
    const keys = (network.log ?? []).flatMap((one) => {
      const packet = read(one);
      return packet.kind === 'handshake' ? [toBareHex(packet.ephemeralKey)] : [];
    });
    expect(new Set(keys).size).toBe(2);
    const other = pair();
    other.network.loses = ({ packet, to }) =>
      to.ip === other.b.endpoint.ip && other.read({ packet, to, from: to }).kind === 'handshake';
    const failed = other.begin('ping');
    other.network.env.advance(3_000);
    expect([failed.isDone, failed.result, other.a.engine.sizes().requests]).toEqual([true, undefined, 0]);
    expect(other.toB().filter((text) => text === 'a handshake')).toHaveLength(2);
  });

  it('answers one WHOAREYOU, and no other that a slow way brings for the packet that was sent twice', () => {
    for (const delayMs of [130, 150, 200, 240]) {
      const { network, sent, toB, begin, a, b } = pair();
      network.delayMs = delayMs;
      const ping = begin('ping');
      network.env.advance(2_000);
      expect(ping.result).toBeDefined();
      expect(sent().filter((text) => text === 'b whoareyou')).toHaveLength(2);
      expect(toB()).toEqual(OPENING);
      expect(a.engine.stats().dropped.unsolicited).toBe(1);
      expect(b.engine.stats().received).toBe(1);
    }
  });

  it('goes out in the session that the other side has begun, when only the knock has', () => {
    const { network, a, b, lose, begin, taken } = pair();
    lose(1);
    const talk = begin('talk');
    const back = b.ping(a.node);
    network.env.advance(1_000);
    expect([talk.result, back.result]).toEqual([Uint8Array.of(5), expect.anything()]);
    expect(taken).toHaveLength(1);
  });
});

describe('a question in a session', () => {
  it.each(QUESTIONS.flatMap((kind) => ['the question', 'the answer'].map((name, i) => ({ kind, name, i }))))(
    '$kind is answered when $name gets lost, with a nonce of its own',
    ({ kind, i }) => {
      const { network, meet, lose, begin, toB, read } = pair();
      meet();
      lose(i + 1);
      const asked = begin(kind);
      network.env.advance(500);
      expect(asked.result).toBeDefined();
      expect(toB()).toEqual(['a message', 'a message']);
      const questions = network.log?.filter((_, at) => at === 0 || at === i + 1) ?? [];
      const nonces = questions.map((one) => toBareHex(read(one).nonce));
      expect(new Set(nonces).size).toBe(2);
    },
  );

  it('is sent once where answers take longer to come than others wait before they send again', () => {
    for (const delayMs of [130, 160, 200, 240]) {
      const { network, a, meet, begin, toB } = pair();
      network.delayMs = delayMs;
      begin('ping');
      network.env.advance(2_000);
      network.log?.splice(0);
      const asked = QUESTIONS.map((kind) => {
        const one = begin(kind);
        network.env.advance(500);
        return one;
      });
      expect(asked.map(({ result }) => result !== undefined)).toEqual([true, true]);
      expect(toB()).toHaveLength(asked.length);
      expect(a.engine.sizes().silent).toBe(0);
      network.loses = () => true;
      begin('ping');
      network.env.advance(500);
      expect(a.engine.sizes().silent).toBe(1);
      network.loses = () => false;
      // And again when the way is short.
      network.delayMs = 10;
      meet();
      network.loses = () => true;
      network.log?.splice(0);
      begin('ping');
      network.env.advance(500);
      expect(toB()).toHaveLength(2);
    }
  });

  it('is answered once, although the answers to both packets come', () => {
    const { network, a, b, meet, lose } = pair();
    meet();
    network.delayMs = 200;
    lose();
    const results: unknown[] = [];
    a.engine.ping(b.node, a.now, (pong) => results.push(pong));
    a.schedule();
    network.env.advance(1_000);
    expect(results).toEqual([expect.objectContaining({ rtt: 400 })]);
    expect(b.engine.stats().receivedOf.ping).toBe(3);
    expect(a.engine.stats().dropped.unsolicited).toBe(1);
  });

  it('is answered behind a handshake where the other side has lost the keys and the WHOAREYOU gets lost', () => {
    for (const number of [1, 2, 3, 4]) {
      const { network, a, b, meet, lose } = pair();
      meet();
      const again = new SimNode(network, { secretKey: b.secretKey, endpoint: b.endpoint });
      lose(number);
      const ping = a.ping(again.node);
      network.env.advance(1_500);
      expect(ping.result).toBeDefined();
    }
  });
});

describe('a TalkReq', () => {
  it('that has been taken is not sent again because the other side has lost the keys since, one that has not is', () => {
    const network = new Network();
    const taken: number[] = [];
    const talk = ({ request }: TalkCall) => taken.push(request[0] ?? 0) > 0;
    const a = new SimNode(network);
    const before = new SimNode(network, { talk });
    a.ping(before.node);
    network.env.advance(1_000);
    const say = (what: number) =>
      a.ask<Uint8Array>((done) =>
        a.engine.talk(before.node, Uint8Array.of(1), Uint8Array.of(what), a.now, done),
      );
    say(1);
    network.env.advance(100);
    before.stop();
    const { secretKey, endpoint } = before;
    const after = new SimNode(network, { talk, secretKey, endpoint });
    const ping = a.ping(after.node);
    say(2);
    network.env.advance(3_000);
    expect(ping.result).toBeDefined();
    expect(taken).toEqual([1, 2]);
  });

  it.each(
    [OPENING, OPENING, OPENING.slice(1), OPENING.slice(1)].map((packets, i) => ({
      ...{ name: FIRST[i], number: i + 1, packets },
    })),
  )('never leaves twice, whether or not it has come: $name gets lost', ({ number, packets }) => {
    const { network, lose, begin, toB, taken } = pair();
    lose(number);
    const talk = begin('talk');
    network.env.advance(3_000);
    expect([talk.isDone, talk.result !== undefined]).toEqual([true, number <= 2]);
    expect(toB()).toEqual(packets);
    expect(taken).toHaveLength(number === 3 ? 0 : 1);
  });

  it('does so in no session either', () => {
    for (const number of [1, 2]) {
      const { network, meet, lose, begin, toB } = pair();
      meet();
      lose(number);
      const talk = begin('talk');
      network.env.advance(3_000);
      expect([talk.isDone, talk.result]).toEqual([true, undefined]);
      expect(toB()).toEqual(['a message']);
    }
  });
});

describe('where nobody answers', () => {
  it('nothing is sent twice once the few packets are sent that may go there', () => {
    const { network, a, b, toB } = pair();
    b.stop();
    const packetsOf = (begin: () => unknown) => {
      network.log?.splice(0);
      begin();
      network.env.advance(1_000);
      return toB().length;
    };
    const pings = [1, 2, 3].map(() => packetsOf(() => a.ping(b.node)));
    expect(pings).toEqual([MAX_UNANSWERED / 2, MAX_UNANSWERED / 2, 1]);
    expect(packetsOf(() => a.findNode(b.node, [0]))).toBe(0);
  });

  it('that holds in a session, too', () => {
    const { network, a, b, meet, toB } = pair();
    meet();
    b.stop();
    network.log?.splice(0);
    for (let i = 0; i < 10; i++) {
      a.ping(b.node);
      network.env.advance(1_000);
    }
    expect(toB()).toHaveLength(10 + MAX_UNANSWERED / 2);
  });

  it('but late, somebody is all the same', () => {
    const { network, a, b } = pair();
    network.delayMs = 400;
    for (let i = 0; i < MAX_UNANSWERED; i++) {
      const ping = a.ping(b.node);
      network.env.advance(2_000);
      expect([ping.isDone, ping.result, a.engine.sizes().silent]).toEqual([true, undefined, 0]);
    }
  });

  it('many at once are asked once each, and few of them again', () => {
    const network = new Network({ log: true });
    const node = new SimNode(network);
    const { ip } = freshEndpoint();
    const COUNT = 60;
    for (let port = 1_025; port <= 1_024 + COUNT; port++) {
      const { record } = new Puppet(network, { ip, port });
      network.detach({ ip, port });
      node.findNode(kadNode({ publicKey: record.publicKey, ip, udpPort: port, tcpPort: 0, record }), [0]);
    }
    network.env.advance(1_000);
    expect(network.log?.length).toBe(COUNT + MAX_UNANSWERED_OF_ADDRESS / 2);
  });
});

describe('whoever is asked', () => {
  it('gets no packet more for a WHOAREYOU that it repeats, or for another one, than it was going to get', () => {
    const network = new Network();
    const [node, puppet] = [new SimNode(network), new Puppet(network)];
    const { ip, port } = puppet.endpoint;
    const { record } = puppet;
    node.ping(kadNode({ publicKey: record.publicKey, ip, udpPort: port, tcpPort: 0, record }));
    network.env.advance(50);
    const knock = unmask(puppet.received[0] ?? new Uint8Array(), puppet.id);
    if (knock === undefined || knock === 'malformed') throw new Error('nobody has knocked');
    const challenge = () => {
      const { env } = network;
      const fields = { destId: node.id, nonce: knock.nonce, maskingIv: env.randomBytes(16) };
      return sealWhoareyou({ ...fields, idNonce: env.randomBytes(16), enrSeq: 0n }).packet;
    };
    const { sent } = node.engine.stats();
    const first = challenge();
    for (let i = 0; i < 10; i++) {
      node.receive(first.slice(), puppet.endpoint);
      node.receive(challenge(), puppet.endpoint);
    }
    expect(node.engine.stats()).toMatchObject({ sent: sent + 1, dropped: { unsolicited: 19 } });
    for (let i = 0; i < 300; i++) {
      network.env.advance(10);
      node.receive(challenge(), puppet.endpoint);
    }
    // Its own repetition, a second handshake, and the repetition of that.
    expect(node.engine.stats().sent).toBe(sent + 4);
  });

  it('gets one WHOAREYOU for each packet, and nothing for a handshake that comes again', () => {
    const network = new Network();
    const node = new SimNode(network);
    const puppet = new Puppet(network);
    for (let i = 0; i < 3; i++) puppet.knock(node);
    expect(puppet.received).toHaveLength(3);
    expect(new Set(puppet.received.map(toBareHex)).size).toBe(1);
    const handshake = puppet.handshake(node);
    puppet.send(node, handshake.slice());
    const { sent } = node.engine.stats();
    const stale = puppet.keys;
    for (let i = 0; i < 3; i++) puppet.send(node, handshake.slice());
    // Nor for another one that answers the same WHOAREYOU: the session is that of the first.
    puppet.send(node, puppet.handshake(node));
    expect(node.engine.stats()).toMatchObject({ sent, received: 1, sessions: 1, dropped: { handshake: 4 } });
    if (stale === undefined) throw new Error('no keys');
    const plaintext = encodeMessage({ kind: 'ping', requestId: Uint8Array.of(8), enrSeq: 1n });
    const { env } = network;
    const fields = { destId: node.id, srcId: puppet.id, nonce: env.randomBytes(12), plaintext };
    puppet.send(node, sealMessage({ ...fields, maskingIv: env.randomBytes(16), key: stale.initiatorKey }));
    expect(node.engine.stats().received).toBe(2);
  });
});
