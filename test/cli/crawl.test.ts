import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { nodesOfLists } from '../../src/cli/crawl/lists.ts';
import { crawlPageOf } from '../../src/cli/crawl/page.ts';
import { Output } from '../../src/cli/output.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { formatTreeUrl, signTree, treeTexts } from '../../src/dnsdisc/index.ts';
import { parseEnode, signRecord } from '../../src/enr/index.ts';
import { ownIpv6 } from '../../src/io/interfaces.ts';
import {
  formatNodeSet,
  type NodeSet,
  type NodeSetEntry,
  nodeSetKey,
  parseNodeSet,
} from '../../src/server/node-set.ts';
import { SMALL_CHAIN } from '../interop/chains.ts';
import { DnsServer } from '../support/dns-server.ts';
import { EthNode } from '../support/eth-node.ts';
import { bootnode, enodeOf, ofKind, ownNode, silentNode } from './bootnode.ts';
import { Cli, eventsOf, run, runProcess } from './cli.ts';

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

/** An entry of a node that has answered yesterday, and is gone. */
async function goneNode(): Promise<[string, NodeSetEntry]> {
  const service = await ownNode();
  const { record: node } = service;
  await service.close();
  const at = Date.now() - 86_400_000;
  return [nodeSetKey(node), { node, score: 5, firstResponse: at, lastResponse: at, lastCheck: at }];
}

const SHORT = ['--idle', '3s', '--timeout', '30s'];

