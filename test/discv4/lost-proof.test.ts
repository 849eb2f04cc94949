import { describe, expect, it } from 'vitest';
import { decodeMessage, isPacket, type Message } from '../../src/discv4/index.ts';
import type { KadNode, UdpEndpoint } from '../../src/kad/index.ts';
import { Network } from '../support/packet-network.ts';
import { SimNode } from './network.ts';

/** Loses the first packet of a kind that a host sends. */
class LosingNetwork extends Network {
  readonly sent: string[] = [];
  losesFirst: { kind: Message['kind']; from: UdpEndpoint } | undefined;

  override send(packet: Uint8Array, from: UdpEndpoint, to: UdpEndpoint): void {
    const kind = isPacket(packet) ? decodeMessage(packet)?.kind : undefined;
    const isLost =
      kind !== undefined && kind === this.losesFirst?.kind && from.ip === this.losesFirst.from.ip;
    this.sent.push(`${from.ip} ${kind}${isLost ? ' lost' : ''}`);
    if (isLost) this.losesFirst = undefined;
    else super.send(packet, from, to);
  }
}

describe('a node that passes over questions, as part of our proof got lost,', () => {
  for (const lost of ['ping', 'pong'] as const) {
    it(`is pinged and asked once more: its ${lost === 'ping' ? 'Ping' : 'Ping was answered, our Pong'} got lost`, () => {
      const network = new LosingNetwork();
      const a = new SimNode(network, {});
      const b = new SimNode(network, {});
      network.losesFirst = { kind: lost, from: lost === 'ping' ? b.endpoint : a.endpoint };
      const asked = a.ask<KadNode[]>((done) => a.engine.findNode(b.node, a.publicKey, a.now, done));
      network.env.advance(5_000);
      expect(network.sent).toContain(`${lost === 'ping' ? b.endpoint.ip : a.endpoint.ip} ${lost} lost`);
      // Twice with the proof missing, which is not answered, and once with it.
      expect(network.sent.filter((line) => line === `${a.endpoint.ip} findNode`)).toHaveLength(3);
      expect(network.sent.filter((line) => line === `${b.endpoint.ip} neighbors`)).toHaveLength(1);
      expect(b.engine.stats().dropped.unproven).toBe(2);
      expect(asked).toEqual({ result: [], isDone: true });
    });
  }
});
