import { describe, expect, it } from 'vitest';
import { Agenda } from '../../src/base/agenda.ts';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { ShownRecords } from '../../src/discv5/shown-records.ts';
import { signRecord } from '../../src/enr/index.ts';
import { kadNode, Table } from '../../src/kad/index.ts';

const secretKey = generateSecretKey(systemEnv);
const entries = { ip: '20.0.0.1', udp: 30_303 };
const [old, newer] = [1n, 2n].map((seq) => signRecord(secretKey, { seq, entries }));
const node = kadNode({
  ...{ publicKey: publicKeyOf(secretKey), ip: entries.ip, udpPort: entries.udp, tcpPort: 0 },
  record: old,
});

describe('a record that a node has been asked for', () => {
  const shown = () => {
    const agenda = new Agenda();
    agenda.now = 0;
    const table = new Table({ localId: new Uint8Array(32), randomBytes: systemEnv.randomBytes });
    const context = { agenda, table, reaches: () => true, room: { isFull: false }, ask: () => undefined };
    return { table, records: new ShownRecords(context) };
  };

  it('replaces the one that the table has', () => {
    const { table, records } = shown();
    table.addFound(node, 0);
    if (newer === undefined) throw new Error('there are two');
    records.received(node, newer);
    expect(table.get(node.id)?.record?.seq).toBe(2n);
  });

  it('gives nobody a place in the table who has none', () => {
    const { table, records } = shown();
    if (newer === undefined) throw new Error('there are two');
    records.received(node, newer);
    expect(table.size).toBe(0);
  });
});
