import { describe, expect, it } from 'vitest';
import { cheapDiscv5Crypto, MadeUpRecords } from '../../bench/sim/v5-crypto.ts';
import { TOPIC_DISCOVERY_VERSION, topicDiscoveryEntries } from '../../src/enr/index.ts';
import type { UdpEndpoint } from '../../src/kad/index.ts';
import { SimNode } from '../discv5/network.ts';
import { Network } from '../support/packet-network.ts';

describe('an advertiser on both families whose record names IPv6 alone', () => {
  it('is kept by registrars that are known by IPv4 and have an address of IPv6, too', () => {
    const network = new Network({ seed: 3 });
    const others = new Map<string, UdpEndpoint>();
    const records = new MadeUpRecords();
    const crypto = cheapDiscv5Crypto(records);
    const send = network.send.bind(network);
    // Whoever has both sends from that of the family that it sends to.
    network.send = (packet, from, to) => {
      const other = others.get(from.ip);
      send(packet, other?.ip.includes(':') === to.ip.includes(':') ? other : from, to);
    };
    const onBoth = (n: number, seeds: readonly SimNode[], isAtBoth: boolean): SimNode => {
      const [endpoint, six] = [`30.${n}.1.1`, `2600:${n + 16}::1`].map((ip) => ({ ip, port: 30_303 }));
      if (endpoint === undefined || six === undefined) throw new Error('there are two');
      const place = { ip6: six.ip, udp6: six.port };
      const entries = {
        ...(isAtBoth ? { ...place, ip: endpoint.ip, udp: endpoint.port } : place),
        ...topicDiscoveryEntries(TOPIC_DISCOVERY_VERSION),
      };
      const nodes = seeds.map(({ node }) => node);
      const node = new SimNode(network, { endpoint, isPublic: false, seeds: nodes, entries, crypto });
      records.add(node.record);
      others.set(endpoint.ip, six).set(six.ip, endpoint);
      network.attach(six, node);
      return node.start();
    };
    const registrars: SimNode[] = [];
    for (let n = 1; n <= 45; n++) registrars.push(onBoth(n, registrars.slice(0, 1), true));
    network.env.advance(60_000);
    const placed = (n: number, isAtBoth: boolean) => {
      const advertiser = onBoth(n, registrars.slice(0, 3), isAtBoth);
      network.env.advance(60_000);
      const advertisement = advertiser.engine.advertise(new Uint8Array(32).fill(n), advertiser.now);
      advertiser.schedule();
      network.env.advance(60_000);
      return advertisement.stats.active + advertisement.stats.pending;
    };
    expect(placed(101, false)).toBeGreaterThan(0.8 * placed(102, true));
  });
});
