import { describe, expect, it } from 'vitest';
import { encodeMessage } from '../../src/discv5/index.ts';
import { type EntryChanges, signRecord } from '../../src/enr/index.ts';
import { TABLE_NETWORK_LIMIT, type UdpEndpoint } from '../../src/kad/index.ts';
import { freshEndpoint, Network } from '../support/packet-network.ts';
import { SimNode } from './network.ts';
import { Puppet } from './puppet.ts';

/** Packets that a node has sent to an address. */
const sentTo = (network: Network, { endpoint }: SimNode, ip: string) =>
  (network.log ?? []).filter(({ from, to }) => from.ip === endpoint.ip && to.ip === ip).length;

const NOWHERE: EntryChanges = { ip: undefined, udp: undefined };
const UNBELIEVABLE: readonly (readonly [from: string, ip: string, udp: number])[] = [
  ['8.8.1.8', '127.0.0.1', 2222],
  ['8.8.2.8', '10.0.0.5', 5353],
  ['8.8.3.8', '192.168.1.1', 1611],
  ['8.8.4.8', '169.254.169.254', 8080],
  ['8.8.5.8', '100.64.0.1', 5353],
  ['8.8.6.8', '198.18.0.1', 5353],
  ['192.168.1.7', '127.0.0.1', 2222],
  ['8.8.7.8', '9.9.9.9', 53],
  ['8.8.8.8', '8.8.8.8', 1023],
];

describe('whoever says that it is elsewhere than its packets come from', () => {
  it.each(UNBELIEVABLE)('is not believed where it may not be: from %s at %s port %i', (from, ip, udp) => {
    const network = new Network({ log: true });
    const node = new SimNode(network).start();
    const record = { ip, udp };
    new Puppet(network, { ip: from, port: 30303 }, record).meet(node);
    // In a session by which it says that its record is newer, too.
    const later = new Puppet(network, { ip: from, port: 30304 }, NOWHERE).meet(node);
    tellsOf(network, later, node, record);
    // And when it was where it said before.
    const known = new Puppet(network, { ip: from, port: 30305 }).meet(node);
    expect(node.engine.table.has(known.id)).toBe(true);
    tellsOf(network, known, node, record);
    network.env.advance(20_000);
    if (from === ip) expect(network.log?.some(({ to }) => to.port === udp)).toBe(false);
    else expect(sentTo(network, node, ip)).toBe(0);
    expect(node.engine.table.size).toBe(0);
  });

  it.each([
    ['a port that is forwarded', { ip: '8.8.1.8', port: 41_234 }, { ip: '8.8.1.8', port: 30_303 }],
    ['another address', { ip: '8.8.1.8', port: 41_234 }, { ip: '9.9.1.9', port: 30_303 }],
    ['the other family', { ip: '2606:4700::5', port: 30_303 }, { ip: '9.9.1.9', port: 30_303 }],
    ['and back', { ip: '9.9.1.9', port: 30_303 }, { ip: '2606:4700::5', port: 30_303 }],
    ['out of a LAN', { ip: '192.168.1.5', port: 30_303 }, { ip: '9.9.1.9', port: 30_303 }],
    ['within a LAN', { ip: '192.168.1.5', port: 30_303 }, { ip: '10.0.0.5', port: 30_303 }],
    ['on this machine', { ip: '127.0.0.5', port: 30_303 }, { ip: '127.0.0.1', port: 30_304 }],
  ])('is taken in when it answers there: %s', (_, from, listens) => {
    const network = new Network();
    const node = new SimNode(network).start();
    const stranger = new SimNode(network, { endpoint: listens });
    // Its packets come from another place: that is where its session is, and it hears at both.
    stranger.endpoint = from;
    network.attach(from, stranger);
    const ping = stranger.ping(node.node);
    network.env.advance(500);
    expect(ping.result).toBeDefined();
    expect(node.engine.table.isLive(stranger.id)).toBe(false);
    stranger.endpoint = listens;
    network.env.advance(10_000);
    expect(node.engine.table.get(stranger.id)).toMatchObject({ ip: listens.ip, udpPort: listens.port });
    expect(node.engine.table.isLive(stranger.id)).toBe(true);
  });

  it('has as many places of a table as an address has, and drives out nobody', () => {
    const network = new Network({ log: true });
    const node = new SimNode(network);
    const honest = Array.from({ length: 120 }, () => new SimNode(network));
    for (const other of honest) node.engine.addNamed(other.node, node.now);
    const all = () => [...node.engine.table.entries(), ...node.engine.table.replacements()];
    const known = new Set(all().map(({ ip }) => ip));
    expect(node.engine.table.replacements().length).toBeGreaterThan(10);
    let strangers = 0;
    for (let i = 0; i < 100; i++) {
      const endpoint: UdpEndpoint = { ip: '66.6.6.6', port: 2_000 + i };
      new Puppet(network, endpoint, { ip: freshEndpoint().ip, udp: 30_303 }).meet(node);
      strangers = Math.max(strangers, all().filter(({ ip }) => !known.has(ip)).length);
    }
    const ips = new Set(all().map(({ ip }) => ip));
    expect([...known].filter((ip) => !ips.has(ip))).toEqual([]);
    expect(strangers).toBeGreaterThan(2);
    expect(strangers).toBeLessThanOrEqual(TABLE_NETWORK_LIMIT);
  });
});

/** Says by a Ping that its record is newer, and answers with one of these entries when it is asked. */
function tellsOf(network: Network, puppet: Puppet, node: SimNode, entries: EntryChanges): void {
  const record = signRecord(puppet.secretKey, { seq: 5n, entries });
  puppet.say(node, encodeMessage({ kind: 'ping', requestId: Uint8Array.of(1), enrSeq: 5n }));
  const asked = puppet.messages().find(({ kind }) => kind === 'findNode');
  if (asked === undefined) throw new Error('the record was not asked for');
  const { requestId } = asked;
  puppet.say(node, encodeMessage({ kind: 'nodes', requestId, total: 1, records: [record.encoded] }));
  network.env.advance(100);
}
