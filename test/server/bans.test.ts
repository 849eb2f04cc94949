import { mkdtemp, readdir, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { equalBytes } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { PeerlaneError } from '../../src/base/errors.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { formatEnode, nodeIdOf } from '../../src/enr/index.ts';
import { type Ban, decodeBans, encodeBans, MAX_BAN_MS } from '../../src/server/ban-codec.ts';
import { BANS_RETRY_MS, BANS_WRITE_DELAY_MS, BanStore } from '../../src/server/ban-store.ts';
import { banTarget } from '../../src/server/ban-target.ts';
import { Bans, banNameOf, MAX_BANS } from '../../src/server/bans.ts';
import { NodeDatabase } from '../../src/server/index.ts';
import { Attacker } from '../support/attacker.ts';
import { codeOf, rejectionOf } from '../support/errors.ts';
import { Target } from '../support/hostile.ts';
import { ManualEnv } from '../support/manual-env.ts';
import { endOf, isKind, manual, startedServer, TestServer } from '../support/servers.ts';

/** A wall clock that the test sets. */
const clock = () => {
  let now = 1_700_000_000_000;
  return {
    unixTime: () => now,
    set: (ms: number) => {
      now = ms;
    },
    advance: (ms: number) => {
      now += ms;
    },
  };
};

const ban = fc.record({
  kind: fc.constantFrom<Ban['kind'][]>('node', 'ip'),
  name: fc.string({ minLength: 1, maxLength: 30 }),
  until: fc.integer({ min: 0, max: 2 ** 45 }),
  durationMs: fc.integer({ min: 1, max: MAX_BAN_MS }),
  reason: fc.string({ maxLength: 60 }),
  by: fc.constantFrom<Ban['by'][]>('user', 'policy'),
});

describe('stored bans', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(fc.array(ban, { maxLength: 20 }), (bans) => {
        expect(decodeBans(encodeBans(bans))).toEqual({ bans, damaged: 0 });
      }),
    );
  });

  it('that were cut are lost from there on, and no others', () => {
    fc.assert(
      fc.property(fc.array(ban, { minLength: 1, maxLength: 5 }), fc.nat(), (bans, cut) => {
        const bytes = encodeBans(bans);
        const length = cut % bytes.length;
        const { bans: left, damaged } = decodeBans(bytes.subarray(0, length));
        expect(left).toEqual(bans.slice(0, left.length));
        expect(encodeBans(left).length < length).toBe(damaged === 1);
      }),
    );
  });

  it('with a wrong bit cost that one only', () => {
    fc.assert(
      fc.property(fc.array(ban, { minLength: 1, maxLength: 5 }), fc.nat(), (bans, where) => {
        const bytes = encodeBans(bans);
        const bit = where % (8 * bytes.length);
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const { bans: left, damaged } = decodeBans(bytes);
        expect(damaged).toBe(1);
        const without = bans.map((_, i) => JSON.stringify(bans.toSpliced(i, 1)));
        expect(without).toContain(JSON.stringify(left));
      }),
    );
  });

  it('may be any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(decodeBans(bytes).bans.length).toBeLessThan(20);
      }),
    );
  });
});

