/** Discovery that listens on an address of each family: two sockets, one table, one record. */
import { describe, expect, it } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { hasTopicDiscovery, signRecord } from '../../src/enr/index.ts';
import { bindUdp } from '../../src/io/udp.ts';
import { kadNode } from '../../src/kad/index.ts';
import {
  Discv4Service,
  type Discv4ServiceOptions,
  Discv5Service,
  type Discv5ServiceOptions,
} from '../../src/server/index.ts';
import { SharedUdp } from '../../src/server/shared-udp.ts';
import { rejectionOf } from '../support/errors.ts';
import { within } from '../support/within.ts';

const IPV4 = { host: '127.0.0.1', port: 0 };
const IPV6 = { host: '::1', port: 0 };
const newKey = () => generateSecretKey(systemEnv);

const KINDS = [
  [
    'v4',
    (options: Partial<Discv4ServiceOptions>) =>
      new Discv4Service({ key: newKey(), listen: IPV4, ...options }),
  ],
  [
    'v5',
    (options: Partial<Discv5ServiceOptions>) =>
      new Discv5Service({ key: newKey(), listen: IPV4, ...options }),
  ],
] as const;

describe.each(KINDS)('discovery %s on an address of each family', (_, make) => {
  it('names both in its record, with the ports of each', async () => {
    const node = make({ listen: [IPV6, IPV4], tcpPort: 7 });
    expect(node.endpoints).toEqual([]);
    await node.start();
    await within([node], async () => {
      const [six, four] = node.endpoints;
      expect([six?.host, four?.host, node.port]).toEqual(['::1', '127.0.0.1', six?.port]);
      const ports = { udp: four?.port, udp6: six?.port, tcp: 7, tcp6: 7 };
      expect(node.record.entries()).toMatchObject({ ip: '127.0.0.1', ip6: '::1', ...ports });
    });
  });

  it('is asked, and asks, by both', async () => {
    const both = make({ listen: [IPV4, IPV6] });
    const [four, six] = [make({ listen: IPV4 }), make({ listen: IPV6 })];
    await Promise.all([both, four, six].map((one) => one.start()));
    await within([both, four, six], async () => {
      expect((await four.ping(both.record.toString())).seenAs?.ip).toBe('127.0.0.1');
      expect((await six.ping(both.record.toString())).seenAs?.ip).toBe('::1');
      expect((await both.ping(four.record.toString())).seenAs?.ip).toBe('127.0.0.1');
      expect((await both.ping(six.record.toString())).seenAs?.ip).toBe('::1');
      await expect(four.ping(six.record.toString())).rejects.toMatchObject({ code: 'dial-failed' });
      const { publicKey } = four;
      const places = [IPV4, IPV6].map(({ host: ip }) => kadNode({ publicKey, ip, udpPort: 1, tcpPort: 0 }));
      expect(places.map((place) => both.reaches(place))).toEqual([true, true]);
      expect(places.map((place) => six.reaches(place))).toEqual([false, true]);
    });
  });

  it('has one table for both, and those of each are found by it', async () => {
    const added = new Set<string>();
    let told: () => void = () => undefined;
    const both = make({
      listen: [IPV4, IPV6],
      onEvent: (event) => {
        if (event.kind !== 'node-added') return;
        added.add(toBareHex(event.node.id));
        told();
      },
    });
    await both.start();
    const bootnodes = [both.record.toString()];
    const others = [make({ listen: IPV4, bootnodes }), make({ listen: IPV6, bootnodes })];
    await Promise.all(others.map((one) => one.start()));
    await within([both, ...others], async () => {
      while (added.size < 2) await new Promise<void>((resolve) => (told = resolve));
      const found = await both.findClosest(both instanceof Discv4Service ? both.publicKey : both.id);
      expect(new Set(found.map(({ ip }) => ip))).toEqual(new Set(['127.0.0.1', '::1']));
    });
  });

  it('asks a node at the other address of its record where nobody answers at the first', async () => {
    const key = newKey();
    const nobody = await bindUdp(IPV4, { message: () => undefined, failed: () => undefined });
    const of6 = () => (node.port === 0 ? {} : { ip6: '::1', udp6: node.port });
    const record = () =>
      signRecord(key, { seq: 1n, entries: { ip: '127.0.0.1', udp: nobody.port, ...of6() } });
    const node: Discv4Service | Discv5Service = make({ key, listen: IPV6, record });
    await node.start();
    const other = make({ listen: [IPV4, IPV6], bootnodes: [node.record.toString()] });
    await other.start();
    await within([node, other, nobody], async () => {
      // Half a second may be too short for a busy machine.
      const asked = () => rejectionOf(other.ping(node.record));
      await expect.poll(asked, { timeout: 20_000 }).toBe('none');
      const { nodeId } = node.record;
      const place = () => other.table.isLive(nodeId) && other.table.get(nodeId)?.ip;
      await expect.poll(place, { timeout: 20_000 }).toBe('::1');
    });
  });

  it('takes all addresses of each at one port', async () => {
    const first = make({ listen: { host: '0.0.0.0', port: 0 } });
    await first.start();
    const { port } = first;
    await first.close();
    const node = make({
      listen: [
        { host: '0.0.0.0', port },
        { host: '::', port },
      ],
    });
    const other = make({ listen: IPV6 });
    await Promise.all([node.start(), other.start()]);
    await within([node, other], async () => {
      expect(node.endpoints).toEqual([
        { host: '0.0.0.0', port },
        { host: '::', port },
      ]);
      expect(node.record.entries()).toMatchObject({ udp: port, udp6: port });
      await other.ping(kadNode({ publicKey: node.publicKey, ip: '::1', udpPort: port, tcpPort: 0 }));
    });
  });

  it('leaves no socket open when it cannot have both', async () => {
    const nothing = { message: () => undefined, failed: () => undefined };
    await using taken = await bindUdp(IPV6, nothing);
    await using free = await bindUdp(IPV4, nothing);
    const { port } = free;
    await free.close();
    const listen = [
      { ...IPV4, port },
      { ...IPV6, port: taken.port },
    ];
    const node = make({ listen });
    await expect(node.start()).rejects.toMatchObject({ code: 'port-in-use' });
    await using again = await bindUdp({ ...IPV4, port }, nothing);
    expect(again.port).toBe(port);
    await again.close();
    await taken.close();
    await node.start();
    await node.close();
  });

  it('names the address that the user tells in its family, and where it listens in the other', async () => {
    const node = make({ listen: [IPV4, IPV6], externalIp: '2001:db8::7' });
    await node.start();
    await within([node], async () => {
      const [four, six] = node.endpoints;
      const entries = { ip: '127.0.0.1', udp: four?.port, ip6: '2001:db8::7', udp6: six?.port };
      expect(node.record.entries()).toMatchObject(entries);
    });
  });

  it.each([
    ['no address', [], 'listen has no address'],
    [
      'two addresses of one family',
      [IPV4, { host: '127.0.0.2', port: 0 }],
      'listen has two addresses of one family',
    ],
    ['three', [IPV4, IPV6, { host: '127.0.0.2', port: 0 }], 'listen has two addresses of one family'],
    ['a name', [IPV4, { host: 'localhost', port: 0 }], 'listen[1]: listen.host is not an IP address'],
    ['an unknown key', [IPV4, { ...IPV6, family: 6 }], 'listen[1]: '],
  ])('refuses %s', (_, listen, message) => {
    expect(() => make({ listen })).toThrow(message);
  });
});

