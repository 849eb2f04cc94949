import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, fromHex, toBareHex } from '../../src/base/bytes.ts';
import { keccak256, sign } from '../../src/crypto/index.ts';
import {
  encodeMessage,
  MAX_EXPIRATION_S,
  type Message,
  type Neighbor,
  withHash,
} from '../../src/discv4/index.ts';
import { nodeIdOf } from '../../src/enr/index.ts';
import type { KadNode, UdpEndpoint } from '../../src/kad/index.ts';
import { MAX_REQUESTS } from '../../src/kad/index.ts';
import { encode, encodeList, uint } from '../../src/rlp/index.ts';
import { Network } from '../support/packet-network.ts';
import { runs } from '../support/runs.ts';
import { Puppet, SimNode } from './network.ts';

const SECRET_KEY = new Uint8Array(32).fill(0x11);
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

function setUp(puppetEndpoint?: UdpEndpoint, nodeEndpoint?: UdpEndpoint) {
  const network = new Network({ log: true });
  const node = new SimNode(network, nodeEndpoint === undefined ? {} : { endpoint: nodeEndpoint });
  const puppet = new Puppet(network, puppetEndpoint, SECRET_KEY);
  const bond = () => {
    puppet.answerPings(node);
    puppet.ping(node);
    network.env.advance(200);
    puppet.onMessage = () => undefined;
    puppet.received.length = 0;
  };
  /** The kinds of what comes back. */
  const answers = (packet: Uint8Array) => {
    puppet.received.length = 0;
    puppet.sendPacket(node, packet);
    network.env.advance(100);
    return puppet.received.map(({ kind }) => kind);
  };
  const pingContent = (fields: Partial<Message> = {}) => {
    const endpoint = { ip: '1.2.3.4', udpPort: 30303, tcpPort: 30303 };
    const ping = { kind: 'ping', from: endpoint, to: endpoint, expiration: puppet.expiration } as const;
    return encodeMessage({ ...ping, ...fields } as Message);
  };
  return { network, node, puppet, bond, answers, pingContent };
}