describe('bans', () => {
  it.each([
    ['1.2.3.4', '1.2.3.4'],
    ['::ffff:1.2.3.4', '1.2.3.4'],
    ['2a01:9:8:7:1:2:3:4', '2a01:9:8:7::/64'],
    // All hosts of a link are in one /64.
    ['fe80::1%eth0', 'fe80::1'],
    ['host.example', undefined],
  ])('of %s are of %s', (ip, name) => {
    expect(banNameOf(ip)).toBe(name);
  });

  it('are named by an enode URL or an address, and as the list names them', () => {
    expect(banTarget('2a01::1')).toEqual({ kind: 'ip', name: '2a01::/64' });
    expect(banTarget('2a01::/64')).toEqual({ kind: 'ip', name: '2a01::/64' });
    expect(banTarget('fe80::2%eth0')).toEqual({ kind: 'ip', name: 'fe80::2' });
    expect(codeOf(() => banTarget('enode://12@1.2.3.4:1'))).toBe('invalid-enode');
    for (const text of ['', '1.2.3', '1.2.3.4/24', 'localhost']) {
      expect(codeOf(() => banTarget(text))).toBe('invalid-argument');
    }
  });

  it('and whatever else there is of a node are had by its public key, as the list and events name it', () => {
    const server = new TestServer({ listen: undefined });
    onTestFinished(() => server.close());
    const publicKey = publicKeyOf(generateSecretKey(systemEnv));
    const enode = formatEnode({ publicKey, host: '9.9.9.9', tcpPort: 1, udpPort: 1 });
    server.ban(enode);
    const [banned] = server.bans;
    if (banned === undefined) throw new Error('it is banned');
    expect(server.log(banned.name)).toEqual(server.log(enode));
    expect(server.log(banned.name)).toHaveLength(1);
    expect(server.reputation(banned.name)).toMatchObject({ score: 0 });
    expect([server.unban(banned.name), server.bans]).toEqual([true, []]);
    server.ban(`0x${banned.name}`);
    expect(server.bans).toMatchObject([{ kind: 'node', name: banned.name }]);
    server.removePeer(banned.name);
    expect(codeOf(() => server.log(banned.name.slice(2)))).toBe('invalid-enode');
  });

  it('end when their time is over', () => {
    const env = clock();
    const bans = new Bans(env);
    bans.add({ kind: 'ip', name: '1.2.3.4' }, 1000, 'why');
    env.advance(999);
    expect(bans.ofIp('::ffff:1.2.3.4')?.reason).toBe('why');
    env.advance(1);
    expect(bans.ofIp('1.2.3.4')).toBeUndefined();
    expect(bans.all).toEqual([]);
  });

  it('last no longer than they were made for when the clock is set back', () => {
    const env = clock();
    const bans = new Bans(env);
    bans.add({ kind: 'node', name: 'ab' }, 1000, '');
    const stored = bans.all;
    env.set(1000);
    expect(bans.get('node', 'ab')?.until).toBeDefined();
    env.set(2000);
    expect(bans.get('node', 'ab')).toBeUndefined();
    const next = new Bans(env);
    for (const one of stored) expect(next.restore(one)).toBe(true);
    expect(next.all).toMatchObject([{ until: 3000 }]);
  });

  it.each(['node', 'ip'] as const)('are bounded: those of a %s that end first go', (kind) => {
    const bans = new Bans(clock());
    const { all } = MAX_BANS[kind];
    for (let i = 0; i <= all; i++) bans.add({ kind, name: `${i}` }, 10_000 - i, '');
    expect(bans.all).toHaveLength(all);
    expect(bans.get(kind, `${all}`)).toBeUndefined();
    expect(bans.get(kind, '0')).toBeDefined();
  });

  it('of the policy make room for the user, and take none of his', () => {
    const bans = new Bans(clock());
    const { all } = MAX_BANS.node;
    const add = (name: string, ms: number, by: Ban['by']) => bans.add({ kind: 'node', name }, ms, '', by);
    for (let i = 1; i < all; i++) add(`user ${i}`, 1000 + i, 'user');
    add('policy 1', 50_000, 'policy');
    add('policy 2', 40_000, 'policy');
    expect(bans.all.filter(({ by }) => by === 'policy').map(({ name }) => name)).toEqual(['policy 1']);
    add(`user ${all}`, 500, 'user');
    expect(bans.all.map(({ by }) => by)).not.toContain('policy');
    add('policy 3', 60_000, 'policy');
    expect(bans.all).toHaveLength(all);
    expect(bans.get('node', 'policy 3')).toBeUndefined();
    expect(bans.get('node', `user ${all}`)).toBeDefined();
  });

  it('of addresses take no place of a node, nor those of nodes one of an address', () => {
    const bans = new Bans(clock());
    const flood = (kind: Ban['kind'], name: (i: number) => string) => {
      for (let i = 0; i < 1500; i++) bans.add({ kind, name: name(i) }, 1000, '', 'policy');
    };
    bans.add({ kind: 'node', name: 'ab' }, 100, '', 'policy');
    flood('ip', (i) => `9.${i % 256}.${i >> 8}.1`);
    expect(bans.all).toHaveLength(1 + MAX_BANS.ip.all);
    bans.add({ kind: 'ip', name: '8.8.8.8' }, 100, '', 'policy');
    expect(bans.get('node', 'ab')).toBeDefined();
    bans.remove({ kind: 'ip', name: '9.255.4.1' });
    bans.add({ kind: 'ip', name: '8.8.8.8' }, 100, '', 'policy');
    flood('node', String);
    expect(bans.ofIp('8.8.8.8')).toBeDefined();
    expect(bans.all).toHaveLength(MAX_BANS.ip.all + MAX_BANS.node.all);
  });

  const NETWORKS: readonly [string, 'network' | 'block', (i: number) => string][] = [
    ['/24', 'network', (i) => `9.9.9.${i % 256}`],
    ['/48', 'network', (i) => `2a01:9:9:${i.toString(16)}::`],
    ['/16', 'block', (i) => `9.9.${i % 256}.${i >> 8}`],
    ['/32', 'block', (i) => `2a01:9:${i.toString(16)}::`],
  ];

  it.each(NETWORKS)(
    'of the policy at the addresses of one %s are few, those that were made last',
    (_, of, ip) => {
      const bans = new Bans(clock());
      const ban = (text: string, by: Ban['by']) => bans.add(banTarget(text), 1000, '', by);
      ban('8.8.8.8', 'policy');
      bans.add({ kind: 'node', name: 'ab' }, 100, '', 'policy');
      for (let i = 0; i < 250; i++) ban(ip(i), 'policy');
      const max = MAX_BANS.ip[of];
      expect(bans.all).toHaveLength(2 + max);
      for (let i = 0; i < 250; i++) expect(bans.ofIp(ip(i)) !== undefined).toBe(i >= 250 - max);
      expect([bans.ofIp('8.8.8.8'), bans.get('node', 'ab')]).not.toContain(undefined);
      // The user may ban as many as he likes.
      for (let i = 0; i < 250; i++) ban(ip(i), 'user');
      expect(bans.all).toHaveLength(252);
      ban(ip(251), 'policy');
      expect(bans.all).toHaveLength(253);
    },
  );

  it.each(NETWORKS)(
    'of the policy of nodes that came from one %s are not all that there are',
    (_, of, ip) => {
      const bans = new Bans(clock());
      const ban = (name: string, host?: string) => bans.add({ kind: 'node', name }, 1000, '', 'policy', host);
      ban('ab', '8.8.8.8');
      ban('cd');
      for (let i = 0; i < 3000; i++) ban(`${i}`, ip(i));
      expect(bans.all).toHaveLength(2 + MAX_BANS.node[of]);
      // It keeps where it is when it is banned anew.
      ban('2999');
      ban('3000', ip(3000));
      expect(bans.all).toHaveLength(2 + MAX_BANS.node[of]);
      for (let i = 0; i < 500; i++) ban(`local ${i}`, '192.168.1.1');
      expect(bans.all).toHaveLength(502 + MAX_BANS.node[of]);
    },
  );

  it('of the user are not replaced by what the policy had stored', () => {
    const bans = new Bans(clock());
    const target = { kind: 'node', name: 'ab' } as const;
    const stored = new Bans(clock()).add(target, 50_000, '', 'policy');
    bans.add(target, 1000, 'mine');
    bans.restore(stored);
    expect(bans.all).toMatchObject([{ by: 'user', reason: 'mine' }]);
  });
});

