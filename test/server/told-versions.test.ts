import { describe, expect, it } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { PeerlaneError } from '../../src/base/errors.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { signRecord } from '../../src/enr/index.ts';
import { type KadNode, kadNode } from '../../src/kad/index.ts';
import {
  type DiscoveryVersion,
  type DiscoveryVersionEvent,
  FEW_NODES,
  TOLD_MS,
  type ToldService,
  ToldVersions,
} from '../../src/server/told-versions.ts';

const place = { ip: '20.0.0.1', udp: 30_303 };

function aNode(): KadNode {
  const key = generateSecretKey(systemEnv);
  const record = signRecord(key, { seq: 1n, entries: place });
  return kadNode({ publicKey: publicKeyOf(key), ip: place.ip, udpPort: place.udp, tcpPort: 0, record });
}

/** A service with so many nodes, some of which are there, and those of which it was told. */
class Service implements ToldService {
  readonly told: KadNode[] = [];
  readonly known = new Set<string>();
  readonly live = new Set<string>();
  size = 0;
  port = 30_303;
  hasWay = true;

  readonly table = this.#table();

  reaches(): boolean {
    return this.hasWay;
  }

  addNode(node: KadNode): void {
    this.told.push(node);
  }

  #table(): ToldService['table'] {
    const service = this;
    return {
      get size() {
        return service.size;
      },
      has: (id) => service.known.has(toBareHex(id)),
      isLive: (id) => service.live.has(toBareHex(id)),
    };
  }
}

function both() {
  const [v4, v5] = [new Service(), new Service()];
  const clock = { time: 0, now: () => clock.time };
  const versions = new ToldVersions(clock);
  const heard = (version: DiscoveryVersion, event: DiscoveryVersionEvent) =>
    versions.heard(version, event, { v4, v5 });
  const answered = (node: KadNode) => {
    const seenAs = { endpoint: { ip: '20.0.0.2', port: 1 }, by: { ip: '20.0.0.1', port: 1 } };
    return heard('v5', { kind: 'node-answered', node, seenAs } as unknown as DiscoveryVersionEvent);
  };
  return { v4, v5, clock, versions, heard, answered };
}

describe('what one version of discovery is told by the other', () => {
  it('is who has answered v5, and whose record has come by v4', () => {
    const { v4, v5, heard, answered } = both();
    const [a, b] = [aNode(), aNode()];
    expect(answered(a)).toBe(true);
    expect(v4.told).toEqual([a]);
    if (b.record === undefined) throw new Error('it has one');
    const event = { kind: 'record-received', node: { ...b, record: undefined }, record: b.record } as const;
    expect(heard('v4', event)).toBe(true);
    expect(v5.told).toEqual([b]);
  });

  it('is nobody as soon as it knows enough', () => {
    const { v4, answered } = both();
    v4.size = FEW_NODES;
    answered(aNode());
    expect(v4.told).toEqual([]);
    v4.size--;
    answered(aNode());
    expect(v4.told).toHaveLength(1);
  });

  it('is nobody whom it knows, to whom it has no way, or while it does not run', () => {
    const { v4, versions, answered } = both();
    const known = aNode();
    v4.known.add(toBareHex(known.id));
    answered(known);
    v4.hasWay = false;
    answered(aNode());
    v4.hasWay = true;
    v4.port = 0;
    answered(aNode());
    v4.port = 30_303;
    versions.close();
    answered(aNode());
    expect(v4.told).toEqual([]);
  });

  it('is the same one once in a minute', () => {
    const { v4, clock, answered } = both();
    const node = aNode();
    answered(node);
    clock.time += TOLD_MS - 1;
    answered(node);
    expect(v4.told).toHaveLength(1);
    clock.time++;
    answered(node);
    expect(v4.told).toHaveLength(2);
  });
});

describe('a server hears of a node that is silent', () => {
  const silent = (node: KadNode) => ({ kind: 'node-silent', node }) as const;

  it.each(['v4', 'v5'] as const)('by %s, unless it answers the other version', (version) => {
    const { v4, v5, heard } = both();
    const node = aNode();
    expect(heard(version, silent(node))).toBe(true);
    (version === 'v4' ? v5 : v4).live.add(toBareHex(node.id));
    expect(heard(version, silent(node))).toBe(false);
  });

  it('once, where both know it', () => {
    const { v4, v5, heard } = both();
    const node = aNode();
    for (const { known } of [v4, v5]) known.add(toBareHex(node.id));
    expect([heard('v4', silent(node)), heard('v5', silent(node))]).toEqual([true, false]);
  });
});

it('a server hears once that the socket has failed', () => {
  const { v5, versions, heard } = both();
  const event = { kind: 'listener-failed', error: new PeerlaneError('listen-failed', 'it is gone') } as const;
  expect([heard('v4', event), heard('v5', event)]).toEqual([true, false]);
  expect(versions.heard('v5', event, { v4: undefined, v5 })).toBe(true);
});
