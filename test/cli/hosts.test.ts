/** Names of hosts that have addresses of both families. */
import { describe, expect, it, vi } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { lookupFrom } from '../../src/cli/hosts.ts';
import { readBootnodes, readNode, readTarget } from '../../src/cli/nodes.ts';
import { Output } from '../../src/cli/output.ts';
import { publicKeyOf } from '../../src/crypto/index.ts';
import { parseUdpNode } from '../../src/server/bootnodes.ts';

const NAMES: Readonly<Record<string, readonly string[]>> = {
  'both.test': ['192.0.2.1', '2001:db8::1'],
  'old.test': ['192.0.2.1'],
  'here.test': ['::1'],
};

vi.mock('node:dns/promises', async (original) => ({
  ...(await original<typeof import('node:dns/promises')>()),
  lookup: async (host: string) => (NAMES[host] ?? [host]).map((address) => ({ address })),
}));

const KEY = toBareHex(publicKeyOf(new Uint8Array(32).fill(7)));
const enodeAt = (host: string) => `enode://${KEY}@${host}:30303`;

describe('a host name that is asked by discovery', () => {
  it.each([
    ['any socket', undefined, '192.0.2.1'],
    ['IPv4', ['127.0.0.1'], '192.0.2.1'],
    ['IPv6', ['::1'], '2001:db8::1'],
    ['both', ['::'], '192.0.2.1'],
    ['one of each', ['::1', '127.0.0.1'], '192.0.2.1'],
    ['a name of IPv6', ['here.test'], '2001:db8::1'],
  ])('is an address that is reached from %s', async (_, hosts, expected) => {
    const lookup = await lookupFrom(hosts?.map((host) => ({ host, port: 0 })));
    const { signal } = new AbortController();
    const context = { lookup, output: new Output(true, systemEnv) };
    const enode = enodeAt('both.test');
    const { nodes } = await readBootnodes([parseUdpNode(enode)], context, signal);
    const { node } = await readTarget(enode, 'v4', context, signal);
    const found = [await readNode(enode, lookup, signal), ...nodes, node];
    expect(found.map((it) => it?.ip)).toEqual([expected, expected, expected]);
    // There is none better: what is wrong with it is said later.
    expect((await readNode(enodeAt('old.test'), lookup, signal)).ip).toBe('192.0.2.1');
  });
});
