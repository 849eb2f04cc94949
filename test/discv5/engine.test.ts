import { describe, expect, it } from 'vitest';
import { equalBytes, toBareHex } from '../../src/base/bytes.ts';
import { encodeMessage, MAX_DISTANCE } from '../../src/discv5/index.ts';
import { MAX_STRANGERS_ASKED } from '../../src/discv5/shown-records.ts';
import { compareDistance, logDistance } from '../../src/kad/index.ts';
import { codeOf } from '../support/errors.ts';
import { freshEndpoint, Network } from '../support/packet-network.ts';
import { SimNode } from './network.ts';
import { Puppet } from './puppet.ts';

/** A network of two that have not met. */
function pair(options: { log?: boolean } = {}) {
  const network = new Network({ log: true, ...options });
  return { network, a: new SimNode(network), b: new SimNode(network) };
}

describe('a session', () => {
  it('takes a WHOAREYOU and a handshake, and then serves both ways', () => {
    const { network, a, b } = pair();
    const first = a.ping(b.node);
    network.env.advance(1_000);
    expect(first.result).toMatchObject({ enrSeq: 1n, seenAs: { ip: a.endpoint.ip, udpPort: 30303 } });
    expect(network.log?.slice(0, 4).map(({ from }) => from)).toEqual(
      [a, b, a, b].map(({ endpoint }) => endpoint),
    );
    const length = network.log?.length ?? 0;
    const [second, back] = [a.ping(b.node), b.ping(a.node)];
    network.env.advance(1_000);
    expect([second.result, back.result]).toEqual([expect.anything(), expect.anything()]);
    expect(network.log).toHaveLength(length + 4);
  });

  it('is made by nodes that know only the key of each other', () => {
    const { network, a, b } = pair();
    const ping = a.ping(b.bareNode);
    network.env.advance(1_000);
    expect(ping.result).toBeDefined();
  });

  it('what is asked before there is one waits, and all of it is answered by one handshake', () => {
    const { network, a, b } = pair();
    const asked = Array.from({ length: 10 }, () => a.ping(b.node));
    network.env.advance(1_000);
    expect(asked.every(({ result }) => result !== undefined)).toBe(true);
    expect(b.engine.stats()).toMatchObject({ challenges: 1, received: 10 });
  });

  it('is made anew with a node that has lost it, and what was asked meanwhile is asked again', () => {
    const { network, a, b } = pair();
    a.ping(b.node);
    network.env.advance(1_000);
    const again = new SimNode(network, { secretKey: b.secretKey, endpoint: b.endpoint });
    const asked = Array.from({ length: 5 }, () => a.ping(again.node));
    network.env.advance(2_000);
    expect(asked.map(({ result }) => result !== undefined)).toEqual([true, true, true, true, true]);
  });

  it('is good on both sides when both begin one at the same time', () => {
    const { network, a, b } = pair();
    const asked = [a.ping(b.node), b.ping(a.node)];
    network.env.advance(1_000);
    asked.push(a.ping(b.node), b.ping(a.node));
    network.env.advance(1_000);
    expect(asked.map(({ result }) => result !== undefined)).toEqual([true, true, true, true]);
  });

  it('is bound to the endpoint: a node that has moved is challenged there', () => {
    const { network, a, b } = pair();
    a.ping(b.node);
    network.env.advance(1_000);
    a.moveTo(freshEndpoint());
    const ping = a.ping(b.node);
    network.env.advance(1_000);
    expect(ping.result).toMatchObject({ seenAs: { ip: a.endpoint.ip } });
    expect(b.engine.stats().challenges).toBe(2);
  });

  it('a packet that comes twice is challenged twice in the same words', () => {
    const { network, a, b } = pair();
    a.ping(b.node);
    network.env.advance(1_000);
    const [knock] = network.log ?? [];
    if (knock === undefined) throw new Error('nothing was sent');
    const other = new SimNode(network, { secretKey: b.secretKey, endpoint: b.endpoint });
    const said: Uint8Array[] = [];
    network.attach(a.endpoint, { receive: (packet) => said.push(packet) });
    other.receive(knock.packet.slice(), a.endpoint);
    other.receive(knock.packet.slice(), a.endpoint);
    network.env.advance(100);
    expect(said).toHaveLength(2);
    expect(said[0]).toEqual(said[1]);
  });

  it('no answer ends a request, and those that wait behind it, in time', () => {
    const { network, a, b } = pair();
    b.stop();
    const asked = [a.ping(b.node), a.ping(b.node)];
    network.env.advance(499);
    expect(asked.some(({ isDone }) => isDone)).toBe(false);
    network.env.advance(1);
    expect(asked).toEqual([
      { result: undefined, failure: undefined, isDone: true },
      { result: undefined, failure: undefined, isDone: true },
    ]);
    expect(a.engine.sizes()).toMatchObject({ requests: 0, sessions: 0 });
  });

  it('whoever asks again at once, when a first packet was lost, is answered, and the others who do so too', () => {
    const { network, a, b } = pair();
    let isLost = true;
    network.loses = ({ to }) => isLost && to.ip === b.endpoint.ip;
    const again: ReturnType<SimNode['ping']>[] = [];
    for (let i = 0; i < 3; i++) {
      a.engine.ping(b.node, a.now, () => {
        isLost = false;
        again.push(a.ping(b.node));
      });
    }
    a.schedule();
    network.env.advance(3_000);
    expect(again.map(({ result }) => result !== undefined)).toEqual([true, true, true]);
    expect(a.engine.stats().dropped.unsolicited).toBe(0);
  });

  it('a handshake that comes once more proves nothing', () => {
    const { network, a, b } = pair();
    a.ping(b.node);
    network.env.advance(1_000);
    const handshake = network.log?.[2];
    if (handshake === undefined) throw new Error('no handshake');
    const sent = b.engine.stats().sent;
    b.receive(handshake.packet.slice(), a.endpoint);
    b.receive(handshake.packet.slice(), freshEndpoint());
    network.env.advance(1_000);
    expect(b.engine.stats()).toMatchObject({ sent, dropped: { handshake: 2 } });
  });
});

