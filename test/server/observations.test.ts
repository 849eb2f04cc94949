/** What a server says of nodes, and of itself, after it has had to do with them. */
import { describe, expect, it } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { type ErrorCode, PeerlaneError } from '../../src/base/errors.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { formatEnode, parseEnode } from '../../src/enr/index.ts';
import type { MappedProtocol } from '../../src/nat/index.ts';
import type { PeerInfo } from '../../src/p2p/index.ts';
import { type DialOutcome, outcomeOf, SHORT_STAY_MS } from '../../src/server/dial-backoff.ts';
import { Discv4Service, type ReputationPolicy } from '../../src/server/index.ts';
import { MEMORY_MS, Observations } from '../../src/server/observations.ts';
import { codeOf, rejectionOf } from '../support/errors.ts';
import { ManualEnv } from '../support/manual-env.ts';
import { isKind, manual, startedServer as started } from '../support/servers.ts';

const NOWHERE = { host: '127.0.0.1', tcpPort: 1, udpPort: 0 };

const kinds = (log: readonly { readonly kind: string; readonly code?: string }[]) =>
  log.map(({ kind, code }) => (code === undefined ? kind : `${kind} ${code}`));

describe('the log of a node', () => {
  it('tells of dials in vain, of connections, and of their ends', async () => {
    const listener = await started();
    const server = await started({ listen: undefined });
    const peer = await server.dial(listener.enode);
    await listener.until(isKind('peer-connected'));
    expect(kinds(server.log(listener.enode))).toEqual(['connected']);
    expect(
      kinds(listener.log(formatEnode({ publicKey: server.id, host: '127.0.0.1', tcpPort: 1, udpPort: 0 }))),
    ).toEqual(['connected']);
    peer.disconnect();
    await server.until(isKind('peer-disconnected'));
    expect(kinds(server.log(listener.enode))).toEqual(['connected', 'disconnected disconnect-requested']);
    await listener.close();
    expect(await rejectionOf(server.dial(listener.enode))).toBe('dial-failed');
    expect(kinds(server.log(listener.enode)).at(-1)).toBe('dial-failed dial-failed');
    expect(server.diagnose().findings.map(({ kind }) => kind)).not.toContain('offline');
    server.addPeer(listener.enode);
    await server.until(isKind('dial-failed'));
    expect(server.log(listener.enode).at(-1)?.times).toBe(2);
    expect(server.log(listener.enr)).toEqual(server.log(listener.enode));
  });

  it('tells of nodes whose records are of no use, which by v5 are of all kinds', () => {
    const observations = new Observations(systemEnv);
    const publicKey = publicKeyOf(generateSecretKey(systemEnv));
    for (const source of ['v4', 'dns', 'v5', 'v5', 'v5'] as const) {
      observations.passedOver({ ...NOWHERE, publicKey, record: undefined, source });
    }
    expect(observations.facts()).toMatchObject({ passedOver: 2, foreign: 3 });
    expect(kinds(observations.log(publicKey))).toEqual(['passed-over']);
    expect(observations.log(publicKey).at(-1)).toMatchObject({
      times: 5,
      message: expect.stringContaining('none'),
    });
  });

  it('tells whom it did not let in, if that one has proved who it is', async () => {
    const full = await started({ maxPeers: 1 });
    const first = await started({ listen: undefined });
    await first.dial(full.enode);
    await full.until(isKind('peer-connected'));
    const second = await started({ listen: undefined });
    const refused = full.until(isKind('connection-failed'));
    expect(['remote-disconnect', 'network-error']).toContain(await rejectionOf(second.dial(full.enode)));
    await refused;
    const enode = formatEnode({ publicKey: second.id, host: '127.0.0.1', tcpPort: 1, udpPort: 0 });
    expect(kinds(full.log(enode))).toEqual(['refused too-many-peers']);
  });

  it('tells what was decided about one that behaves badly', async () => {
    const policy: ReputationPolicy = ({ score }) =>
      score < 0 ? { kind: 'ban', forMs: 60_000, reason: 'it is bad' } : { kind: 'keep' };
    const server = await started({ policy, listen: undefined });
    const [bad, good, another] = [await started(), await started(), await started()];
    for (const { enode } of [good, another]) await server.dial(enode);
    const peer = await server.dial(bad.enode);
    peer.report('breach');
    expect(kinds(server.log(bad.enode))).toContain('banned');
    expect(kinds(server.log(good.enode))).not.toContain('banned');
    expect(server.metrics().reputations?.count).toBeGreaterThan(0);
  });

  it('tells until when a node is banned or not dialed, by whomever, and that it was taken back', async () => {
    const env = new ManualEnv();
    const policy: ReputationPolicy = ({ score }) =>
      score < -50
        ? { kind: 'ban', forMs: 120_000, reason: 'bad' }
        : { kind: 'penalise', forMs: 60_000, reason: 'poor' };
    const server = await started({ env, policy, listen: undefined });
    const [judged, named, gone] = [await started(), await started(), await started()];
    const peer = await server.dial(judged.enode);
    for (const { enode } of [named, gone]) await server.dial(enode);
    const lastOf = ({ enode }: { readonly enode: string }) => {
      const notes = server.log(enode).filter(({ kind }) => kind !== 'disconnected');
      return [notes.at(-1)?.kind, notes.at(-1)?.message];
    };
    peer.report('timeout');
    expect(lastOf(judged)).toEqual(['penalised', 'not dialed until 1970-01-01T00:01:00.000Z: poor']);
    peer.report('hostile');
    expect(lastOf(judged)).toEqual(['banned', 'banned until 1970-01-01T00:02:00.000Z: bad']);
    server.ban(named.enode, { durationMs: 1000, reason: 'mine' });
    expect(lastOf(named)).toEqual(['banned', 'banned until 1970-01-01T00:00:01.000Z: mine']);
    await server.until(() => server.peers.length === 1);
    const last = server.log(named.enode).at(-1);
    expect(last?.message).toContain('is banned until 1970-01-01T00:00:01.000Z: mine');
    server.addPeer(named.enode);
    server.ban('127.0.0.1', { durationMs: 3000 });
    for (const other of [named, gone]) {
      const message = 'its address is banned until 1970-01-01T00:00:03.000Z: banned by the user';
      expect(lastOf(other)).toEqual(['banned', message]);
    }
    server.unban('127.0.0.1');
    expect(lastOf(named)).toEqual(['unbanned', 'taken back by the user']);
  });

  it('is empty for others, and refuses what is no node', async () => {
    const server = await started({ listen: undefined });
    const publicKey = publicKeyOf(generateSecretKey(systemEnv));
    expect(server.log(formatEnode({ publicKey, host: '127.0.0.1', tcpPort: 1, udpPort: 0 }))).toEqual([]);
    expect(codeOf(() => server.log('nobody'))).toBe('invalid-enode');
  });
});

