import { createServer } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { formatEnode, nodeIdOf, signRecord } from '../../src/enr/index.ts';
import { connectAny } from '../../src/io/happy-eyeballs.ts';
import { Discv4Service } from '../../src/server/index.ts';
import { checkNetRestrict } from '../../src/server/net-restrict.ts';
import { Observations } from '../../src/server/observations.ts';
import { RECENT_MS } from '../../src/server/recent-counts.ts';
import { codeOf, rejectionOf } from '../support/errors.ts';
import { isKind, startedServer as started, TestServer } from '../support/servers.ts';

const enodeAt = (host: string, port = 30_303) =>
  formatEnode({ publicKey: publicKeyOf(generateSecretKey(systemEnv)), host, tcpPort: port, udpPort: port });

describe('which addresses a node has to do with', () => {
  it.each([
    [{}, ['9.9.9.9', '::1', 'fe80::1%eth0'], []],
    [
      { netRestrict: ['10.0.0.0/8', 'fe80::/10'] },
      ['10.1.2.3', '::ffff:10.1.2.3', 'fe80::1%eth0'],
      ['11.0.0.1', '::1'],
    ],
    [{ netRestrict: [] }, [], ['10.1.2.3', '::1']],
    [{ netDeny: ['10.1.0.0/16'] }, ['10.2.0.1', '9.9.9.9', '::1'], ['10.1.0.1', '::ffff:10.1.0.1']],
    [{ netRestrict: ['10.0.0.0/8'], netDeny: ['10.1.0.0/16'] }, ['10.2.0.1'], ['10.1.0.1', '9.9.9.9']],
    [{ netRestrict: ['0.0.0.0/0'] }, ['9.9.9.9'], ['2a01::1', 'nobody', '']],
  ])('%j', (options, allowed, refused) => {
    const allows = checkNetRestrict(options);
    expect([...allowed, ...refused].filter(allows)).toEqual(allowed);
  });

  it.each(['10.0.0.1/8', '10.0.0.0/33', '10.0.0.0', 'x/8', '', 5, null, '::/129'])('not by %j', (block) => {
    for (const name of ['netRestrict', 'netDeny']) {
      const make = () => new TestServer({ [name]: ['10.0.0.0/8', block] });
      expect(codeOf(make)).toBe('invalid-argument');
      expect(make).toThrow(`${name}[1]: `);
    }
    expect(codeOf(() => new TestServer({ netRestrict: block as never }))).toBe('invalid-argument');
  });
});