describe('the table', () => {
  it('takes whoever is where its record says, and has it checked elsewhere', () => {
    const { network, a, b } = pair();
    a.ping(b.node);
    network.env.advance(1_000);
    expect(b.engine.table.isLive(a.id)).toBe(true);
    // Its record still names the old place, where nobody is.
    const c = new SimNode(network).start();
    a.moveTo(freshEndpoint());
    a.ping(c.node);
    network.env.advance(1_000);
    expect(c.engine.table.isLive(a.id)).toBe(false);
  });

  it('has for live whoever answers a question where it is said to be, and nobody elsewhere', () => {
    const { network, a, b } = pair();
    const c = new SimNode(network);
    for (const named of [b.node, { ...c.node, udpPort: c.node.udpPort + 1 }]) a.engine.addNamed(named, a.now);
    expect(a.engine.table.isLive(b.id)).toBe(false);
    const asked = [a.findNode(b.node, [256]), a.findNode(c.node, [256])];
    network.env.advance(400);
    expect(asked.map(({ result }) => result)).toEqual([[], []]);
    expect(a.engine.table.isLive(b.id)).toBe(true);
    expect(a.engine.table.isLive(c.id)).toBe(false);
  });

  it('answers a node behind a translator, and names it to nobody', () => {
    const network = new Network();
    const [hidden, b, c] = [
      new SimNode(network, { isPublic: false }),
      new SimNode(network).start(),
      new SimNode(network),
    ];
    const ping = hidden.ping(b.node);
    network.env.advance(1_000);
    expect([ping.result !== undefined, b.engine.table.has(hidden.id)]).toEqual([true, false]);
    const found = c.findNode(
      b.node,
      Array.from({ length: MAX_DISTANCE }, (_, i) => i + 1),
    );
    network.env.advance(1_000);
    expect(found.result?.some((record) => equalBytes(record.nodeId, hidden.id))).toBe(false);
  });

  it('takes nobody at an address with which the node has nothing to do', () => {
    const network = new Network();
    const a = new SimNode(network);
    const b = new SimNode(network, { reaches: (ip) => ip !== a.endpoint.ip });
    const ping = a.ping(b.node);
    network.env.advance(1_000);
    expect([ping.result !== undefined, b.engine.table.has(a.id)]).toEqual([true, false]);
  });

  it('is shown by a node whose record has the number 0', () => {
    const network = new Network();
    const a = new SimNode(network);
    const b = new SimNode(network);
    a.record = a.signed(0n, a.endpoint);
    const ping = a.ping(b.node);
    network.env.advance(1_000);
    expect([ping.result !== undefined, b.engine.table.get(a.id)?.record?.seq]).toEqual([true, 0n]);
  });

  it('has the record with the number 0 of a node that was given by its key', () => {
    const network = new Network();
    const known = new SimNode(network).start();
    known.record = known.signed(0n, known.endpoint);
    const a = new SimNode(network, { seeds: [known.bareNode] }).start();
    network.env.advance(60_000);
    expect(a.engine.table.get(known.id)?.record?.seq).toBe(0n);
  });

  it('keeps a node where it has answered as long as its record names that place, whichever it names first', () => {
    const network = new Network();
    const here = { ip: '2606:4700::5', port: 30303 };
    const a = new SimNode(network).start();
    const b = new SimNode(network, { endpoint: here, seeds: [a.node] }).start();
    network.env.advance(5_000);
    expect(a.engine.table.get(b.id)).toMatchObject({ ip: here.ip });
    b.record = b.signed(9n, here, { ip: '9.9.9.9', udp: 1_234 });
    b.ping(a.node);
    network.env.advance(2_000);
    expect(a.engine.table.get(b.id)).toMatchObject({ ip: here.ip, udpPort: 30303, record: { seq: 9n } });
    expect(a.engine.table.isLive(b.id)).toBe(true);
    // It is looked for elsewhere when it does not name it any more.
    b.record = b.signed(10n, { ip: '9.9.9.9', port: 1_234 });
    b.ping(a.node);
    network.env.advance(12_000);
    b.ping(a.node);
    network.env.advance(1_000);
    expect(a.engine.table.get(b.id)?.ip ?? '9.9.9.9').toBe('9.9.9.9');
  });

  it('names nobody by an older record who says by a newer one that it is nowhere', () => {
    const network = new Network();
    const a = new SimNode(network).start();
    const b = new SimNode(network, { seeds: [a.node] }).start();
    const third = new SimNode(network);
    network.env.advance(5_000);
    expect(a.engine.table.has(b.id)).toBe(true);
    b.record = b.signed(9n, undefined);
    b.ping(a.node);
    network.env.advance(1_000);
    expect(a.engine.table.has(b.id)).toBe(false);
    const named = third.findNode(a.node, [logDistance(a.id, b.id)]);
    network.env.advance(1_000);
    expect(named.result).toEqual([]);
    // It is back when it says that it is somewhere.
    b.record = b.signed(10n, b.endpoint);
    b.engine.addNamed(a.node, b.now);
    a.engine.addNamed(b.node, a.now);
    a.schedule();
    network.env.advance(60_000);
    expect(a.engine.table.get(b.id)?.record?.seq).toBe(10n);
  });

  it('fetches the record of a node that says that it has a newer one', () => {
    const { network, a, b } = pair();
    a.ping(b.node);
    network.env.advance(1_000);
    a.record = a.signed(2n, a.endpoint, { tcp: 4 });
    a.ping(b.node);
    network.env.advance(1_000);
    expect(b.engine.table.get(a.id)?.record?.seq).toBe(2n);
    expect(b.events.some((event) => event.kind === 'record-received' && event.record.seq === 2n)).toBe(true);
  });
});

