import { describe, expect, it } from 'vitest';
import type { Connection } from '../../src/server/connection.ts';
import type { Peer } from '../../src/server/peer.ts';
import { PeerSet } from '../../src/server/peers.ts';
import { codeOf } from '../support/errors.ts';

const connection = (remoteAddress: string, { inbound = true, confirmedPeer = true } = {}): Connection =>
  ({ remoteAddress, inbound, confirmedPeer }) as Connection;

/** A set that takes in whoever comes, as a server does. */
function setUp(maxPeers: number, maxInboundPeers = maxPeers) {
  const set = new PeerSet({ maxPeers, maxDialedPeers: maxPeers, maxInboundPeers });
  const connections = new Map<string, Connection>();
  let count = 0;
  const come = (one: Connection, isStatic = false): Connection | undefined => {
    const key = `${count++}`;
    const displaced = set.place(key, one, isStatic);
    set.add(key, {} as Peer, one, isStatic);
    connections.set(key, one);
    if (displaced !== undefined) for (const each of [...set.keys()]) set.remove(each, displaced);
    return displaced;
  };
  const fill = (ips: (i: number) => string, options?: Parameters<typeof connection>[1]): number => {
    let taken = 0;
    while (taken < 2 * maxPeers && codeOf(() => come(connection(ips(taken), options))) === 'none') taken++;
    return taken;
  };
  /** The one that came first is gone. */
  const leave = (): void => {
    for (const [key, one] of connections) {
      expect(set.remove(key, one)).toBe(true);
      return;
    }
  };
  return { set, come, leave, fill };
}

describe('inbound peers', () => {
  it.each([
    ['IPv4 /24', (i: number) => `9.9.9.${i}`, 10],
    ['IPv6 /48', (i: number) => `2a01:9:9::${i}`, 10],
    ['IPv6 /32', (i: number) => `2a01:9:${i}::1`, 25],
    ['LAN', (i: number) => `192.168.1.${i}`, 50],
    ['machine', () => '127.0.0.1', 50],
    ['internet', (i: number) => `9.9.${i}.1`, 50],
  ])('of one %s take some of fifty slots at most', (_, ips, limit) => {
    const { leave, fill } = setUp(50);
    expect(fill(ips)).toBe(limit);
    expect(fill((i) => `8.8.${i}.1`)).toBe(50 - limit);
    leave();
    expect(fill(ips)).toBe(1);
  });

  it('that are static, or were dialed, count for no network', () => {
    const { come, fill } = setUp(10);
    for (let i = 0; i < 5; i++) come(connection('9.9.9.1'), true);
    for (let i = 0; i < 5; i++) come(connection('9.9.9.1', { inbound: false }));
    expect(fill((i) => `9.9.9.${i}`)).toBe(2);
  });

  it('leave the slots of those that are dialed', () => {
    const { set, come, fill } = setUp(10, 7);
    expect(fill((i) => `9.9.${i}.1`)).toBe(7);
    expect([set.isFullForInbound, set.freeDialSlots]).toEqual([true, 3]);
    for (let i = 0; i < 3; i++) come(connection('9.9.9.1', { inbound: false }));
    expect(codeOf(() => come(connection('9.9.9.1', { inbound: false })))).toBe('too-many-peers');
    expect([set.isFullForInbound, set.freeDialSlots]).toEqual([true, 0]);
  });

  it('take no slot from when the user names them, and one again when he does not any more', () => {
    const { set, come } = setUp(2);
    for (let i = 0; i < 2; i++) come(connection('9.9.9.1'), i > 0);
    expect(codeOf(() => come(connection('9.9.9.2')))).toBe('too-many-peers');
    set.regrade('0', true);
    expect(set.counts.kept).toBe(2);
    expect(come(connection('9.9.9.3'))).toBeUndefined();
    set.regrade('0', false);
    set.regrade('unknown', false);
    expect(set.counts.kept).toBe(1);
    expect(codeOf(() => come(connection('8.8.8.8'), true))).toBe('none');
    expect(codeOf(() => come(connection('7.7.7.7')))).toBe('too-many-peers');
  });

  it('of a crowded network get the place of one of it that no protocol has confirmed', () => {
    const { come } = setUp(10);
    const other = connection('8.8.8.8', { confirmedPeer: false });
    const [first, second] = [connection('9.9.9.1', { confirmedPeer: false }), connection('9.9.9.2')];
    for (const one of [other, first, second]) expect(come(one)).toBeUndefined();
    expect(come(connection('9.9.9.3'))).toBe(first);
    expect(codeOf(() => come(connection('9.9.9.4')))).toBe('too-many-peers');
    expect(come(connection('7.7.7.7'))).toBeUndefined();
  });
});