it('both versions on one socket have one record, whichever is made first', async () => {
  for (const isFirstV4 of [true, false]) {
    const [key, listen] = [newKey(), new SharedUdp(IPV4)];
    const make = {
      v4: () => new Discv4Service({ key, listen, tcpPort: 7, externalIp: '9.9.9.9' }),
      v5: () => new Discv5Service({ key, listen }),
    };
    const [first, second] = isFirstV4 ? [make.v4(), make.v5()] : [make.v5(), make.v4()];
    await first.start();
    await second.start();
    await within([first, second], async () => {
      expect(second.record.encoded).toEqual(first.record.encoded);
      expect(first.record.entries()).toMatchObject({ ip: '9.9.9.9', tcp: 7, udp: first.port });
      expect(hasTopicDiscovery(first.record)).toBe(true);
    });
  }
});

it('the record of a socket is of the services that run on it', async () => {
  const [key, listen] = [newKey(), new SharedUdp(IPV4)];
  const v4 = new Discv4Service({ key, listen });
  const v5 = new Discv5Service({ key, listen, tcpPort: 7 });
  // One that is never started.
  new Discv5Service({ key, listen, tcpPort: 8 });
  await v4.start();
  await within([v4, v5], async () => {
    expect([hasTopicDiscovery(v4.record), v4.record.get('tcp')]).toEqual([false, undefined]);
    await v5.start();
    const { seq } = v5.record;
    expect([hasTopicDiscovery(v4.record), v4.record.get('tcp')]).toEqual([true, 7]);
    await v5.close();
    expect([hasTopicDiscovery(v4.record), v4.record.get('tcp'), v4.record.seq > seq]).toEqual([
      ...[false, undefined, true],
    ]);
    await v4.close();
    const again = new Discv5Service({ key, listen, topics: false, tcpPort: 9 });
    await v5.close();
    await again.start();
    await within([again], async () => {
      expect([hasTopicDiscovery(again.record), again.record.get('tcp')]).toEqual([false, 9]);
      expect(again.record.seq > seq).toBe(true);
    });
  });
});