describe('a node that others have met', () => {
  /** A network of `count` that know each other, and one more that is started when it is wanted. */
  function network(count: number) {
    const net = new Network();
    const first = new SimNode(net).start();
    const others = [first];
    for (let i = 1; i < count; i++) others.push(new SimNode(net, { seeds: [first.node] }).start());
    const having = (node: SimNode) => others.filter(({ engine }) => engine.table.isLive(node.id)).length;
    return { net, first, having };
  }

  it('before its record named an address is taken in by all when it does', () => {
    const { net, first, having } = network(4);
    const node = new SimNode(net, { seeds: [first.node], isPublic: false }).start();
    net.env.advance(60_000);
    expect([node.engine.table.size, having(node)]).toEqual([4, 0]);
    node.record = node.signed(2n, node.endpoint);
    net.env.advance(10 * 60_000);
    expect(having(node)).toBe(4);
  });

  it('is asked for its record by the side, however many say that theirs is newer', () => {
    const net = new Network();
    const node = new SimNode(net);
    const NOWHERE = { ip: undefined, udp: undefined };
    const puppets = Array.from(
      { length: 2 * MAX_STRANGERS_ASKED },
      () => new Puppet(net, undefined, NOWHERE),
    );
    for (const puppet of puppets) puppet.meet(node);
    const ping = encodeMessage({ kind: 'ping', requestId: Uint8Array.of(1), enrSeq: 9n });
    for (const puppet of puppets) net.send(puppet.sealed(node, ping), puppet.endpoint, node.endpoint);
    net.env.advance(100);
    expect(node.engine.sizes().requests).toBe(MAX_STRANGERS_ASKED);
    net.env.advance(60_000);
    expect(node.engine.sizes().requests).toBe(0);
  });

  it('is asked for its record, whatever number of /48 an IPv6 /32 has, and another of that, if one /48 has many', () => {
    const net = new Network();
    const NOWHERE = { ip: undefined, udp: undefined };
    const ping = encodeMessage({ kind: 'ping', requestId: Uint8Array.of(1), enrSeq: 9n });
    const cases = [
      { crowd: (i: number) => `2a01:4f8:${i.toString(16)}::1`, late: freshEndpoint().ip },
      { crowd: (i: number) => `2a01:4f8:bad::${i.toString(16)}`, late: '2a01:4f8:600d::1' },
    ];
    for (const { crowd, late } of cases) {
      const node = new SimNode(net);
      const puppets = Array.from(
        { length: 2 * MAX_STRANGERS_ASKED },
        (_, i) => new Puppet(net, { ip: crowd(i), port: 30303 }, NOWHERE),
      );
      const latecomer = new Puppet(net, { ip: late, port: 30303 }, NOWHERE);
      for (const puppet of [...puppets, latecomer]) puppet.meet(node);
      latecomer.messages();
      for (const puppet of [...puppets, latecomer])
        net.send(puppet.sealed(node, ping), puppet.endpoint, node.endpoint);
      net.env.advance(100);
      expect(latecomer.messages().map(({ kind }) => kind)).toContain('findNode');
    }
  });

  it('and that has moved is taken in where its record says, once it does', () => {
    const { net, first, having } = network(4);
    const node = new SimNode(net, { seeds: [first.node] }).start();
    net.env.advance(60_000);
    expect(having(node)).toBe(4);
    node.moveTo({ ip: node.endpoint.ip, port: 40_000 });
    net.env.advance(15 * 60_000);
    expect(having(node)).toBe(0);
    node.record = node.signed(2n, node.endpoint);
    net.env.advance(10 * 60_000);
    expect(having(node)).toBe(4);
  });

  it('shakes hands anew when its record has come to name another place, and for nothing else', () => {
    const { network, a, b } = pair();
    const challengesOf = (record: SimNode['record']): number => {
      a.record = record;
      const before = b.engine.stats().challenges;
      const ping = a.ping(b.node);
      network.env.advance(1_000);
      expect(ping.result).toBeDefined();
      return b.engine.stats().challenges - before;
    };
    expect(challengesOf(a.signed(1n, undefined))).toBe(1);
    expect(challengesOf(a.signed(2n, undefined, { snap: true }))).toBe(0);
    expect(challengesOf(a.signed(3n, a.endpoint))).toBe(1);
    expect(challengesOf(a.signed(4n, a.endpoint, { snap: true }))).toBe(0);
    expect(b.engine.table.get(a.id)?.record?.seq).toBe(3n);
  });

  it('and was cut off until nobody had it any more is taken in again by those that it asks', () => {
    const { net, first } = network(1);
    const nodes = Array.from({ length: 6 }, () => new SimNode(net, { seeds: [first.node] }).start());
    net.env.advance(2 * 60_000);
    expect(first.engine.table.live()).toHaveLength(6);
    let isCut = true;
    net.loses = ({ from, to }) => isCut && [from.ip, to.ip].includes(first.endpoint.ip);
    net.env.advance(10 * 60_000);
    expect(first.engine.table.size).toBe(0);
    isCut = false;
    net.env.advance(40 * 60_000);
    expect(first.engine.table.live()).toHaveLength(6);
    expect(nodes.every(({ engine }) => engine.table.isLive(first.id))).toBe(true);
  });
});