describe('what a server says of itself', () => {
  it('is that it has nobody to dial, or who is missing', async () => {
    const server = await started({ listen: undefined });
    expect(server.diagnose().findings.map(({ kind }) => kind)).toEqual(['no-sources']);
    const gone = await started();
    await gone.close();
    server.addPeer(gone.enode);
    await server.until(isKind('dial-failed'));
    const { state, findings } = server.diagnose();
    expect(state).toBe('none');
    expect(findings.map(({ kind, count }) => [kind, count])).toEqual([['static-missing', 1]]);
  });

  it('is that it refuses all that it knows itself', async () => {
    const others = [await started(), await started()];
    const server = await started({ listen: undefined, bootnodes: others.map(({ enode }) => enode) });
    await server.until(() => server.peers.length === 2);
    server.ban('127.0.0.1');
    await server.until(() => server.peers.length === 0);
    const { state, findings, summary } = server.diagnose();
    expect([state, ...findings.map(({ kind, count }) => [kind, count])]).toEqual(['none', ['shunned', 2]]);
    expect(summary).toContain('server.bans');
  });

  it('is that all who are to be dialed are where it dials nobody', async () => {
    const env = new ManualEnv();
    const enodes = [1, 2, 3, 4, 5].map((port) =>
      formatEnode({
        publicKey: publicKeyOf(generateSecretKey(systemEnv)),
        ...{ host: 'localhost', tcpPort: port, udpPort: 0 },
      }),
    );
    const server = await started({ env, listen: undefined, bootnodes: enodes, netRestrict: ['10.0.0.0/8'] });
    await server.until(() => server.seen.filter(isKind('dial-failed')).length === enodes.length);
    expect(server.diagnose().findings.map(({ kind, count }) => [kind, count])).toEqual([['restricted', 5]]);
  });

  it('is that others send it away, with reasons of which each is one of the specification', () => {
    const env = new ManualEnv();
    const observations = new Observations(env);
    const left = (reason: string) =>
      new PeerlaneError('remote-disconnect', 'the peer disconnected', { details: { reason } });
    const enode = parseEnode(
      formatEnode({
        publicKey: publicKeyOf(generateSecretKey(systemEnv)),
        ...{ host: '9.9.9.9', tcpPort: 1, udpPort: 1 },
      }),
    );
    for (const reason of ['useless-peer', 'useless-peer', '0x77', '0x78', 'too-many-peers']) {
      const error = left(reason);
      observations.dialFailed({ enode, error, outcome: outcomeOf(error), redialInMs: 0, isFound: false });
    }
    expect([...observations.facts().reasons]).toEqual([
      ['useless-peer', 2],
      ['another reason', 2],
    ]);
  });

  it('is what a node found that it dials once in an hour, until a peer that has stayed is gone', async () => {
    const env = new ManualEnv();
    const observations = new Observations(env);
    const enode = parseEnode(
      formatEnode({ ...NOWHERE, publicKey: publicKeyOf(generateSecretKey(systemEnv)) }),
    );
    const failed = (outcome: DialOutcome, code: ErrorCode) =>
      observations.dialFailed({
        ...{ enode, outcome, error: new PeerlaneError(code, 'x') },
        ...{ redialInMs: undefined, isFound: true },
      });
    failed('useless', 'no-shared-capability');
    env.advance(MEMORY_MS - 1);
    const { outcomes, sinceLastPeer } = observations.facts();
    expect([outcomes.size, [...sinceLastPeer.outcomes], [...sinceLastPeer.codes]]).toEqual([
      0,
      [['useless', 1]],
      [['no-shared-capability', 1]],
    ]);
    const gone = (stayedMs: number) =>
      observations.disconnected(
        { id: enode.publicKey, inbound: true } as PeerInfo,
        new PeerlaneError('network-error', 'x'),
        stayedMs,
      );
    gone(SHORT_STAY_MS - 1);
    expect(observations.facts().sinceLastPeer.outcomes.size).toBe(1);
    gone(SHORT_STAY_MS);
    expect(observations.facts().sinceLastPeer.outcomes.size).toBe(0);
  });

  it('is why a port is not mapped, for each port, until it is mapped or renewed', () => {
    const observations = new Observations(new ManualEnv());
    const failed = (protocol: MappedProtocol, code: ErrorCode, family: 4 | 6 = 4) => {
      const error = new PeerlaneError(code, 'x');
      observations.heard({ kind: 'nat-failed', protocol, family, error, retryInMs: 5_000 });
    };
    const mapped = (protocol: MappedProtocol, family: 4 | 6 = 4) =>
      observations.heard({ kind: 'mapped', protocol, family, external: '8.8.4.4:30303', method: 'pcp' });
    failed('tcp', 'nat-refused');
    mapped('udp');
    expect(observations.facts().natFailures).toEqual({ tcp: 'nat-refused' });
    failed('udp', 'nat-no-router');
    mapped('tcp');
    expect(observations.facts().natFailures).toEqual({ udp: 'nat-no-router' });
    // What says more is told, and nothing where one family leads to the port.
    failed('udp', 'nat-refused', 6);
    failed('tcp', 'nat-no-router', 6);
    expect(observations.facts().natFailures).toEqual({ udp: 'nat-refused' });
    mapped('udp', 6);
    expect(observations.facts().natFailures).toEqual({});
  });

  it('is that nobody there speaks what it does, in a small network', async () => {
    const bootnodes = [(await started()).enode, (await started()).enode];
    const odd = await started({ listen: undefined, bootnodes, protocols: [manual('other').protocol] });
    await odd.until(() => odd.seen.filter(isKind('dial-failed')).length === 2);
    const { state, findings } = odd.diagnose();
    expect([state, ...findings.map(({ kind, count }) => [kind, count])]).toEqual([
      'none',
      ['incompatible', 2],
    ]);
  });

  it('is that its clock is wrong, when those of others say so', async () => {
    const env = { ...systemEnv, unixTime: () => systemEnv.unixTime() + 15_000 };
    const server = await started({ discovery: true });
    const others = [1, 2, 3, 4, 5].map(() => {
      const listen = { host: '127.0.0.1', port: 0 };
      return new Discv4Service({ key: generateSecretKey(systemEnv), listen, env });
    });
    try {
      for (const other of others) {
        await other.start();
        await server.discovery?.ping(other.record.toString());
      }
      const [first] = server.diagnose().findings;
      expect([first?.kind, first?.count]).toEqual(['clock', 15]);
      expect(first?.message).toContain('behind');
    } finally {
      for (const other of others) await other.close();
    }
  });

  it('counts its peers', async () => {
    const listener = await started();
    const server = await started({ listen: undefined, staticNodes: [listener.enode] });
    await server.until(isKind('peer-connected'));
    await listener.until(isKind('peer-connected'));
    expect(server.diagnose().peers).toEqual({ inbound: 0, dialed: 1, kept: 1, max: 50 });
    expect(listener.diagnose().peers).toEqual({ inbound: 1, dialed: 0, kept: 0, max: 50 });
  });
});