describe('packets that are refused', () => {
  it('a wrong hash', () => {
    const { node, puppet, answers, pingContent } = setUp();
    const packet = puppet.sealContent(pingContent());
    packet[0] = (packet[0] ?? 0) ^ 1;
    expect(answers(packet)).toEqual([]);
    expect(node.engine.stats().dropped.foreign).toBe(1);
  });

  it('a bad signature, or one with s in the upper half', () => {
    const { node, answers, pingContent } = setUp();
    const content = pingContent();
    const signature = sign(keccak256(content), SECRET_KEY);
    const s = ORDER - BigInt(`0x${toBareHex(signature.subarray(32, 64))}`);
    const high = concatBytes(
      signature.subarray(0, 32),
      fromHex(s.toString(16).padStart(64, '0')),
      Uint8Array.of((signature[64] ?? 0) ^ 1),
    );
    expect(answers(withHash(high, content))).toEqual([]);
    expect(answers(withHash(new Uint8Array(65), content))).toEqual([]);
    expect(node.engine.stats().dropped.signature).toBe(2);
    expect(answers(withHash(signature, content))).toEqual(['pong', 'ping']);
  });

  it('an expired one, or one that will be valid for hours, of any type', () => {
    const { node, puppet, bond, answers } = setUp();
    bond();
    const now = puppet.expiration - 20;
    const endpoint = { ip: '1.2.3.4', udpPort: 30303, tcpPort: 30303 };
    const asked = node.ask<KadNode[]>((done) =>
      node.engine.findNode(puppet.node, node.publicKey, node.now, done),
    );
    const of = (expiration: number): Message[] => [
      { kind: 'ping', from: endpoint, to: endpoint, expiration },
      { kind: 'pong', to: endpoint, pingHash: new Uint8Array(32), expiration },
      { kind: 'findNode', target: puppet.publicKey, expiration },
      { kind: 'neighbors', nodes: [], expiration },
      { kind: 'enrRequest', expiration },
    ];
    // The last moment counts.
    for (const message of of(now - 1)) expect(answers(puppet.seal(message))).not.toContain('pong');
    for (const message of of(now + MAX_EXPIRATION_S + 2)) {
      expect(answers(puppet.seal(message))).not.toContain('pong');
    }
    expect(node.engine.stats().dropped).toMatchObject({ expired: 5, 'far-future': 5 });
    expect(asked.result).toBeUndefined();
    // By now its question has been left unanswered twice: it pings before it asks once more.
    expect(
      answers(puppet.seal(of(now + MAX_EXPIRATION_S)[0] ?? { kind: 'enrRequest', expiration: 0 })),
    ).toEqual(['ping', 'pong']);
  });

  it('a type that does not exist', () => {
    const { node, puppet, answers, pingContent } = setUp();
    const content = pingContent();
    content[0] = 7;
    expect(answers(puppet.sealContent(content))).toEqual([]);
    expect(node.engine.stats().dropped.foreign).toBe(1);
  });

  it('the type of another packet', () => {
    const { node, puppet, bond, answers, pingContent } = setUp();
    bond();
    for (const type of [2, 3, 4, 6]) {
      const content = pingContent();
      content[0] = type;
      expect(answers(puppet.sealContent(content))).toEqual([]);
    }
    expect(node.engine.stats().dropped.malformed).toBe(4);
  });

  it('ports above 65,535', () => {
    const { node, puppet, answers } = setUp();
    const endpoint = encodeList([fromHex('8401020304'), encode(uint(32), 70_000), encode(uint(32), 0)]);
    const ping = encodeList([fromHex('04'), endpoint, endpoint, encode(uint(53), puppet.expiration)]);
    expect(answers(puppet.sealContent(concatBytes(Uint8Array.of(1), ping)))).toEqual([]);
    expect(node.engine.stats().dropped.malformed).toBe(1);
  });

  it('one that seems to come from port 0, from us, or from where no host is', () => {
    const { network, node, puppet, pingContent } = setUp();
    for (const from of ['0.0.0.0', '224.0.0.1', '255.255.255.255', 'ff02::1', '::', 'nowhere']) {
      puppet.ping(node, { ip: from, port: 30303 });
    }
    puppet.ping(node, { ip: '9.9.9.9', port: 0 });
    network.env.advance(100);
    expect(node.engine.stats().dropped.foreign).toBe(7);
    const own = new SimNode(network, { secretKey: SECRET_KEY, endpoint: { ip: '8.8.4.4', port: 30303 } });
    puppet.sendPacket(own, puppet.sealContent(pingContent()));
    network.env.advance(100);
    expect(own.engine.stats()).toMatchObject({ sent: 0, dropped: { own: 1 } });
  });
});

describe('packets that are taken', () => {
  it('one with items behind the last, and bytes behind the list', () => {
    const { puppet, answers, pingContent } = setUp();
    const padded = concatBytes(pingContent(), fromHex('c0ffee00'));
    expect(answers(puppet.sealContent(padded))).toEqual(['pong', 'ping']);
  });

  it('one from an IPv4 address inside an IPv6 address, as from the IPv4 address', () => {
    const { network, node, puppet } = setUp({ ip: '77.1.2.3', port: 30303 });
    puppet.answerPings(node);
    puppet.ping(node, { ip: '::ffff:77.1.2.3', port: 30303 });
    network.env.advance(200);
    expect(node.engine.table.entries().map(({ ip }) => ip)).toEqual(['77.1.2.3']);
  });

  it('a Ping of port 0 is answered where it came from', () => {
    const { puppet, answers, pingContent } = setUp();
    const nowhere = { ip: '0.0.0.0', udpPort: 0, tcpPort: 0 };
    expect(answers(puppet.sealContent(pingContent({ from: nowhere, to: nowhere })))).toEqual([
      'pong',
      'ping',
    ]);
  });
});

