/** go-ethereum's own conformance tests of discovery v5 (`devp2p discv5 test`), against a node of ours. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { signRecord } from '../../src/enr/index.ts';
import { plannedTests, runSuite } from './conformance.ts';
import type { Discv5Host, Discv5Node } from './discv5-harness.ts';
import { ownPeers } from './discv5-own.ts';

/** All that version 1.17.5 has; each is a test here. */

const NAMES = [
  'Ping',
  'PingLargeRequestID',
  'PingMultiIP',
  'HandshakeResend',
  'TalkRequest',
  'FindnodeZeroDistance',
  'FindnodeResults',
] as const;

describe("go-ethereum's conformance tests of discovery v5", () => {
  it('are those that are run here, neither more nor fewer', async () => {
    const host = '127.61.0.1';
    const silent = createSocket('udp4').bind(0, host);
    await once(silent, 'listening');
    const key = generateSecretKey(systemEnv);
    const record = signRecord(key, { seq: 1n, entries: { ip: host, udp: silent.address().port } });
    const from = ['127.61.0.2', '127.61.0.3'] as const;
    const planned = await plannedTests({ version: 'discv5', remote: record.toString(), from });
    silent.close();
    expect(planned).toBe(NAMES.length);
  });

  let host: Discv5Host;
  let node: Discv5Node;
  beforeAll(async () => {
    host = ownPeers();
    node = await host.node();
  });
  afterAll(() => host[Symbol.asyncDispose]());

  it.each(NAMES)('%s', async (name) => {
    const from = ['127.0.0.1', '127.0.0.2'] as const;
    const suite = { version: 'discv5', remote: await node.enr(), from, run: `^${name}$` } as const;
    const { names, failed, text } = await runSuite(suite);
    expect(names).toEqual([name]);
    expect(failed, text).toEqual([]);
  });
});