describe('FindNode', () => {
  it('is answered at distance 0 with the own record, and with nobody at others', () => {
    const { network, a, b } = pair();
    const own = a.findNode(b.node, [0, 257, 300, 0]);
    const nobody = a.findNode(b.node, [257, 2 ** 40]);
    const many = a.findNode(
      b.node,
      Array.from({ length: 300 }, (_, i) => i),
    );
    network.env.advance(1_000);
    expect(own.result?.map(({ nodeId }) => toBareHex(nodeId))).toEqual([toBareHex(b.id)]);
    expect([nobody.result, many.result?.length]).toEqual([[], 1]);
  });

  it('gives a record once, however often its distance is asked for', () => {
    const network = new Network();
    const node = new SimNode(network);
    const puppet = new Puppet(network).meet(node);
    puppet.messages();
    const distances = Array.from({ length: 300 }, () => 0);
    puppet.say(node, encodeMessage({ kind: 'findNode', requestId: Uint8Array.of(1), distances }));
    expect(puppet.messages()).toMatchObject([{ kind: 'nodes', total: 1, records: [node.record.encoded] }]);
  });

  it('gives sixteen records in packets of at most 1,280 bytes, at the distances that were asked for', () => {
    const network = new Network({ log: true });
    const hub = new SimNode(network);
    const others = Array.from({ length: 60 }, () => new SimNode(network));
    for (const other of others) other.ping(hub.node);
    network.env.advance(1_000);
    const asking = new SimNode(network);
    const distances = [256, 255, 254];
    const found = asking.findNode(hub.node, distances);
    network.env.advance(1_000);
    expect(found.result).toHaveLength(16);
    const at = (found.result ?? []).map(({ nodeId }) => logDistance(hub.id, nodeId));
    expect(at.every((distance) => distances.includes(distance))).toBe(true);
    expect(Math.max(...(network.log ?? []).map(({ packet }) => packet.length))).toBeLessThanOrEqual(1_280);
  });
});