describe('relayed nodes', () => {
  /** Which of the addresses the node takes from a puppet at `sender`. */
  function relay(sender: string, nodes: readonly Partial<Neighbor>[]): string[] {
    const { network, node, puppet, bond } = setUp({ ip: sender, port: 30303 }, { ip: sender, port: 30304 });
    bond();
    network.env.advance(1_000);
    const asked = node.ask<KadNode[]>((done) =>
      node.engine.findNode(puppet.node, node.publicKey, node.now, done),
    );
    network.env.advance(50);
    const all = nodes.map((fields, i) => {
      const publicKey = new Uint8Array(64).fill(i + 1);
      return { ip: '5.6.7.8', udpPort: 30303, tcpPort: 30303, publicKey, ...fields };
    });
    puppet.send(node, { kind: 'neighbors', nodes: all, expiration: puppet.expiration });
    network.env.advance(500);
    return asked.result?.map(({ ip, udpPort }) => (udpPort === 30303 ? ip : `${ip} ${udpPort}`)) ?? [];
  }

  const addresses = [
    ...['0.0.0.0', '127.0.0.1', '10.0.0.1', '224.0.0.1', '255.255.255.255', '1.1.1.1'],
    ...['192.168.0.1', '::1', 'fe80::1', 'ff02::1', '2a00::1', '::ffff:10.0.0.1'],
  ].map((ip) => ({ ip }));

  it('from the internet may be anywhere there', () => {
    expect(relay('3.3.3.3', addresses)).toEqual(['1.1.1.1', '2a00::1']);
  });

  it('from a LAN may be there too', () => {
    expect(relay('10.9.9.9', addresses)).toEqual([
      ...['10.0.0.1', '1.1.1.1', '192.168.0.1', 'fe80::1', '2a00::1', '10.0.0.1'],
    ]);
  });

  it('from this machine may be on it', () => {
    expect(relay('127.0.0.1', addresses)).toEqual([
      ...['127.0.0.1', '10.0.0.1', '1.1.1.1', '192.168.0.1', '::1', 'fe80::1', '2a00::1', '10.0.0.1'],
    ]);
  });

  it('are not from the internet where no node of the internet can be', () => {
    const special = [
      ...['192.0.2.1', '198.51.100.1', '203.0.113.1', '198.18.0.1', '100.64.0.1', '192.88.99.1'],
      ...['2001:db8::1', '2002:7f00:1::1', '2001:0:1::1', '::7f00:1', '64:ff9b::7f00:1', '3fff::1'],
    ].map((ip) => ({ ip }));
    expect(relay('3.3.3.3', special)).toEqual([]);
    expect(relay('2a00::3', special)).toEqual([]);
    const outside = special.filter(({ ip }) => ip !== '64:ff9b::7f00:1').map(({ ip }) => ip);
    expect(relay('100.64.0.9', special)).toEqual(outside);
  });

  it('have a UDP port of 1,024 or more', () => {
    const ports = [0, 53, 1_023, 1_024, 65_535];
    expect(
      relay(
        '3.3.3.3',
        ports.map((udpPort) => ({ udpPort })),
      ),
    ).toEqual(['5.6.7.8 1024', '5.6.7.8 65535']);
  });

  it('are not ourselves, and not unsolicited', () => {
    const { network, node, puppet, bond } = setUp();
    bond();
    const { expiration } = puppet;
    const own = { ip: '5.6.7.8', udpPort: 30303, tcpPort: 30303, publicKey: node.publicKey };
    puppet.send(node, { kind: 'neighbors', nodes: [own], expiration });
    network.env.advance(600);
    expect(node.engine.stats().dropped.unsolicited).toBe(1);
    const asked = node.ask<KadNode[]>((done) =>
      node.engine.findNode(puppet.node, node.publicKey, node.now, done),
    );
    network.env.advance(50);
    puppet.send(node, { kind: 'neighbors', nodes: [own], expiration });
    network.env.advance(500);
    expect(asked.result).toEqual([]);
  });

  it('more than sixteen in one answer are not taken', () => {
    expect(
      relay(
        '3.3.3.3',
        Array.from({ length: 12 }, () => ({})),
      ),
    ).toHaveLength(12);
    const { network, node, puppet, bond } = setUp();
    bond();
    network.env.advance(1_000);
    const asked = node.ask<KadNode[]>((done) =>
      node.engine.findNode(puppet.node, node.publicKey, node.now, done),
    );
    network.env.advance(50);
    for (let part = 0; part < 3; part++) {
      const nodes = Array.from({ length: 12 }, (_, i) => {
        const publicKey = new Uint8Array(64).fill(12 * part + i + 1);
        return { ip: '5.6.7.8', udpPort: 30303, tcpPort: 30303, publicKey };
      });
      puppet.send(node, { kind: 'neighbors', nodes, expiration: puppet.expiration });
    }
    network.env.advance(500);
    expect(asked.result).toHaveLength(16);
  });
});