describe('a server', () => {
  it('disconnects whom the user bans, and lets it in no more until it is taken back', async () => {
    const { protocol, next } = manual();
    const server = await startedServer();
    const key = generateSecretKey(systemEnv);
    const other = await startedServer({ key, protocols: [protocol] });
    const peer = await other.dial(server.enode);
    await server.until(isKind('peer-connected'));
    server.ban(other.enode, { reason: 'a test' });
    expect(server.bans).toMatchObject([{ kind: 'node', reason: 'a test' }]);
    const end = await endOf(peer);
    expect(end instanceof PeerlaneError && end.details.reason).toBe('useless-peer');
    expect(await rejectionOf(other.dial(server.enode))).toBe('remote-disconnect');
    expect(await rejectionOf(server.dial(other.enode))).toBe('banned');
    expect(server.unban(other.enode)).toBe(true);
    expect(server.unban(other.enode)).toBe(false);
    await next();
    await other.dial(server.enode);
  });

  it('refuses an address that is banned before anything else', async () => {
    const server = await startedServer();
    const other = await startedServer({ listen: undefined });
    server.ban('127.0.0.1');
    expect(await rejectionOf(other.dial(server.enode))).toBe('network-error');
    expect((await server.until(isKind('connection-failed'))).error.code).toBe('banned');
  });

  it('makes no peer of whom the user bans in the middle of the handshake', async () => {
    const server = await startedServer();
    const attacker = await (await Attacker.connect(server.enode)).handshake();
    server.ban(formatEnode({ publicKey: attacker.id, host: '127.0.0.1', tcpPort: 1, udpPort: 1 }));
    await attacker.sendHello();
    expect(await attacker.ending()).toBe('useless-peer');
    expect(server.peers).toEqual([]);
  });

  it('disconnects by a ban nobody but whom it is about', async () => {
    const [bad, ...others] = await Promise.all([startedServer(), startedServer(), startedServer()]);
    const server = await startedServer({ listen: undefined });
    for (const { enode } of others) await server.dial(enode);
    const peer = await server.dial(bad.enode);
    peer.report('hostile');
    await endOf(peer);
    expect(server.bans.map(({ by }) => by)).toEqual(['policy']);
    // It does not hold for whom the user names.
    server.addPeer(bad.enode);
    await server.until(() => server.peers.length === 3);
    server.ban('9.9.9.9');
    expect(server.peers).toHaveLength(3);
    expect(server.peers.some(({ signal }) => signal.aborted)).toBe(false);
  });

  it('dials no static node that is banned', async () => {
    const other = await startedServer();
    const server = new TestServer({ listen: undefined, staticNodes: [other.enode] });
    onTestFinished(() => server.close());
    server.ban(other.enode);
    await server.start();
    server.unban(other.enode);
    await server.until(isKind('peer-connected'));
    expect(server.seen.filter(isKind('dial-failed'))).toEqual([]);
  });

  it('dials a static node again when its ban has ended', async () => {
    const env = new ManualEnv();
    const other = await startedServer();
    const server = await startedServer({ env, listen: undefined, staticNodes: [other.enode] });
    await server.until(isKind('peer-connected'));
    server.ban(other.enode, { durationMs: 600_000 });
    expect((await server.until(isKind('peer-disconnected'))).redialInMs).toBe(600_000);
    server.seen.length = 0;
    env.advance(600_000);
    await server.until(isKind('peer-connected'));
  });

  it('dials whom the user takes back as soon as it may', async () => {
    const env = new ManualEnv();
    const [dialed, came] = [await startedServer(), await startedServer()];
    const server = await startedServer({ env, staticNodes: [dialed.enode] });
    await server.until(isKind('peer-connected'));
    await came.dial(server.enode);
    await server.until((event) => event.kind === 'peer-connected' && event.peer.inbound);
    server.addPeer(came.enode);
    for (const { enode } of [dialed, came]) server.ban(enode);
    await server.until(isKind('peer-disconnected'));
    await came.until(isKind('peer-disconnected'));
    server.seen.length = 0;
    for (const { enode } of [dialed, came]) expect(server.unban(enode)).toBe(true);
    // Nobody has dialed it yet; the other was dialed at the start.
    const { peer } = await server.until(isKind('peer-connected'));
    expect([peer.inbound, peer.id]).toEqual([false, came.id]);
    env.advance(35_000);
    await server.until((event) => event.kind === 'peer-connected' && equalBytes(event.peer.id, dialed.id));
  });

  it('forgets why a node was left alone when the user takes it back', async () => {
    const env = new ManualEnv();
    const other = await startedServer({ protocols: [manual('other').protocol] });
    const server = await startedServer({ env, listen: undefined, staticNodes: [other.enode] });
    expect((await server.until(isKind('dial-failed'))).error.code).toBe('no-shared-capability');
    server.seen.length = 0;
    server.unban(other.enode);
    env.advance(35_000);
    await server.until(isKind('dial-failed'));
  });

  it('dials the only node that there is although it behaves badly', async () => {
    const env = new ManualEnv();
    const other = await startedServer();
    const server = await startedServer({ env, listen: undefined, bootnodes: [other.enode] });
    await server.until(isKind('peer-connected'));
    const [peer] = server.peers;
    for (let i = 0; i < 6; i++) peer?.report('timeout');
    expect(server.seen.filter(isKind('reputation'))).toMatchObject([{ decision: { kind: 'penalise' } }]);
    peer?.disconnect();
    await server.until(isKind('peer-disconnected'));
    server.seen.length = 0;
    env.advance(35_000);
    await server.until(isKind('peer-connected'));
  });

  it('takes back before it starts what an earlier run has banned, and nothing once it is closed', async () => {
    const nodeDatabase = await NodeDatabase.inMemory();
    onTestFinished(() => nodeDatabase.close());
    const key = generateSecretKey(systemEnv);
    const options = { key, listen: undefined, nodeDatabase };
    const first = new TestServer(options);
    for (const ip of ['1.1.1.1', '2.2.2.2', '3.3.3.3']) first.ban(ip);
    await first.close();
    for (const use of [() => first.ban('1.2.3.4'), () => first.unban('1.1.1.1')])
      expect(codeOf(use)).toBe('closed');
    const enode = formatEnode({ publicKey: publicKeyOf(key), host: '1.2.3.4', tcpPort: 1, udpPort: 1 });
    for (const use of [() => first.addPeer(enode), () => first.addTrustedPeer(enode)])
      expect(codeOf(use)).toBe('closed');
    for (const use of [() => first.removePeer(enode), () => first.removeTrustedPeer(enode)])
      expect(codeOf(use)).toBe('none');
    const second = new TestServer(options);
    second.unban('1.1.1.1');
    await second.start();
    expect(second.bans.map(({ name }) => name)).toEqual(['2.2.2.2', '3.3.3.3']);
    await second.close();
    const third = new TestServer(options);
    third.unban('2.2.2.2');
    await third.close();
    const fourth = new TestServer(options);
    await fourth.start();
    expect(fourth.bans.map(({ name }) => name)).toEqual(['3.3.3.3']);
    await fourth.close();
  });

  it('refuses bad options of a ban', async () => {
    const server = await startedServer();
    for (const options of [
      { durationMs: 0 },
      { durationMs: MAX_BAN_MS + 1 },
      { reason: 1 },
      { durationMS: 1 },
      null,
    ]) {
      expect(codeOf(() => server.ban('1.2.3.4', options as object))).toBe('invalid-argument');
    }
    expect(server.bans).toEqual([]);
  });

  it('bans who breaks the rules again and again, and keeps the honest', async () => {
    await using target = await Target.start();
    const key = generateSecretKey(systemEnv);
    for (let i = 0; i < 3; i++) {
      const attacker = await target.attacker(key);
      await attacker.handshake();
      // A message before Hello.
      await attacker.plain(2, Uint8Array.of(0xc0));
      expect(await target.verdict(attacker)).toBe('hello-expected');
    }
    const again = await target.attacker(key);
    await again.handshake();
    expect(await target.verdict(again)).toBe('banned');
    expect(target.server.bans).toMatchObject([{ kind: 'node', reason: '3 breach' }]);
    expect(await target.serves()).toBe(true);
    const told = target.server.seen.filter(isKind('reputation')).map(({ decision }) => decision.kind);
    expect(told).toEqual(['penalise', 'disconnect', 'ban']);
  });

  it('holds it against nobody that most peers go at once', async () => {
    await using target = await Target.start();
    const { server } = target;
    const scores: number[] = [];
    const attackers = [await target.opened(), await target.opened()];
    for (const attacker of attackers) {
      attacker.destroy();
      expect(await target.verdict(attacker)).toBe('network-error');
      scores.push(...server.reputations());
    }
    expect(scores.map(Math.round)).toEqual([-4, 0]);
    expect(await target.serves()).toBe(true);
  });

  it('does what the policy of the user says, and nothing when that fails', async () => {
    const { protocol, next } = manual();
    const server = await startedServer({
      protocols: [protocol],
      policy: ({ recent }) => {
        const kind = recent.at(-1)?.kind;
        if (kind === 'minor') throw new Error('a bug');
        if (kind === 'timeout') return { kind: 'forgive' } as never;
        return kind === 'good-answer' ? { kind: 'ban', forMs: 1000, reason: 'why not' } : { kind: 'keep' };
      },
    });
    const [other, third] = [await startedServer(), await startedServer()];
    await third.dial(server.enode);
    await next();
    await other.dial(server.enode);
    const channel = await next();
    channel.report?.('minor');
    channel.report?.('timeout');
    channel.report?.('hostile');
    expect(channel.signal.aborted).toBe(false);
    expect(server.seen.filter(isKind('policy-failed'))).toHaveLength(2);
    expect(server.reputation(other.enode).recent.map(({ kind }) => kind)).toEqual([
      'minor',
      'timeout',
      'hostile',
    ]);
    const [score, ...others] = server.reputations();
    expect(score).toBeCloseTo(-200, 0);
    expect(others).toEqual([]);
    expect(codeOf(() => channel.report?.('best' as never))).toBe('invalid-argument');
    channel.report?.('good-answer');
    expect(channel.signal.reason).toMatchObject({ code: 'banned' });
    expect(server.bans).toMatchObject([{ durationMs: 1000, reason: 'why not' }]);
  });

  it('spares the last peer, and those that the user has named', async () => {
    const { protocol, next } = manual();
    const server = await startedServer({ protocols: [protocol] });
    const [other, trusted] = [await startedServer(), await startedServer()];
    await other.dial(server.enode);
    const channel = await next();
    channel.report?.('hostile');
    expect(server.seen.filter(isKind('reputation'))).toMatchObject([{ decision: { kind: 'penalise' } }]);
    server.addTrustedPeer(trusted.enode);
    await trusted.dial(server.enode);
    const second = await next();
    for (let i = 0; i < 5; i++) second.report?.('hostile');
    expect([channel, second].map(({ signal }) => signal.aborted)).toEqual([false, false]);
    expect(server.bans).toEqual([]);
  });
});

