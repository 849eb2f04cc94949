import { describe, expect, it } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { PeerlaneError } from '../../src/base/errors.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { type NodeRecord, signRecord } from '../../src/enr/index.ts';
import { type KadNode, kadNode } from '../../src/kad/index.ts';
import { type IdSearch, resolveId } from '../../src/server/resolve-record.ts';

const secretKey = generateSecretKey(systemEnv);
const entries = { ip: '20.0.0.1', udp: 30_303 };
const recordOf = (seq: bigint) => signRecord(secretKey, { seq, entries });
const place = { publicKey: publicKeyOf(secretKey), ip: entries.ip, udpPort: entries.udp, tcpPort: 0 };
const nodeWith = (record: NodeRecord) => kadNode({ ...place, record });

/** A search that meets these nodes, none of which answers for itself, and of which the last are the closest. */
function searching(met: readonly KadNode[], closest: readonly [KadNode, NodeRecord][] = []): IdSearch {
  return {
    table: { get: () => undefined },
    requestRecord: () => Promise.reject(new PeerlaneError('request-timeout', 'nobody answers')),
    async *lookup() {
      yield* met;
      return closest.map(([node]) => node);
    },
    async findNode(node) {
      return closest.flatMap(([one, record]) => (one === node ? [record] : []));
    },
  };
}

describe('the record of a node that does not answer', () => {
  const { id } = nodeWith(recordOf(1n));

  it('is the newest that a lookup meets, whichever comes last', async () => {
    const met = [1n, 3n, 2n].map((seq) => nodeWith(recordOf(seq)));
    expect((await resolveId(searching(met), id, {}))?.seq).toBe(3n);
  });

  it('is the newest of those that the closest have, whoever is asked last', async () => {
    const others = [1n, 3n, 2n].map((seq): [KadNode, NodeRecord] => {
      const key = generateSecretKey(systemEnv);
      return [kadNode({ ...place, publicKey: publicKeyOf(key), record: undefined }), recordOf(seq)];
    });
    expect((await resolveId(searching([], others), id, {}))?.seq).toBe(3n);
    expect(await resolveId(searching([]), id, {})).toBeUndefined();
  });
});