describe('TalkReq', () => {
  it('is answered by whoever knows the protocol, at once or later, and with nothing where nobody does', () => {
    const network = new Network();
    const later: (() => void)[] = [];
    const b = new SimNode(network, {
      talk({ protocol, request, respond }) {
        const name = new TextDecoder().decode(protocol);
        if (name === 'echo') respond(request);
        if (name === 'later') later.push(() => respond(Uint8Array.of(9)));
        return name === 'echo' || name === 'later';
      },
    });
    const a = new SimNode(network);
    const say = (protocol: string) =>
      a.ask<Uint8Array>((done) =>
        a.engine.talk(b.node, new TextEncoder().encode(protocol), Uint8Array.of(1, 2), a.now, done),
      );
    const [echo, slow, unknown] = [say('echo'), say('later'), say('none')];
    network.env.advance(300);
    expect([echo.result, slow.isDone, unknown.result]).toEqual([
      Uint8Array.of(1, 2),
      false,
      new Uint8Array(),
    ]);
    for (const respond of [...later, ...later]) respond();
    network.env.advance(100);
    expect(slow.result).toEqual(Uint8Array.of(9));
  });
});

describe('long requests', () => {
  it('wait for a session, as they do not fit into a packet with a handshake; what fits into none is refused', () => {
    const network = new Network({ log: true });
    const b = new SimNode(network, {
      talk({ request, respond }) {
        respond(request.subarray(0, 9));
        return true;
      },
    });
    const a = new SimNode(network);
    const talk = (length: number, done: (answer: Uint8Array | undefined) => void = () => undefined) =>
      a.engine.talk(b.node, Uint8Array.of(1), new Uint8Array(length), a.now, done);
    const long = a.ask<Uint8Array>((done) => talk(1_170, done));
    network.env.advance(1_000);
    // In a session of which the other side has lost the keys, too.
    const again = new SimNode(network, { secretKey: b.secretKey, endpoint: b.endpoint });
    const longAgain = a.ask<Uint8Array>((done) => talk(1_170, done));
    network.env.advance(1_000);
    expect([long.result?.length, longAgain.result?.length]).toEqual([9, 0]);
    expect(again.engine.stats().receivedOf.talkRequest).toBe(1);
    expect(Math.max(...(network.log ?? []).map(({ packet }) => packet.length))).toBeLessThanOrEqual(1_280);
    expect(codeOf(() => talk(1_190))).toBe('invalid-argument');
    expect(a.engine.sizes().requests).toBe(0);
  });
});

describe('lookups', () => {
  it('find the nodes closest to an id', () => {
    const network = new Network({ seed: 7 });
    const first = new SimNode(network).start();
    const nodes = [
      first,
      ...Array.from({ length: 29 }, () => new SimNode(network, { seeds: [first.node] }).start()),
    ];
    network.env.advance(30_000);
    const target = network.env.randomBytes(32);
    const run = first.lookup(target);
    network.env.advance(10_000);
    expect(run.isDone).toBe(true);
    const closest = nodes
      .filter((node) => node !== first)
      .toSorted((a, b) => compareDistance(target, a.id, b.id))
      .slice(0, 16)
      .map(({ id }) => toBareHex(id));
    const found = run.result.map(({ id }) => toBareHex(id));
    const recall = closest.filter((id) => found.includes(id)).length;
    expect(recall).toBeGreaterThanOrEqual(15);
  });
});