describe('`crawl`', () => {
  it('keeps a set of those who answer, which `nodeset` reads, and goes on with it', async () => {
    const [enode, path] = [await network(4), await directory()];
    const file = join(path, 'nodes.json');
    const html = join(path, 'nodes.html');
    const first = await runProcess('crawl', file, '--bootnode', enode, ...SHORT, '--html', html, '--json');
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
    const crawl = (...more: string[]) => run('crawl', file, ...options, ...SHORT, ...more);
    const first = await crawl('--json');
    const summary = eventsOf(first.stdout).at(-1);
    expect([first.status, summary]).toMatchObject([0, { hellosAsked: 1, hellos: 1, clients: 1 }]);
    expect(await readFile(html, 'utf8')).toContain('eth/69');
    const set = await parseNodeSet(await readFile(file, 'utf8'));
    const said = [...set.values()].flatMap(({ hello }) => hello ?? []);
    expect(said).toMatchObject([{ clientId: 'peerlane', capabilities: expect.arrayContaining(['eth/69']) }]);
    const info = await run('nodeset', 'info', file, '--json');
    expect(eventsOf(info.stdout)[0]).toMatchObject({ clients: { peerlane: 1 } });

    // Nobody is due, and the client is known.
    const again = await crawl();
    expect([again.status, again.stdout]).toEqual([
      0,
      expect.stringMatching(
        /^asked nobody for a client; the clients of 1 node are known, no other node of eth/m,
      ),
    ]);
    expect(await readFile(html, 'utf8')).toContain('<th scope="row">peerlane</th>');

    // Nobody is due, but the client is not known, or what is known of it is old.
    for (const hello of [undefined, { ...said[0], clientId: 'old', capabilities: [], at: 5 }]) {
      const changed = new Map(
        [...set].map(([key, entry]) => [key, { ...entry, hello: entry.hello && hello }]),
      );
      await writeFile(file, formatNodeSet(changed));
      const asked = eventsOf((await crawl('--json')).stdout).at(-1);
      expect(asked).toMatchObject({ hellosAsked: 1, hellos: 1, clients: 1 });
      expect(await readFile(file, 'utf8')).toContain('"client":"peerlane"');
    }
  });

  it.runIf(ownIpv6().isThere)('checks nodes of IPv6 that are in its set alone', async () => {
    const node = await ownNode({ listen: { host: '::1', port: 0 } });
    const file = join(await directory(), 'nodes.json');
    const at = Date.now() - 86_400_000;
    const entry = { node: parseEnode(enodeOf(node, '::1')), score: 5, firstResponse: at, lastResponse: at };
    await writeFile(
      file,
      formatNodeSet(new Map([[nodeSetKey(entry.node), { ...entry, lastCheck: Date.UTC(9999, 0) }]])),
    );
    const { status, stdout } = await run('crawl', file, ...SHORT, '--json');
    expect([status, eventsOf(stdout).at(-1)]).toMatchObject([0, { nodes: 1, checked: 1, answered: 1 }]);
  });

  it('says of how many nodes it has no way to them', async () => {
    const node = await ownNode({ listen: { host: '127.0.0.1', port: 0 } });
    const file = join(await directory(), 'nodes.json');
    const { publicKey, port } = node;
    const six = await ownNode();
    const set: NodeSet = new Map();
    for (const enode of [
      { publicKey, host: '127.0.0.1', tcpPort: 0, udpPort: port },
      { publicKey: six.publicKey, host: '::1', tcpPort: 0, udpPort: six.port },
    ]) {
      const times = { firstResponse: 1, lastResponse: 1, lastCheck: 1 };
      set.set(nodeSetKey(enode), { node: enode, score: 1, ...times });
    }
    await writeFile(file, formatNodeSet(set));
    const { stdout } = await run('crawl', file, ...SHORT, '--json', '--listen', '127.0.0.1:0');
    expect(ofKind('unreached', eventsOf(stdout))).toMatchObject([{ nodes: 1 }]);
    expect(eventsOf(stdout).at(-1)).toMatchObject({ nodes: 2, checked: 1, answered: 1 });
  });

  it('has nobody to ask without a bootnode, a list and a set', async () => {
    const file = join(await directory(), 'nodes.json');
    const { status, stderr } = await run('crawl', file);
    expect([status, stderr]).toEqual([1, expect.stringContaining('nobody to ask')]);
  });

  it('fails when nobody answers, makes no file, and loses no set', async () => {
    const [silent, path] = [await silentNode(), await directory()];
    const file = join(path, 'nodes.json');
    const html = join(path, 'nodes.html');
    const args = ['--bootnode', silent, '--idle', '1s', '--html', html, '--json'];
    const none = await runProcess('crawl', file, ...args);
    expect(none.status).toBe(1);
    expect(eventsOf(none.stdout).slice(-2)).toMatchObject([
      { event: 'summary', nodes: 0, answered: 0 },
      { event: 'error', code: 'request-timeout', message: 'nobody has answered' },
    ]);
    expect(await readdir(path)).toEqual([]);
    const set = formatNodeSet(new Map([await goneNode()]));
    await writeFile(file, set);
    const gone = await run('crawl', file, ...args);
    expect([gone.status, eventsOf(gone.stdout).at(-1)?.code]).toEqual([1, 'request-timeout']);
    expect((await parseNodeSet(await readFile(file, 'utf8'))).size).toBe(1);
  });

  it.each([
    ['in a directory that is not there', 'none/x', /its directory does not exist/],
    ['that is a directory', 'folder', /it is a directory/],
    ['in a directory that is none', 'file/x', /a part of its path is not a directory/],
    ['that is a device', '/dev/null', /not a regular file/],
    ['without a name', 'none/', /names no file/],
  ])('refuses files %s before it asks anybody', async (_, name, message) => {
    const [node, path] = [await ownNode(), await directory()];
    await mkdir(join(path, 'folder'));
    await writeFile(join(path, 'file'), 'kept');
    const bad = name.startsWith('/') ? name : `${path}/${name}`;
    const before = await readdir(path, { recursive: true });
    const good = join(path, 'good');
    for (const args of [
      [bad, '--html', good],
      [good, '--html', bad],
    ]) {
      const { status, stdout } = await run('crawl', ...args, '--bootnode', enodeOf(node), '--json');
      expect(status).toBe(1);
      expect(eventsOf(stdout)).toMatchObject([
        { event: 'error', code: 'file-unreadable', message: expect.stringMatching(message) },
      ]);
    }
    expect(node.stats().received).toBe(0);
    expect(await readdir(path, { recursive: true })).toEqual(before);
    expect(await readFile(join(path, 'file'), 'utf8')).toBe('kept');
  });

  it('refuses to write the page over the set, also behind a link', async () => {
    const path = await directory();
    const [file, link] = [join(path, 'nodes.json'), join(path, 'link')];
    await writeFile(file, '{}');
    await symlink(file, link);
    for (const html of [file, join(path, '.', 'nodes.json'), link]) {
      const { status, stderr } = await run('crawl', file, '--html', html);
      expect([status, stderr]).toEqual([1, expect.stringMatching(/--html needs another file/)]);
    }
  });

  it('begins with the nodes of a list, of which half of its time is enough', async () => {
    const [node, path] = [await ownNode(), await directory()];
    const file = join(path, 'nodes.json');
    const made = signTree(
      { domain: 'nodes.test', seq: 1n, records: [node.record] },
      generateSecretKey(systemEnv),
    );
    const url = formatTreeUrl(made.url);
    const server = await DnsServer.serve(treeTexts(made));
    onTestFinished(() => server[Symbol.asyncDispose]());
    const args = ['--dns', url, '--dns-server', server.address, '--json'];
    const whole = await run('crawl', file, ...args, '--idle', '1s');
    expect([whole.status, eventsOf(whole.stdout).at(-1)]).toMatchObject([0, { event: 'summary', nodes: 1 }]);
    const silent = await DnsServer.listen(() => 'silence');
    onTestFinished(() => silent[Symbol.asyncDispose]());
    const late = await run(
      'crawl',
      file,
      '--dns',
      url,
      '--dns-server',
      silent.address,
      '--timeout',
      '2s',
      '--json',
    );
    expect(late.status).toBe(0);
    expect(ofKind('list-failed', eventsOf(late.stdout))).toMatchObject([
      { url, code: 'lookup-timeout', message: 'half of the time of the crawl is over', nodes: 0 },
    ]);
    const other = join(path, 'other.json');
    const none = await run('crawl', other, '--dns', url, '--dns-server', silent.address, '--timeout', '1s');
    expect([none.status, none.stderr]).toEqual([1, expect.stringMatching(/no list gave a node/)]);
  });

  it('passes over those of a list that it has no way to', async () => {
    const [node, path] = [await ownNode(), await directory()];
    const far = { ip6: '2606:4700::1', udp6: 30_303 };
    const only = signRecord(generateSecretKey(systemEnv), { seq: 1n, entries: far });
    const key = generateSecretKey(systemEnv);
    const { port } = await ownNode({ key });
    const both = signRecord(key, { seq: 1n, entries: { ...far, ip: '127.0.0.1', udp: port } });
    const records = [node.record, only, both];
    const made = signTree({ domain: 'nodes.test', seq: 1n, records }, generateSecretKey(systemEnv));
    const server = await DnsServer.serve(treeTexts(made));
    onTestFinished(() => server[Symbol.asyncDispose]());
    const args = ['--dns', formatTreeUrl(made.url), '--dns-server', server.address, '--json'];
    args.push('--listen', '127.0.0.1:0', '--idle', '1s');
    const { status, stdout } = await run('crawl', join(path, 'nodes.json'), ...args);
    expect([status, eventsOf(stdout).at(-1)]).toMatchObject([0, { event: 'summary', nodes: 2, checked: 2 }]);
    expect(ofKind('unreached', eventsOf(stdout))).toMatchObject([{ nodes: 1 }]);
  });

  it('does not say of a list that it is empty when it has no way to its nodes', async () => {
    const far = { ip6: '::1', udp6: 30_303 };
    const only = signRecord(generateSecretKey(systemEnv), { seq: 1n, entries: far });
    const made = signTree({ domain: 'nodes.test', seq: 1n, records: [only] }, generateSecretKey(systemEnv));
    const server = await DnsServer.serve(treeTexts(made));
    onTestFinished(() => server[Symbol.asyncDispose]());
    const args = ['--dns', formatTreeUrl(made.url), '--dns-server', server.address];
    const file = join(await directory(), 'nodes.json');
    const { status, stderr } = await run('crawl', file, ...args, '--listen', '127.0.0.1:0');
    expect([status, stderr]).toEqual([1, expect.stringContaining('no way to the 1 node of the list')]);
  });

  it('writes over no set that another has changed meanwhile, and keeps its own beside it', async () => {
    const [enode, path] = [await network(1), await directory()];
    const file = join(path, 'nodes.json');
    const cli = new Cli(['crawl', file, '--bootnode', enode, '--json']);
    await cli.event(({ event, nodes }) => event === 'progress' && Number(nodes) >= 2);
    const other = formatNodeSet(new Map([await goneNode()]));
    await writeFile(file, other);
    cli.kill('SIGINT');
    const { status, stdout } = await cli.done;
    expect(status).toBe(1);
    const error = eventsOf(stdout).at(-1);
    expect(error).toMatchObject({ event: 'error', code: 'file-unreadable' });
    expect(await readFile(file, 'utf8')).toBe(other);
    const [beside = ''] = (await readdir(path)).filter((name) => name !== 'nodes.json');
    expect(String(error?.message)).toContain(beside);
    expect((await parseNodeSet(await readFile(join(path, beside), 'utf8'))).size).toBe(2);
  });

  it('says why a list cannot be read, by itself when it has nobody else to ask', async () => {
    const [node, path] = [await ownNode(), await directory()];
    const made = signTree({ domain: 'nodes.test', seq: 1n, records: [] }, generateSecretKey(systemEnv));
    const url = formatTreeUrl(made.url);
    const failing = await DnsServer.listen(() => 'server failure');
    onTestFinished(() => failing[Symbol.asyncDispose]());
    const gone = await DnsServer.listen(() => 'silence');
    const { address: goneAddress } = gone;
    await gone[Symbol.asyncDispose]();
    const answers: [string, RegExp][] = [
      [failing.address, /the DNS server cannot answer \(ESERVFAIL\)/],
      [goneAddress, /there is no DNS server, or it refuses to be connected to \(ECONNREFUSED\)/],
    ];
    for (const [server, message] of answers) {
      const args = [
        'crawl',
        join(path, 'nodes.json'),
        '--dns',
        url,
        '--dns-server',
        server,
        '--timeout',
        '2s',
      ];
      const { status, stdout } = await run(...args, '--json');
      expect(status).toBe(1);
      const said = { code: 'lookup-failed', message: expect.stringMatching(message) };
      expect(eventsOf(stdout)).toMatchObject([
        { event: 'list-failed', url, nodes: 0, ...said },
        { event: 'error', ...said },
      ]);
      expect(eventsOf(stdout)[1]?.message).toMatch(/^nobody to ask: no list gave a node: /);
    }
    const args = ['--dns', url, '--dns-server', goneAddress, '--timeout', '2s', '--bootnode', enodeOf(node)];
    const others = await run('crawl', join(path, 'nodes.json'), ...args, '--idle', '500ms', '--json');
    expect([others.status, ofKind('list-failed', eventsOf(others.stdout))]).toMatchObject([
      0,
      [{ nodes: 0 }],
    ]);
  });

  it('says nothing of those that are left when something else has ended it', async () => {
    const ended = new AbortController();
    const server = await DnsServer.listen(() => {
      ended.abort();
      return 'silence';
    });
    onTestFinished(() => server[Symbol.asyncDispose]());
    const dns = ['a.test', 'b.test'].map((domain) =>
      formatTreeUrl(signTree({ domain, seq: 1n, records: [] }, generateSecretKey(systemEnv)).url),
    );
    let written = '';
    const stdout = Object.assign(new PassThrough(), { isTTY: false });
    stdout.on('data', (chunk: Buffer) => {
      written += chunk.toString();
    });
    const output = new Output(true, systemEnv, { stdout, stderr: stdout });
    const listed = await nodesOfLists(
      { env: systemEnv, output, signal: new AbortController().signal },
      { dns, dnsServer: [server.address], reaches: () => true, timeout: 60_000 },
      ended.signal,
    );
    expect(listed).toEqual({ nodes: [], unreached: 0, failure: undefined });
    expect(written).not.toContain('list-failed');
    expect(new Set(server.asked.map(({ name }) => name))).toEqual(new Set(['a.test']));
  });

  it('says that its port is taken before it reads a list', async () => {
    const { port } = await ownNode();
    const server = await DnsServer.listen(() => 'silence');
    onTestFinished(() => server[Symbol.asyncDispose]());
    const made = signTree({ domain: 'nodes.test', seq: 1n, records: [] }, generateSecretKey(systemEnv));
    const args = ['--dns', formatTreeUrl(made.url), '--dns-server', server.address];
    const file = join(await directory(), 'nodes.json');
    const { status, stderr } = await run('crawl', file, ...args, '--listen', `127.0.0.1:${port}`);
    expect([status, stderr]).toEqual([1, expect.stringMatching(/\(port-in-use\)/)]);
    expect(server.asked).toEqual([]);
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
    ['--limit', '250001'],
    ['--dns-server', 'x'],
    ['--dns', 'http://example.org'],
    ['--dns-server', '127.0.0.1'],
  ])('refuses %s %s', async (...args) => {
    const { status } = await run('crawl', 'nodes.json', ...args);
    expect(status).toBe(2);
  });
});

