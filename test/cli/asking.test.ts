import { describe, expect, it } from 'vitest';
import { sendFrom } from '../../src/cli/asking.ts';
import { signRecord } from '../../src/enr/index.ts';
import { kadNode, nodeOfRecord } from '../../src/kad/index.ts';

const nodeAt = (ip: string) =>
  kadNode({ publicKey: new Uint8Array(64).fill(7), ip, udpPort: 30_303, tcpPort: 0 });

describe('the socket that asks', () => {
  it('is of IPv4, unless nodes have addresses of IPv6 or may have', async () => {
    const hostFor = async (ip: string, others: boolean, hasIpv6: boolean) =>
      (await sendFrom(undefined, [nodeAt(ip)], others, hasIpv6)).map(({ host }) => host);
    expect(await hostFor('127.0.0.1', false, true)).toEqual(['0.0.0.0']);
    expect(await hostFor('::1', false, true)).toEqual(['::']);
    expect(await hostFor('127.0.0.1', true, true)).toEqual(['::']);
    expect(await hostFor('127.0.0.1', true, false)).toEqual(['0.0.0.0']);
  });

  it('is of both where a node has an address of each, by which one comes to others', async () => {
    const entries = { ip: '127.0.0.1', udp: 30_303, ip6: '::1' };
    const node = nodeOfRecord(signRecord(new Uint8Array(32).fill(7), { seq: 1n, entries }));
    if (node === undefined) throw new Error('the record names a place');
    expect(await sendFrom(undefined, [node], false, true)).toEqual([{ host: '::', port: 0 }]);
    expect(await sendFrom(undefined, [node], false, false)).toEqual([{ host: '0.0.0.0', port: 0 }]);
  });

  it('is none for a node of IPv6 where the machine has no such address', async () => {
    await expect(sendFrom(undefined, [nodeAt('::1')], false, false)).rejects.toMatchObject({
      code: 'listen-failed',
      message: 'there is no way to ::1: this machine has no IPv6',
    });
  });
});
