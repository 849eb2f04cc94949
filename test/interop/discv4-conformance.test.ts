/** go-ethereum's own conformance tests of discovery v4 (`devp2p discv4 test`), against a node of ours. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { formatEnode } from '../../src/enr/index.ts';
import { start } from './child.ts';
import { OwnNode } from './discover-harness.ts';
import { toolPath } from './tools.ts';

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

interface Results {
  /** The names of the tests that were run, in their order. */
  readonly names: readonly string[];
  readonly failed: readonly string[];
  /** The report, with the reasons of failures: Test Anything Protocol. */
  readonly text: string;
}

interface Suite {
  /** An ENR or an enode URL. */
  readonly remote: string;
  /** The addresses that the tests come from: most use the first one only. */
  readonly from: readonly [string, string];
  /** A regular expression; default all tests. */
  readonly run?: string;
}

/** Runs tests of the tool, which ends with a status of 1 where one of them fails. */
async function runSuite({ remote, from: [listen1, listen2], run = '' }: Suite): Promise<Results> {
  const options = ['--remote', remote, '--listen1', listen1, '--listen2', listen2, '--run', run, '--tap'];
  const tool = start(toolPath('devp2p-v1.17.5/devp2p'), ['discv4', 'test', ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const output: Buffer[] = [];
  tool.stdout?.on('data', (chunk: Buffer) => output.push(chunk));
  await once(tool, 'close');
  const text = Buffer.concat(output).toString();
  const results = [...text.matchAll(/^(ok|not ok) \d+ (\S+)$/gm)];
  const planned = Number(/^1\.\.(\d+)$/m.exec(text)?.[1]);
  if (planned !== results.length) throw new Error(`devp2p ended before its tests did:\n${text}`);
  return {
    names: results.map(([, , name = '']) => name),
    failed: results.flatMap(([, status, name = '']) => (status === 'ok' ? [] : [name])),
    text,
  };
}

describe("go-ethereum's conformance tests of discovery v4", () => {
  it('are those that are run here, neither more nor fewer', async () => {
    // The tool names its tests only while it runs them: here against somebody who says nothing.
    const host = '127.60.0.1';
    const silent = createSocket('udp4').bind(0, host);
    await once(silent, 'listening');
    const publicKey = publicKeyOf(generateSecretKey(systemEnv));
    const remote = formatEnode({ publicKey, host, tcpPort: 0, udpPort: silent.address().port });
    const { names } = await runSuite({ remote, from: ['127.60.0.2', '127.60.0.3'] });
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
      ...{ remote, from: ['127.0.0.1', '127.0.0.2'], run: `^${name}$` },
    });
    expect(names).toEqual([name]);
    expect(failed, text).toEqual([]);
  });
});