describe('amplification', () => {
  /** The packets of one exchange with an address that never answers, and what went there. */
  function exchange(count: number, everyMs: number, makePing: (puppet: Puppet) => Message) {
    const { network, node, puppet } = setUp();
    const [pongSize, pingSize] = [200, 200];
    for (let i = 0; i < count; i++) {
      puppet.send(node, makePing(puppet));
      puppet.send(node, { kind: 'findNode', target: puppet.publicKey, expiration: puppet.expiration });
      puppet.send(node, { kind: 'enrRequest', expiration: puppet.expiration });
      network.env.advance(everyMs);
    }
    network.env.advance(1_000);
    const sizes = new Map<string, number>();
    const sent =
      network.log?.filter(({ to }) => to === puppet.endpoint || to.ip === puppet.endpoint.ip) ?? [];
    for (const { packet } of sent) sizes.set(`${packet[97]}`, packet.length);
    const allowance = (sizes.get('1') ?? pingSize) + (sizes.get('2') ?? pongSize);
    return { excess: puppet.receivedBytes - puppet.sentBytes, allowance, puppet };
  }

  it('an address without a proof gets no more than it sent, and a Pong and a Ping', () => {
    const nowhere = { ip: '0.0.0.0', udpPort: 0, tcpPort: 0 };
    const small = ({ expiration }: Puppet): Message => {
      return { kind: 'ping', from: nowhere, to: nowhere, expiration };
    };
    for (const [count, everyMs] of [
      [1, 0],
      [300, 1],
      [300, 700],
      [50, 60_000],
    ] as const) {
      const { excess, allowance } = exchange(count, everyMs, small);
      expect(excess).toBeLessThanOrEqual(allowance);
    }
  });

  it('a node whose Pongs were lost is pinged again, and then answered', () => {
    const { network, node, puppet } = setUp();
    for (let i = 0; i < 50; i++) {
      puppet.ping(node);
      network.env.advance(5_000);
    }
    puppet.answerPings(node);
    for (let i = 0; i < 4; i++) {
      puppet.ping(node);
      network.env.advance(5_000);
    }
    expect(node.engine.table.has(nodeIdOf(puppet.publicKey))).toBe(true);
  });
});

describe('fuzz', () => {
  it('damaged packets do not stop an engine, nor make it forget whom it knows', () => {
    const { network, node, puppet, bond } = setUp();
    bond();
    puppet.answerPings(node);
    const endpoint = { ip: '1.2.3.4', udpPort: 30303, tcpPort: 30303 };
    const hash = new Uint8Array(32);
    const nodes = [{ ...endpoint, publicKey: puppet.publicKey }];
    const contentsOf = (expiration: number) => [
      encodeMessage({ kind: 'ping', from: endpoint, to: endpoint, expiration, enrSeq: 5n }),
      encodeMessage({ kind: 'pong', to: endpoint, pingHash: hash, expiration, enrSeq: 5n }),
      encodeMessage({ kind: 'findNode', target: puppet.publicKey, expiration }),
      encodeMessage({ kind: 'neighbors', nodes, expiration }),
      encodeMessage({ kind: 'enrRequest', expiration }),
      encodeMessage({ kind: 'enrResponse', requestHash: hash, record: node.record.encoded }),
    ];
    const change = fc.record({ at: fc.nat(250), to: fc.integer({ min: 0, max: 255 }) });
    const damage = fc.record({
      kind: fc.nat(5),
      changes: fc.array(change, { maxLength: 3 }),
      length: fc.nat(300),
      isSigned: fc.boolean(),
    });
    fc.assert(
      fc.property(damage, ({ kind, changes, length, isSigned }) => {
        const content = contentsOf(puppet.expiration)[kind] ?? new Uint8Array(0);
        const damaged = new Uint8Array(Math.max(1, length));
        damaged.set(content.subarray(0, damaged.length));
        for (const { at, to } of changes) if (at < damaged.length) damaged[at] = to;
        const packet = isSigned ? puppet.sealContent(damaged) : damaged;
        puppet.sendPacket(node, packet);
        // What it is to answer is sent as often as it may be.
        network.env.advance(50);
        puppet.received.length = 0;
      }),
      { numRuns: runs(1_500) },
    );
    const { requests, proofs } = node.engine.stats();
    expect(requests).toBeLessThanOrEqual(MAX_REQUESTS);
    expect([proofs, node.engine.table.size]).toEqual([1, 1]);
    const last = puppet.ping(node);
    network.env.advance(100);
    expect(puppet.take('pong').map(({ pingHash }) => pingHash)).toContainEqual(last);
    // A check of the one node that it knows may be under way.
    expect(node.engine.stats().requests).toBeLessThanOrEqual(1);
  });
});
