import { createServer } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { formatEnode, type RecordContent, signRecord } from '../../src/enr/index.ts';
import { endpointsOf, foundAt, movedTo, rotated, withRecordEndpoints } from '../../src/server/dial-target.ts';
import { Discv4Service } from '../../src/server/index.ts';
import { isKind, startedServer } from '../support/servers.ts';

type RecordEntries = RecordContent['entries'];

const key = generateSecretKey(systemEnv);
const publicKey = publicKeyOf(key);
const at = (host: string) => ({ publicKey, host, tcpPort: 30_303, udpPort: 30_303 });
const recordOf = (entries: RecordEntries) =>
  signRecord(key, { seq: 1n, entries: { tcp: 30_303, ...entries } });
const hostsOf = (target: Parameters<typeof endpointsOf>[0] | undefined) =>
  target && endpointsOf(target).map(({ host }) => host);

describe('a node that was found', () => {
  it.each<[string, RecordEntries, string[]]>([
    ['8.8.4.4', { ip: '8.8.4.4', ip6: '2600::1' }, ['8.8.4.4', '2600::1']],
    ['2600::1', { ip: '8.8.4.4', ip6: '2600::1' }, ['2600::1', '8.8.4.4']],
    ['8.8.4.4', { ip: '10.9.9.9' }, ['8.8.4.4']],
    ['8.8.4.4', { ip: '127.0.0.1', ip6: '::1' }, ['8.8.4.4']],
    ['8.8.4.4', { ip: '9.9.9.9', ip6: 'fd00::1' }, ['8.8.4.4']],
    ['8.8.4.4', { ip6: '2001:db8::1' }, ['8.8.4.4']],
    ['10.0.0.1', { ip: '10.0.0.1', ip6: 'fd00::1' }, ['10.0.0.1', 'fd00::1']],
    ['10.0.0.1', { ip6: '::1' }, ['10.0.0.1']],
    ['127.0.0.1', { ip: '10.0.0.1', ip6: '::1' }, ['127.0.0.1', '::1']],
  ])('at %s with the record %j is dialed at %j', (host, entries, expected) => {
    expect(hostsOf(foundAt(at(host), recordOf(entries)))).toEqual(expected);
  });

  it('is dialed where it was found when it has no record, or that of another', () => {
    const other = signRecord(generateSecretKey(systemEnv), { seq: 1n, entries: { ip6: '2600::1', tcp6: 1 } });
    for (const record of [undefined, other]) expect(foundAt(at('8.8.4.4'), record)).toEqual(at('8.8.4.4'));
  });

  it('has us connect to nobody else', async () => {
    let visits = 0;
    const victim = createServer((socket) => {
      visits++;
      socket.destroy();
    });
    await new Promise<void>((resolve) => victim.listen(0, '127.0.0.9', resolve));
    onTestFinished(() => void victim.close());
    const address = victim.address();
    const tcp = typeof address === 'object' && address !== null ? address.port : 0;
    // Nobody listens at the address of the node itself.
    const record = signRecord(key, { seq: 1n, entries: { ip: '127.0.0.9', udp: 1, tcp } });
    const node = new Discv4Service({ key, listen: { host: '127.0.0.1', port: 0 }, record: () => record });
    onTestFinished(() => node.close());
    await node.start();
    const bootnode = formatEnode({ publicKey, host: '127.0.0.1', tcpPort: tcp, udpPort: node.port });
    const server = await startedServer({ bootnodes: [bootnode], discovery: { v4: true } });
    const { isFound, error } = await server.until(isKind('dial-failed'));
    expect([isFound, error.code, visits]).toEqual([true, 'dial-failed', 0]);
  });
});

describe('a node that the user has named', () => {
  it('is looked for at another address of its name each time, and at its next place', () => {
    const named = rotated(rotated(at('a.name')));
    expect([named.host, named.turn]).toEqual(['a.name', 2]);
    expect(rotated(at('8.8.4.4'))).toEqual(at('8.8.4.4'));
    const both = { ...at('a.name'), alternatives: [{ host: '8.8.4.4', port: 1 }] };
    expect([hostsOf(rotated(both)), rotated(both).turn]).toEqual([['8.8.4.4', 'a.name'], 1]);
  });

  it('is dialed at all places of the record that the user has given', () => {
    const record = recordOf({ ip: '10.9.9.9', ip6: '::1' });
    expect(hostsOf(withRecordEndpoints(at('8.8.4.4'), record))).toEqual(['8.8.4.4', '10.9.9.9', '::1']);
  });

  it.each<[string, RecordEntries, string[] | undefined]>([
    ['8.8.4.4', { ip: '9.9.9.9', ip6: '2600::1' }, ['9.9.9.9', '2600::1', '8.8.4.4']],
    ['8.8.4.4', { ip: '10.9.9.9' }, undefined],
    ['8.8.4.4', { ip: '10.9.9.9', ip6: '2600::1' }, ['2600::1', '8.8.4.4']],
    ['10.0.0.1', { ip: '10.0.0.2' }, ['10.0.0.2', '10.0.0.1']],
    ['10.0.0.1', { ip: '127.0.0.1' }, undefined],
    ['node.example', { ip: '10.0.0.2' }, undefined],
    ['node.example', { ip: '8.8.4.4' }, ['8.8.4.4', 'node.example']],
    ['8.8.4.4', { ip: '8.8.4.4' }, undefined],
  ])('%s, whose newest record is %j, has moved to %j', (host, entries, expected) => {
    expect(hostsOf(movedTo(at(host), recordOf(entries)))).toEqual(expected);
  });
});