describe('the page of a crawl', () => {
  it('says why it has no protocol versions', () => {
    const page = crawlPageOf({ set: new Map(), now: 5, versions: { v4: 0 } });
    expect(page).toMatch(/<h2[^>]*>Protocol versions and clients<\/h2>\n<p>.*A crawl with --hello asks/);
  });

  it('shows what strangers say as text', () => {
    const key = generateSecretKey(systemEnv);
    const evil = '<script>alert(1)</script>"\'&';
    const node = signRecord(key, {
      seq: 1n,
      entries: { ip: '127.0.0.1', udp: 1 },
      others: new Map([[evil, Uint8Array.of(1)]]),
    });
    const hello = { clientId: `${evil}x/v1`, capabilities: [evil], at: 2 };
    const set: NodeSet = new Map([
      [nodeSetKey(node), { node, score: 3, firstResponse: 1, lastResponse: 2, lastCheck: 2, hello }],
    ]);
    const page = crawlPageOf({ set, now: 5, versions: { v4: 3, v5: 2, both: 1 } });
    expect(page).toContain('<p>Nodes of discovery v4 and v5, on ');
    for (const by of ['v4', 'v5', 'both']) expect(page).toContain(`answered by ${by}`);
    expect(page).not.toContain('<script');
    expect(page).toContain('&lt;script&gt;');
    expect(page).not.toMatch(/<(?:img|link|iframe|object|a)\b|https?:|src=/);
  });
});
