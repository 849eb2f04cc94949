import { describe, expect, it } from 'vitest';
import { PeerlaneError } from '../../src/base/errors.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { type KadNode, kadNode } from '../../src/kad/index.ts';
import type { PeerInfo } from '../../src/p2p/index.ts';
import { NodeDatabase } from '../../src/server/node-db/index.ts';
import { NodeNotes } from '../../src/server/node-notes.ts';
import { endpointOf, idOf, keyOf, recordIdOf, recordOf, START } from './node-db/nodes.ts';

async function noting() {
  const env = new VirtualEnv({ now: START });
  const database = await NodeDatabase.inMemory({ env });
  return { env, database, notes: new NodeNotes(database, env) };
}

function found(publicKey: Uint8Array): KadNode {
  return kadNode({ publicKey, ip: '127.0.0.1', udpPort: 30_303, tcpPort: 7 });
}

const info = { id: keyOf(7), clientId: 'Geth/v1' } as PeerInfo;

describe('what a server learns of nodes', () => {
  it('is where a peer that was dialed listens, and when that was', async () => {
    const { database, notes } = await noting();
    notes.connected(info, endpointOf(7));
    expect(await database.get(idOf(7))).toMatchObject({
      ...{ client: 'Geth/v1', endpoint: endpointOf(7), lastDial: { at: START, error: undefined } },
      ...{ lastAnswer: START, failures: 0 },
    });
  });

  it('is the client of a peer that has dialed, of whom nobody knows where it listens', async () => {
    const { database, notes } = await noting();
    notes.connected(info, undefined);
    expect(database.size).toBe(0);
    database.update(idOf(7), { endpoint: endpointOf(7) });
    notes.connected(info, undefined);
    expect((await database.get(idOf(7)))?.client).toBe('Geth/v1');
  });

  it('is that a dial has failed, unless it was our own doing', async () => {
    const { database, notes } = await noting();
    const of = async () => {
      const node = await database.get(idOf(7));
      return [node?.failures, node?.lastDial];
    };
    database.update(idOf(7), { endpoint: endpointOf(7) });
    for (const code of ['aborted', 'closed'] as const) {
      notes.dialFailed(endpointOf(7), new PeerlaneError(code, 'we did not want it any more'));
    }
    expect(await of()).toEqual([0, undefined]);
    for (const [i, code] of (['dial-timeout', 'already-connected'] as const).entries()) {
      notes.dialFailed(endpointOf(7), new PeerlaneError(code, 'the node did not'));
      expect(await of()).toEqual([i + 1, { at: START, error: code }]);
    }
  });

  it('is in discovery who answers, with which record, and who does not', async () => {
    const { env, database, notes } = await noting();
    const record = recordOf(7, 3n);
    const node = found(record.publicKey);
    const seenAs = { ip: '127.0.0.1', udpPort: 1, tcpPort: 1 };
    const answered = { kind: 'node-answered', node, rtt: 1, seenAs } as const;
    const stored = async () => await database.get(recordIdOf(7));
    notes.discovered({ kind: 'node-silent', node });
    expect(await stored()).toBeUndefined();
    notes.discovered(answered);
    expect(await stored()).toMatchObject({ lastPong: START, failures: 0 });
    env.advance(10);
    notes.discovered({ kind: 'record-received', node, record });
    expect(await stored()).toMatchObject({ lastPong: START, seq: 3n, record: record.encoded });
    notes.discovered({ kind: 'node-silent', node });
    notes.discovered({ kind: 'node-silent', node });
    expect((await stored())?.failures).toBe(2);
    notes.discovered(answered);
    expect(await stored()).toMatchObject({ lastPong: START + 10, failures: 0 });
  });
});