describe('over restarts', () => {
  const key = generateSecretKey(systemEnv);
  const id = nodeIdOf(publicKeyOf(key));
  const publicKey = publicKeyOf(generateSecretKey(systemEnv));
  const enode = formatEnode({ publicKey, host: '127.0.0.1', tcpPort: 9, udpPort: 9 });

  async function directory(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), 'peerlane-bans-'));
    onTestFinished(() => rm(path, { recursive: true, force: true }));
    return join(path, 'nodes');
  }

  async function run<T>(
    path: string,
    use: (server: TestServer, database: NodeDatabase) => Promise<T> | T,
  ): Promise<T> {
    await using database = await NodeDatabase.open(path);
    await using server = new TestServer({ key, nodeDatabase: database });
    await server.start();
    return await use(server, database);
  }

  it('bans are kept on the disk', async () => {
    const path = await directory();
    await run(path, (server) => {
      server.ban(enode, { reason: 'bad' });
      server.ban('9.9.9.9');
      server.ban('8.8.8.8', { durationMs: 1 });
    });
    const kept = await run(path, (server) => {
      const { bans } = server;
      server.unban(enode);
      return bans;
    });
    expect(kept).toMatchObject([
      { kind: 'node', reason: 'bad' },
      { kind: 'ip', name: '9.9.9.9' },
    ]);
    expect(await run(path, ({ bans }) => bans)).toMatchObject([{ name: '9.9.9.9' }]);
  });

  it('what the policy held against an address keeps strangers out, and nobody whom we dial or trust', async () => {
    const path = await directory();
    const [trusted, other] = [await startedServer(), await startedServer()];
    const stored: Ban = {
      ...{ kind: 'ip', name: '127.0.0.1', until: Date.now() + 60_000, durationMs: 60_000 },
      ...{ reason: '3 breach', by: 'policy' },
    };
    await (async () => {
      await using database = await NodeDatabase.open(path);
      await database.storeLocalBans(id, encodeBans([stored]));
    })();
    await run(path, async (server) => {
      expect(server.bans).toEqual([stored]);
      expect(await rejectionOf(other.dial(server.enode))).toBe('network-error');
      await server.dial(other.enode);
      server.addTrustedPeer(trusted.enode);
      await trusted.dial(server.enode);
      server.removeTrustedPeer(trusted.enode);
      const third = await startedServer();
      expect(await rejectionOf(third.dial(server.enode))).toBe('network-error');
      server.addPeer(trusted.enode);
      await third.dial(server.enode);
    });
  });

  it('what was cut is skipped and told', async () => {
    const path = await directory();
    await run(path, (server) => {
      server.ban('9.9.9.9');
      server.ban('7.7.7.7');
    });
    await (async () => {
      await using database = await NodeDatabase.open(path);
      const value = await database.localBans(id);
      await database.storeLocalBans(id, value?.slice(0, -3) ?? new Uint8Array(0));
    })();
    await run(path, (server) => {
      expect(server.bans).toMatchObject([{ name: '9.9.9.9' }]);
      expect(server.seen.find(isKind('bans-failed'))?.error.code).toBe('store-damaged');
    });
  });
});

