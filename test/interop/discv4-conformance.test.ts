/** go-ethereum's own conformance tests of discovery v4 (`devp2p discv4 test`), against a node of ours. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { formatEnode } from '../../src/enr/index.ts';
import { runSuite } from './conformance.ts';
import { OwnNode } from './discover-harness.ts';

/** All that version 1.17.5 has; each is a test here. */
const NAMES = [
  'Ping/Basic',
  'Ping/WrongTo',
  'Ping/WrongFrom',
  'Ping/ExtraData',
  'Ping/ExtraDataWrongFrom',
  'Ping/PastExpiration',
  'Ping/WrongPacketType',
  'Ping/BondThenPingWithWrongFrom',
  'ENRRequest',
  'Findnode/WithoutEndpointProof',
  'Findnode/BasicFindnode',
  'Findnode/UnsolicitedNeighbors',
  'Findnode/PastExpiration',
  'Amplification/InvalidPongHash',
  'Amplification/WrongIP',
] as const;

describe("go-ethereum's conformance tests of discovery v4", () => {
  it('are those that are run here, neither more nor fewer', async () => {
    // The tool names its tests only while it runs them: here against somebody who says nothing.
    const host = '127.60.0.1';
    const silent = createSocket('udp4').bind(0, host);
    await once(silent, 'listening');
    const publicKey = publicKeyOf(generateSecretKey(systemEnv));
    const remote = formatEnode({ publicKey, host, tcpPort: 0, udpPort: silent.address().port });
    const { names } = await runSuite({ version: 'discv4', remote, from: ['127.60.0.2', '127.60.0.3'] });
    silent.close();
    expect(names).toEqual(NAMES);
  });

  let node: OwnNode;
  beforeAll(async () => {
    node = await OwnNode.start();
  });
  afterAll(() => node.close());

  // All meet one node, and come from the same addresses, though most never answer its Pings.
  it.each(NAMES)('%s', async (name) => {
    const remote = await node.enr();
    const { names, failed, text } = await runSuite({
      ...{ version: 'discv4', remote, from: ['127.0.0.1', '127.0.0.2'], run: `^${name}$` },
    });
    expect(names).toEqual([name]);
    expect(failed, text).toEqual([]);
  });
});
