/** Nodes that are named by a host: it is looked up when they are dialed, and each time anew. */
import dns from 'node:dns';
import { isIP } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { formatEnode, parseEnode } from '../../src/enr/index.ts';
import { MAX_DIAL_BACKOFF_MS } from '../../src/server/dial-backoff.ts';
import { rejectionOf } from '../support/errors.ts';
import { ManualEnv } from '../support/manual-env.ts';
import { isKind, LOOPBACK, startedServer, TestServer } from '../support/servers.ts';

const HOST = 'node.peerlane.test';

/** The addresses behind names; whatever is not here does not exist. */
const names = new Map<string, string>();
const asked: string[] = [];
type Answer = (error: Error | null, address: string | dns.LookupAddress[], family?: number) => void;

beforeEach(() => {
  names.clear();
  asked.length = 0;
  const { lookup } = dns;
  // What the sockets of Node.js ask; also of addresses, where they listen.
  vi.spyOn(dns, 'lookup').mockImplementation(((host: string, ...rest: [dns.LookupOptions, Answer]) => {
    if (isIP(host) !== 0) return lookup(host, ...rest);
    asked.push(host);
    const [{ all }, answer] = rest;
    const address = names.get(host);
    process.nextTick(() => {
      if (address === undefined) answer(new Error(`getaddrinfo ENOTFOUND ${host}`), '');
      else answer(null, all === true ? [{ address, family: isIP(address) }] : address, isIP(address));
    });
  }) as typeof dns.lookup);
});
afterEach(() => void vi.restoreAllMocks());

/** The enode URL of a server, with a name in place of its address. */
const byName = ({ enode }: TestServer, host = HOST) => formatEnode({ ...parseEnode(enode), host });

describe('a node that is named by a host', () => {
  it('is looked up by each dial, and not before', async () => {
    const listening = await startedServer();
    const enode = byName(listening);
    const server = await startedServer({ listen: undefined });
    expect(asked).toEqual([]);
    expect(await rejectionOf(server.dial(enode))).toBe('dial-failed');
    names.set(HOST, LOOPBACK.host);
    const peer = await server.dial(enode);
    expect(peer.info.id).toEqual(listening.id);
    expect(asked).toEqual([HOST, HOST]);
  });

  it('is dialed where it has moved to', async () => {
    const key = generateSecretKey(systemEnv);
    const first = await startedServer({ key });
    const server = await startedServer({ listen: undefined });
    // Nobody is there.
    names.set(HOST, '::1');
    expect(await rejectionOf(server.dial(byName(first)))).toBe('dial-failed');
    names.set(HOST, LOOPBACK.host);
    expect((await server.dial(byName(first))).info.id).toEqual(first.id);
  });

  it('is kept connected as any other', async () => {
    const listening = await startedServer();
    names.set(HOST, LOOPBACK.host);
    const staticNodes = [byName(listening)];
    const server = await startedServer({ listen: undefined, staticNodes });
    const { peer } = await server.until(isKind('peer-connected'));
    expect(peer.id).toEqual(listening.id);
    server.removePeer(byName(listening));
    await server.until(isKind('peer-disconnected'));
    expect(asked).toEqual([HOST]);
  });

  it('is not dialed while the address behind it is banned, and is as soon as that is over', async () => {
    const env = new ManualEnv();
    const listening = await startedServer();
    names.set(HOST, LOOPBACK.host);
    const server = new TestServer({ env, listen: undefined, staticNodes: [byName(listening)] });
    onTestFinished(() => server.close());
    server.ban(LOOPBACK.host, { durationMs: 600_000 });
    await server.start();
    const { error, redialInMs } = await server.until(isKind('dial-failed'));
    expect([error.code, redialInMs]).toEqual(['banned', 600_000]);
    expect(server.diagnose().findings.map(({ kind }) => kind)).toContain('shunned');
    env.advance(599_999);
    expect(asked).toEqual([HOST]);
    env.advance(1);
    await server.until(isKind('peer-connected'));
    server.ban(LOOPBACK.host);
    await server.until(isKind('peer-disconnected'));
    // The user has it dialed once more; that comes to nothing, and lasts for longer than one waits without looking again.
    env.advance(35_000);
    await server.until((event) => event.kind === 'dial-failed' && event.redialInMs === MAX_DIAL_BACKOFF_MS);
    expect(asked).toHaveLength(3);
    server.seen.length = 0;
    server.unban(LOOPBACK.host);
    await server.until(isKind('peer-connected'));
  });

  it('is found by the system, too', async () => {
    vi.restoreAllMocks();
    const listening = await startedServer();
    const server = await startedServer({ listen: undefined, staticNodes: [byName(listening, 'localhost')] });
    const { peer } = await server.until(isKind('peer-connected'));
    expect(peer.id).toEqual(listening.id);
  });
});