describe('a server that has to do with some addresses only', () => {
  it('lets nobody else in, and dials nobody else', async () => {
    const server = await started({ netDeny: ['127.0.0.0/8'] });
    const other = await started();
    expect(await rejectionOf(other.dial(server.enode))).toBe('network-error');
    expect(await server.until(isKind('connection-failed'))).toMatchObject({
      ...{ inbound: true, remoteAddress: '127.0.0.1', error: { code: 'address-refused' } },
    });
    expect(server.diagnose().findings).toContainEqual(
      expect.objectContaining({ kind: 'turned-away', count: 1 }),
    );
    expect(await rejectionOf(server.dial(other.enode))).toBe('address-refused');
    expect(await rejectionOf(server.dial(enodeAt('localhost')))).toBe('address-refused');
    const allowing = await started({ netRestrict: ['127.0.0.0/8'] });
    await allowing.dial(other.enode);
    await other.dial(allowing.enode).catch(() => undefined);
    expect(allowing.seen.filter(isKind('connection-failed')).map(({ error }) => error.code)).not.toContain(
      'address-refused',
    );
  });

  it('says at once that it would never dial a node that it is given', async () => {
    const options = { netRestrict: ['127.0.0.0/8'] };
    for (const name of ['staticNodes', 'trustedNodes', 'bootnodes']) {
      const make = () => new TestServer({ ...options, [name]: [enodeAt('127.0.0.1'), enodeAt('9.9.9.9')] });
      expect(codeOf(make)).toBe('invalid-argument');
      expect(make).toThrow(`${name}[1]: 9.9.9.9 is in a network that netRestrict or netDeny refuses`);
    }
    const server = await started(options);
    expect(codeOf(() => server.addPeer(enodeAt('9.9.9.9')))).toBe('address-refused');
    expect(codeOf(() => server.addTrustedPeer(enodeAt('9.9.9.9')))).toBe('address-refused');
    expect(await rejectionOf(server.dial(enodeAt('9.9.9.9')))).toBe('address-refused');
  });

  it('takes a node that names an address of the other family where it may be dialed', async () => {
    const secretKey = generateSecretKey(systemEnv);
    const both = { ip: '9.9.9.9', tcp: 30_303, ip6: '2600::1', tcp6: 30_303 };
    const record = signRecord(secretKey, { seq: 1n, entries: both }).toString();
    const options = { netRestrict: ['2600::/16'], listen: undefined };
    const server = new TestServer({ ...options, trustedNodes: [record] });
    expect(codeOf(() => server.addTrustedPeer(record))).toBe('none');
    expect(codeOf(() => new TestServer({ ...options, staticNodes: [record] }))).toBe('none');
    const [none, no6] = [
      { ...options, netDeny: ['2600::1/128'] },
      { seq: 2n, entries: { ip: '9.9.9.9', tcp: 1 } },
    ];
    expect(codeOf(() => new TestServer({ ...none, trustedNodes: [record] }))).toBe('invalid-argument');
    const alone = signRecord(secretKey, no6).toString();
    expect(codeOf(() => server.addTrustedPeer(alone))).toBe('address-refused');
  });

  it('says at once that nobody can be dialed where a node is said to be', async () => {
    const server = await started();
    const bad = ['0.0.0.0', '255.255.255.255', '224.0.0.1', '::', 'ff02::1'].map((host) => enodeAt(host));
    bad.push(enodeAt('127.0.0.1').replace(/:\d+(\?.*)?$/, ':0?discport=30303'));
    for (const enode of bad) {
      for (const name of ['staticNodes', 'bootnodes']) {
        const make = () => new TestServer({ [name]: [enode] });
        expect(codeOf(make)).toBe('invalid-argument');
        expect(make).toThrow(`${name}[0]: the node cannot be dialed`);
      }
      expect(codeOf(() => server.addPeer(enode))).toBe('invalid-argument');
      expect(await rejectionOf(server.dial(enode))).toBe('invalid-argument');
    }
    // Discovery begins with such a node, and a node may come in that does not listen.
    const names = { bootnodes: bad.slice(-1), trustedNodes: bad.slice(-1) };
    expect(codeOf(() => new TestServer({ ...names, discovery: true }))).toBe('none');
  });

  it('neither asks nor tells of others in discovery', async () => {
    const key = generateSecretKey(systemEnv);
    const options = { key, listen: { host: '127.0.0.1', port: 0 }, netRestrict: ['127.0.0.0/8'] };
    await using service = new Discv4Service(options);
    await service.start();
    expect(await rejectionOf(service.ping(enodeAt('9.9.9.9')))).toBe('address-refused');
    expect(codeOf(() => service.addBootnode(enodeAt('9.9.9.9')))).toBe('address-refused');
    expect(codeOf(() => service.addNode(enodeAt('127.0.0.1')))).toBe('none');
    const withDiscovery = await started({ discovery: true, netRestrict: ['127.0.0.0/8'] });
    expect(await rejectionOf(withDiscovery.discovery?.ping(enodeAt('9.9.9.9')) ?? Promise.resolve())).toBe(
      'address-refused',
    );
  });

  it('tells of nodes that discovery does not look at there', async () => {
    const serviceAt = async (host: string, bootnodes: readonly string[] = []) => {
      const key = generateSecretKey(systemEnv);
      const service = new Discv4Service({ key, listen: { host, port: 0 }, bootnodes });
      onTestFinished(() => service.close());
      await service.start();
      const { publicKey, port: udpPort } = service;
      return { service, enode: formatEnode({ publicKey, host, tcpPort: 1, udpPort }) };
    };
    const boot = await serviceAt('127.0.0.1');
    const refused = await serviceAt('127.0.0.2', [boot.enode]);
    const isKnown = () => boot.service.table.isLive(nodeIdOf(refused.service.publicKey));
    while (!isKnown()) await new Promise((resolve) => setImmediate(resolve));
    const options = { discovery: true, bootnodes: [boot.enode], netDeny: ['127.0.0.2/32'] };
    const server = await started({ ...options, listen: undefined });
    while (server.log(refused.enode).length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(server.log(refused.enode)).toMatchObject([{ kind: 'passed-over', code: 'address-refused' }]);
  });

  it('counts such a node once, however often others name it', () => {
    const env = new VirtualEnv();
    const observations = new Observations(env);
    const node = (byte: number) => ({
      publicKey: new Uint8Array(64).fill(byte),
      host: '9.9.9.9',
      source: 'v4' as const,
    });
    for (const byte of [1, 2, 1, 1]) observations.restricted(node(byte));
    expect(observations.facts().restricted).toBe(2);
    env.advance(RECENT_MS);
    observations.restricted(node(1));
    expect(observations.facts().restricted).toBe(3);
  });
});

describe('a connection to a host name', () => {
  it('goes to an address of it that is allowed', async () => {
    const listener = createServer((socket) => void socket.destroy()).listen(0, '127.0.0.1');
    await new Promise((resolve) => listener.once('listening', resolve));
    const address = listener.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const connect = (allows: (ip: string) => boolean) =>
      connectAny([{ host: 'localhost', port }], { env: systemEnv, timeoutMs: 5_000, allows });
    const wire = await connect((ip) => ip === '127.0.0.1');
    expect(wire.remoteAddress).toBe('127.0.0.1');
    wire.destroy();
    const asked: string[] = [];
    const none = connect((ip) => {
      asked.push(ip);
      return false;
    });
    expect(await rejectionOf(none)).toBe('address-refused');
    expect(asked).toContain('127.0.0.1');
    await new Promise((resolve) => listener.close(resolve));
  });
});
