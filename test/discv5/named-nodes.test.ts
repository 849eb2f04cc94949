/** Whom a node names to those who ask. */
import { describe, expect, it } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import type { NodeRecord } from '../../src/enr/index.ts';
import type { UdpEndpoint } from '../../src/kad/index.ts';
import { Network } from '../support/packet-network.ts';
import { SimNode } from './network.ts';

const ALL = Array.from({ length: 256 }, (_, i) => 256 - i);

/** Whose records those are, of the nodes that there are. */
function among(nodes: Readonly<Record<string, SimNode>>, records: readonly NodeRecord[] | undefined) {
  const ids = new Set(records?.map(({ nodeId }) => toBareHex(nodeId)));
  return Object.keys(nodes).filter((name) => ids.has(toBareHex(nodes[name]?.id ?? new Uint8Array())));
}

function at(ip: string): { endpoint: UdpEndpoint } {
  return { endpoint: { ip, port: 30303 } };
}

describe('FindNode is answered', () => {
  it('with nodes that have been seen to be there, and none that others only have named', () => {
    const network = new Network();
    const hub = new SimNode(network);
    const nodes = { named: new SimNode(network), gone: new SimNode(network), met: new SimNode(network) };
    const asking = new SimNode(network);
    for (const { node } of [nodes.named, nodes.gone]) hub.engine.addNamed(node, hub.now);
    nodes.gone.stop();
    nodes.met.ping(hub.node);
    network.env.advance(500);
    const first = asking.findNode(hub.node, ALL);
    network.env.advance(500);
    expect(among(nodes, first.result)).toEqual(['met']);
    hub.ping(nodes.named.node);
    hub.ping(nodes.gone.node);
    network.env.advance(1_000);
    const second = asking.findNode(hub.node, ALL);
    network.env.advance(500);
    expect(among(nodes, second.result)).toEqual(['named', 'met']);
    // Whoever asks is no answer, though it is there.
    expect(hub.engine.table.isLive(asking.id)).toBe(true);
    expect(among({ asking }, second.result)).toEqual([]);
  });

  it('from out in the net with nobody in a LAN, and from a LAN with nobody on this machine', () => {
    const network = new Network();
    const hub = new SimNode(network);
    const nodes = {
      out: new SimNode(network),
      lan: new SimNode(network, at('192.168.0.5')),
      lan6: new SimNode(network, at('fd00::5')),
      here: new SimNode(network, at('127.0.0.5')),
    };
    for (const node of Object.values(nodes)) node.ping(hub.node);
    network.env.advance(500);
    const askers = [
      new SimNode(network),
      new SimNode(network, at('10.0.0.9')),
      new SimNode(network, at('127.0.0.9')),
    ];
    const asked = askers.map((asker) => asker.findNode(hub.node, ALL));
    network.env.advance(500);
    expect(asked.map(({ result }) => among(nodes, result))).toEqual([
      ['out'],
      ['out', 'lan', 'lan6'],
      ['out', 'lan', 'lan6', 'here'],
    ]);
  });
});