it('bans that may be lost with a damaged database are told', async () => {
  const path = join(await mkdtemp(join(tmpdir(), 'peerlane-bans-')), 'nodes');
  onTestFinished(() => rm(dirname(path), { recursive: true, force: true }));
  const key = generateSecretKey(systemEnv);
  const told = async () => {
    const events: string[] = [];
    await using database = await NodeDatabase.open(path, { onEvent: ({ kind }) => events.push(kind) });
    await using server = new TestServer({ key, nodeDatabase: database, listen: undefined });
    await server.start();
    server.ban('9.9.9.9');
    const { message } = server.seen.find(isKind('bans-failed'))?.error ?? {};
    return { events, message };
  };
  expect(await told()).toEqual({ events: [], message: undefined });
  const [manifest = ''] = (await readdir(path)).filter((name) => name.startsWith('MANIFEST'));
  await truncate(join(path, manifest), 3);
  const { events, message } = await told();
  expect(events).toEqual(['node-database-set-aside']);
  expect(message).toMatch(/^the node database was damaged: bans may be lost, 1 were read/);
  expect(await told()).toEqual({ events: [], message: undefined });
});

it('bans of before the start do not take the place of those of the last run', async () => {
  const env = new VirtualEnv();
  const bans = new Bans(env);
  let value = encodeBans([new Bans(env).add({ kind: 'ip', name: '8.8.8.8' }, 3_600_000, 'of the last run')]);
  const database = {
    localBans: async () => value,
    storeLocalBans: async (_: Uint8Array, written: Uint8Array) => {
      value = written;
    },
    damage: undefined,
  };
  const store = new BanStore({ bans, id: new Uint8Array(32), database, env, failed: () => undefined });
  bans.add({ kind: 'ip', name: '9.9.9.9' }, 3_600_000, 'test');
  store.changed();
  env.advance(2 * BANS_WRITE_DELAY_MS);
  const names = () => decodeBans(value).bans.map(({ name }) => name);
  await new Promise((resolve) => setImmediate(resolve));
  expect(names()).toEqual(['8.8.8.8']);
  await store.load();
  env.advance(BANS_WRITE_DELAY_MS);
  await new Promise((resolve) => setImmediate(resolve));
  expect(names().toSorted()).toEqual(['8.8.8.8', '9.9.9.9']);
});

it('bans that could not be written are written later', async () => {
  const env = new VirtualEnv();
  const bans = new Bans(env);
  const problems: string[] = [];
  const written: Uint8Array[] = [];
  let isFull = true;
  const database = {
    localBans: async () => undefined,
    storeLocalBans: async (_: Uint8Array, value: Uint8Array) => {
      if (isFull) throw new PeerlaneError('file-unreadable', 'no space is left');
      written.push(value);
    },
    damage: undefined,
  };
  const failed = ({ code }: PeerlaneError) => void problems.push(code);
  const store = new BanStore({ bans, id: new Uint8Array(32), database, env, failed });
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  await store.load();
  bans.add({ kind: 'ip', name: '9.9.9.9' }, 60_000, 'test');
  store.changed();
  env.advance(BANS_WRITE_DELAY_MS);
  await settled();
  expect([problems, written.length]).toEqual([['file-unreadable'], 0]);
  isFull = false;
  env.advance(BANS_RETRY_MS);
  await settled();
  expect(decodeBans(written[0] ?? new Uint8Array(0)).bans.map(({ name }) => name)).toEqual(['9.9.9.9']);
  expect(env.timers).toBe(0);
});
