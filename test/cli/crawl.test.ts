import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { crawlPageOf } from '../../src/cli/crawl/page.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { signRecord } from '../../src/enr/index.ts';
import { type NodeSet, nodeSetKey, parseNodeSet } from '../../src/server/node-set.ts';
import { SMALL_CHAIN } from '../interop/chains.ts';
import { EthNode } from '../support/eth-node.ts';
import { bootnode, enodeOf, ofKind, ownNode } from './bootnode.ts';
import { Cli, eventsOf, run } from './cli.ts';

async function directory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'peerlane-crawl-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

async function network(count: number): Promise<string> {
  const { enode } = await bootnode();
  for (let i = 0; i < count; i++) {
    const node = await ownNode({ bootnodes: [enode] });
    await node.ping(enode);
  }
  return enode;
}

const SHORT = ['--idle', '3s', '--timeout', '30s'];

describe('`crawl`', () => {
  it('keeps a set of those who answer, which `nodeset` reads, and goes on with it', async () => {
    const [enode, path] = [await network(4), await directory()];
    const file = join(path, 'nodes.json');
    const html = join(path, 'nodes.html');
    const first = await run('crawl', file, '--bootnode', enode, ...SHORT, '--html', html, '--json');
    expect(first.status).toBe(0);
    expect(eventsOf(first.stdout).at(-1)).toMatchObject({ event: 'summary', nodes: 5, added: 5, removed: 0 });
    const set = await parseNodeSet(await readFile(file, 'utf8'));
    expect([...set.values()].map(({ score }) => score)).toEqual([1, 1, 1, 1, 1]);
    const { stdout } = await run('nodeset', 'info', file, '--json');
    expect(eventsOf(stdout)[0]).toMatchObject({ nodes: 5 });
    const page = await readFile(html, 'utf8');
    expect(page).toMatch(/^<!DOCTYPE html>\n/);
    expect(page).toContain('<h2 id="title-0">Networks</h2>');
    expect(page).toMatch(/<\/html>\n$/);
    // All were checked a moment ago, and one more has come.
    await (await ownNode({ bootnodes: [enode] })).ping(enode);
    const second = await run('crawl', file, ...SHORT, '--json');
    expect(eventsOf(second.stdout).at(-1)).toMatchObject({ nodes: 6, added: 1, removed: 0 });
  });

  it('writes what it has when it is interrupted', async () => {
    const [enode, path] = [await network(2), await directory()];
    const file = join(path, 'nodes.json');
    const cli = new Cli(['crawl', file, '--bootnode', enode, '--json']);
    await cli.event(({ event, nodes }) => event === 'progress' && Number(nodes) >= 3);
    cli.kill('SIGINT');
    expect((await cli.done).status).toBe(130);
    expect((await parseNodeSet(await readFile(file, 'utf8'))).size).toBe(3);
    expect(ofKind('summary', cli.events)).toHaveLength(1);
  });

  it('hears what clients nodes are with `--hello`', async () => {
    const [enode, path] = [await network(0), await directory()];
    const node = await EthNode.start(SMALL_CHAIN, { bootnodes: [enode], discovery: (chain) => chain });
    onTestFinished(() => node[Symbol.asyncDispose]());
    await node.server.discovery?.ping(enode);
    const file = join(path, 'nodes.json');
    const html = join(path, 'nodes.html');
    const options = ['--bootnode', enode, '--hello', '--html', html];
    const { status, stdout } = await run('crawl', file, ...options, ...SHORT, '--json');
    expect([status, eventsOf(stdout).at(-1)?.hellos]).toEqual([0, 1]);
    expect(await readFile(html, 'utf8')).toContain('eth/69');
  });

  it('has nobody to ask without a bootnode, a list and a set', async () => {
    const file = join(await directory(), 'nodes.json');
    const { status, stderr } = await run('crawl', file);
    expect([status, stderr]).toEqual([1, expect.stringContaining('nobody to ask')]);
  });

  it('leaves a file alone that is no node set', async () => {
    const file = join(await directory(), 'nodes.json');
    await writeFile(file, '{"cut');
    const silent = enodeOf(await ownNode());
    const { status, stderr } = await run('crawl', file, '--bootnode', silent);
    expect([status, stderr]).toEqual([1, expect.stringContaining('node-set-invalid')]);
    expect(await readFile(file, 'utf8')).toBe('{"cut');
  });

  it.each([
    ['--timeout', '0s'],
    ['--timeout', '99d'],
    ['--rate', '0'],
    ['--limit', 'x'],
    ['--dns', 'http://example.org'],
  ])('refuses %s %s', async (...args) => {
    const { status } = await run('crawl', 'nodes.json', ...args);
    expect(status).toBe(2);
  });
});

describe('the page of a crawl', () => {
  it('shows what strangers say as text', () => {
    const key = generateSecretKey(systemEnv);
    const evil = '<script>alert(1)</script>"\'&';
    const node = signRecord(key, {
      seq: 1n,
      entries: { ip: '127.0.0.1', udp: 1 },
      others: new Map([[evil, Uint8Array.of(1)]]),
    });
    const set: NodeSet = new Map([
      [nodeSetKey(node), { node, score: 3, firstResponse: 1, lastResponse: 2, lastCheck: 2 }],
    ]);
    const greetings = new Map([[nodeSetKey(node), { clientId: `${evil}x/v1`, capabilities: [evil] }]]);
    const page = crawlPageOf({ set, now: 5, greetings });
    expect(page).not.toContain('<script');
    expect(page).toContain('&lt;script&gt;');
    expect(page).not.toMatch(/<(?:img|link|iframe|object|a)\b|https?:|src=/);
  });
});