it('the record of a node of the other family is found with those who know it', async () => {
  const both = new Discv5Service({ key: newKey(), listen: [IPV4, IPV6] });
  await both.start();
  const bootnodes = [both.record.toString()];
  const [four, six] = [IPV4, IPV6].map((listen) => new Discv5Service({ key: newKey(), listen, bootnodes }));
  if (four === undefined || six === undefined) throw new Error('two');
  await Promise.all([four.start(), six.start()]);
  await within([both, four, six], async () => {
    await six.ping(both.record.toString());
    await expect
      .poll(async () => (await four.resolve(six.id))?.encoded, { timeout: 20_000 })
      .toEqual(six.record.encoded);
  });
});

it('two nodes on one socket have a record each', () => {
  const listen = new SharedUdp(IPV4);
  const [a, b] = [new Discv4Service({ key: newKey(), listen }), new Discv5Service({ key: newKey(), listen })];
  expect(a.record.publicKey).toEqual(a.publicKey);
  expect(b.record.publicKey).toEqual(b.publicKey);
});

it('both versions share two sockets', async () => {
  const [key, listen] = [newKey(), new SharedUdp([IPV4, IPV6])];
  const [v4, v5] = [new Discv4Service({ key, listen }), new Discv5Service({ key, listen })];
  const others = [IPV4, IPV6].flatMap((at) => [
    new Discv4Service({ key: newKey(), listen: at }),
    new Discv5Service({ key: newKey(), listen: at }),
  ]);
  const all = [v4, v5, ...others];
  await Promise.all(all.map((one) => one.start()));
  await within(all, async () => {
    expect(v4.endpoints).toEqual(v5.endpoints);
    expect(listen.endpoints).toEqual(v5.endpoints);
    for (const other of others) {
      const record = (other instanceof Discv4Service ? v4 : v5).record.toString();
      // Half a second may be too short for a busy machine.
      const asked = () => rejectionOf(other.ping(record));
      await expect.poll(asked, { timeout: 20_000 }).toBe('none');
    }
  });
});
