import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { formatTreeUrl, treeTexts, treeToJson } from '../../src/dnsdisc/index.ts';
import { key, record, records, tree } from '../dnsdisc/trees.ts';
import { DnsServer, stringsOf } from '../support/dns-server.ts';
import { Cli, eventsOf, type JsonEvent, run, runProcess, temporaryDirectory } from './cli.ts';

const SIGNER = 1_000_000;
const URL = formatTreeUrl(tree().url);
const OTHER = formatTreeUrl(tree({ domain: 'other.test' }).url);

interface Files {
  readonly directory: string;
  readonly key: string;
  readonly records: string;
  readonly tree: string;
}

async function files(recordsText = `${records(20).join('\n')}\n`): Promise<Files> {
  const directory = await temporaryDirectory();
  const path = (name: string): string => join(directory, name);
  await writeFile(path('key'), toBareHex(key(SIGNER)));
  await writeFile(path('records'), recordsText);
  return { directory, key: path('key'), records: path('records'), tree: path('tree.json') };
}

function sign(files: Files, ...more: readonly string[]) {
  return run('dns', 'sign', files.records, '--key', files.key, '--domain', 'nodes.test', ...more);
}

async function serve(texts: ReadonlyMap<string, string>): Promise<string> {
  const server = await DnsServer.serve(texts);
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server.address;
}

const nameOf = ({ event }: JsonEvent): string => event;

describe('dns sign', () => {
  it('prints the tree of the records in a file', async () => {
    const made = tree({ count: 20, seq: 7n, links: [tree({ domain: 'other.test' }).url] });
    const paths = await files();
    const args = ['--seq', '7', '--link', OTHER] as const;
    const [plain, json] = await Promise.all([sign(paths, ...args), sign(paths, ...args, '--json')]);
    expect([plain.status, plain.stderr, plain.stdout]).toEqual([0, '', treeToJson(made)]);
    expect(eventsOf(json.stdout)).toEqual([
      {
        event: 'tree',
        url: URL,
        seq: '7',
        records: 20,
        links: [OTHER],
        entries: made.entries.size,
        texts: Object.fromEntries(treeTexts(made)),
      },
    ]);
  });

  it('counts up from the file that it replaces', async () => {
    const paths = await files();
    const first = await sign(paths, '--out', paths.tree);
    expect([first.status, first.stdout]).toEqual([
      0,
      `wrote ${paths.tree}: ${URL}, sequence number 1, 20 records, 0 links\n`,
    ]);
    expect(await readFile(paths.tree, 'utf8')).toBe(treeToJson(tree({ count: 20 })));
    const second = await sign(paths, '--out', paths.tree, '--json');
    expect(eventsOf(second.stdout)).toEqual([
      expect.objectContaining({ event: 'tree', seq: '2', file: paths.tree }),
    ]);
    const back = await sign(paths, '--out', paths.tree, '--seq', '2');
    expect([back.status, back.stderr]).toEqual([
      1,
      expect.stringMatching(/sequence number 2.*\(invalid-argument\)/),
    ]);
    expect(await readFile(paths.tree, 'utf8')).toBe(treeToJson(tree({ count: 20, seq: 2n })));
  });

  it('publishes no empty list unasked', async () => {
    const paths = await files();
    await sign(paths, '--out', paths.tree);
    await writeFile(paths.records, '# nobody\n');
    const refused = await sign(paths, '--out', paths.tree);
    expect([refused.status, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/no records.*--empty.*\(invalid-argument\)/),
    ]);
    expect(await readFile(paths.tree, 'utf8')).toBe(treeToJson(tree({ count: 20 })));
    const meant = await sign(paths, '--out', paths.tree, '--empty');
    expect([meant.status, await readFile(paths.tree, 'utf8')]).toEqual([
      0,
      treeToJson(tree({ count: 0, seq: 2n })),
    ]);
  });

  it('takes the place of no tree of another key unasked', async () => {
    const paths = await files();
    const old = treeToJson(tree({ signer: 3, count: 20 }));
    await writeFile(paths.tree, old);
    const refused = await sign(paths, '--out', paths.tree);
    expect([refused.status, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/enrtree:.*enrtree:.*--new-key.*\(invalid-argument\)/),
    ]);
    expect(await readFile(paths.tree, 'utf8')).toBe(old);
    const meant = await sign(paths, '--out', paths.tree, '--new-key');
    expect([meant.status, await readFile(paths.tree, 'utf8')]).toEqual([
      0,
      treeToJson(tree({ count: 20, seq: 2n })),
    ]);
  });

  it('cannot count up from the highest number there is', async () => {
    const paths = await files();
    await sign(paths, '--out', paths.tree, '--seq', String(2n ** 64n - 1n));
    const { status, stderr } = await sign(paths, '--out', paths.tree);
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(/highest sequence number.*\(invalid-argument\)/),
    ]);
  });

  it('replaces nothing that is not a tree of the same domain', async () => {
    const paths = await files();
    await writeFile(paths.tree, 'precious');
    expect((await sign(paths, '--out', paths.tree)).stderr).toMatch(/is no tree: .*\(invalid-tree\)\n$/);
    expect(await readFile(paths.tree, 'utf8')).toBe('precious');
    await writeFile(paths.tree, treeToJson(tree({ domain: 'other.test' })));
    expect((await sign(paths, '--out', paths.tree)).stderr).toMatch(/other\.test.*\(invalid-argument\)\n$/);
  });

  it.each([
    ['lines, with some for people', `# from a crawl\n\n${record(0)}\r\n  ${record(1)}  \n`],
    ['a JSON array', JSON.stringify([record(0), record(1)].map(String))],
    [
      'a node set',
      JSON.stringify({
        a: { seq: 1, record: String(record(0)) },
        b: { record: String(record(1)), score: 2 },
        c: { record: 'enode://of-whom-no-record-is-known', score: 2 },
      }),
    ],
  ])('takes %s', async (_, text) => {
    const { stdout } = await sign(await files(text));
    expect(stdout).toBe(treeToJson(tree({ count: 2 })));
  });

  it.each([
    ['enr:AAAA', /record 1 of .*\(invalid-record\)\n$/],
    [`${record(0)}\nnonsense`, /record 2 of .*\(invalid-record\)\n$/],
    ['[', /\(file-unreadable\)\n$/],
    ['[7]', /\(file-unreadable\)\n$/],
    ['{"a":{"b":"c"}}', /\(file-unreadable\)\n$/],
  ])('refuses %j', async (text, message) => {
    const { status, stdout, stderr } = await sign(await files(text));
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(message);
  });
});

describe('dns to-zone', () => {
  it('prints what a name server reads', async () => {
    const { tree: path } = await files();
    await writeFile(path, treeToJson(tree({ count: 20 })));
    const { status, stdout } = await runProcess(
      'dns',
      'to-zone',
      path,
      '--ns',
      'ns.nodes.test',
      '--root-ttl',
      '5',
    );
    expect(status).toBe(0);
    expect(stdout).toMatch(/^\$ORIGIN nodes\.test\.$/m);
    expect(stdout).toMatch(/^@ +5 IN SOA ns\.nodes\.test\. hostmaster\.nodes\.test\. 1 /m);
    expect(stdout.match(/^[A-Z2-7]{26} 604800 IN TXT ".*"$/gm)?.length).toBe(
      tree({ count: 20 }).entries.size,
    );
    const json = await run('dns', 'to-zone', path, '--ns', 'ns.nodes.test', '--root-ttl', '5', '--json');
    expect(eventsOf(json.stdout)).toEqual([
      expect.objectContaining({ event: 'zone', url: URL, zone: stdout }),
    ]);
  });

  it('writes a file, and verifies whose tree it is', async () => {
    const { directory, tree: path } = await files();
    await writeFile(path, treeToJson(tree({ count: 1 })));
    const out = join(directory, 'zone');
    const { stdout } = await run('dns', 'to-zone', path, '--url', URL, '--out', out);
    expect(stdout).toBe(`wrote ${out}: ${URL}, sequence number 1, 1 record, 0 links\n`);
    expect(await readFile(out, 'utf8')).toBe((await run('dns', 'to-zone', path)).stdout);
    const other = await run('dns', 'to-zone', path, '--url', formatTreeUrl(tree({ signer: 3 }).url));
    expect(other.stderr).toMatch(/\(invalid-tree\)\n$/);
  });
});

describe('dns sync', () => {
  const made = tree({ count: 20, seq: 3n });
  const texts = treeTexts(made);

  it('prints the records of a tree, as sign reads them', async () => {
    const server = await serve(texts);
    const { status, stdout, stderr } = await run(
      'dns',
      'sync',
      URL,
      '--dns-server',
      server,
      '--rate',
      '1000',
    );
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/\n# enrtree:.*, sequence number 3, 20 records, 0 links\n$/);
    expect((await sign(await files(stdout), '--seq', '3')).stdout).toBe(treeToJson(made));
  });

  describe('of which an entry cannot be had', () => {
    const missing = [...texts].filter(([, text]) => text.startsWith('enr:')).map(([name]) => name)[5] ?? '';
    const left = [...texts.values()].filter((text) => text.startsWith('enr:') && texts.get(missing) !== text);

    async function sync(...more: readonly string[]) {
      const server = await DnsServer.listen((name) => {
        if (name === missing.toLowerCase()) return 'server failure';
        const found = [...texts].find(([other]) => other.toLowerCase() === name);
        return found === undefined ? 'no such name' : [stringsOf(found[1])];
      });
      onTestFinished(() => server[Symbol.asyncDispose]());
      return run('dns', 'sync', URL, '--dns-server', server.address, '--rate', '1000', ...more);
    }

    it('prints the records that could be, how far it is, and what is missing', async () => {
      const { status, stdout, stderr } = await sync();
      expect([status, stderr]).toEqual([1, expect.stringMatching(/cannot be had.*\(lookup-failed\)\n$/)]);
      expect(stdout).toMatch(new RegExp(`^# missing: ${missing}: .*SERVFAIL`, 'm'));
      expect(stdout).toMatch(/^# entries: 24 of 25 \(96 %\)/m);
      // Lists of records are read back, though this one is not whole.
      const lines = stdout.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
      expect(lines.sort()).toEqual(left.sort());
      expect((await sign(await files(stdout))).status).toBe(0);
    });

    it('tells of them with --json', async () => {
      const events = eventsOf((await sync('--json')).stdout);
      expect(events.filter(({ event }) => event === 'record')).toHaveLength(19);
      expect(events.filter(({ event }) => event === 'missing')).toEqual([
        {
          event: 'missing',
          name: missing,
          code: 'lookup-failed',
          message: expect.stringMatching(/SERVFAIL/),
        },
      ]);
      expect(events.at(-1)).toMatchObject({ event: 'error', code: 'lookup-failed' });
    });

    it('writes no file that would pass for the whole, and prints the records in its place', async () => {
      const paths = await files();
      await writeFile(paths.tree, treeToJson(tree()));
      const { status, stdout } = await sync('--out', paths.tree);
      expect([status, await readFile(paths.tree, 'utf8')]).toEqual([1, treeToJson(tree())]);
      expect(stdout.split('\n').filter((line) => line.startsWith('enr:'))).toHaveLength(19);
    });
  });

  it('prints events with --json', async () => {
    const server = await serve(texts);
    const { stdout } = await runProcess(
      'dns',
      'sync',
      URL,
      '--dns-server',
      server,
      '--rate',
      '1000',
      '--json',
    );
    const events = eventsOf(stdout);
    expect(
      events
        .filter(({ event }) => event === 'record')
        .map(({ record }) => record)
        .sort(),
    ).toEqual(records(20).map(String).sort());
    expect(events.find(({ event }) => event === 'progress')).toMatchObject({ stage: 'entries' });
    expect(events.at(-1)).toEqual({
      event: 'tree',
      url: URL,
      seq: '3',
      records: 20,
      links: [],
      entries: made.entries.size,
      ignored: 0,
    });
  });

  it('writes the tree into a file, and takes no older one there', async () => {
    const paths = await files();
    const args = ['dns', 'sync', URL, '--rate', '1000', '--out', paths.tree, '--json'];
    const { stdout } = await run(...args, '--dns-server', await serve(texts));
    expect(eventsOf(stdout).map(nameOf)).not.toContain('record');
    const written: unknown = JSON.parse(await readFile(paths.tree, 'utf8'));
    expect(written).toEqual(Object.fromEntries(texts));
    const older = await run(...args, '--dns-server', await serve(treeTexts(tree({ count: 2, seq: 2n }))));
    expect([older.status, eventsOf(older.stdout).at(-1)?.code]).toEqual([1, 'invalid-tree']);
    expect(JSON.parse(await readFile(paths.tree, 'utf8'))).toEqual(written);
  });

  it('fails where there is no tree, or one that somebody else signed', async () => {
    const server = await serve(treeTexts(tree({ signer: 3 })));
    const args = ['--dns-server', server, '--rate', '1000'];
    const runs = [runProcess('dns', 'sync', URL, ...args), run('dns', 'sync', OTHER, ...args)];
    for (const { status, stderr } of await Promise.all(runs)) {
      expect([status, stderr]).toEqual([1, expect.stringMatching(/\(invalid-tree\)\n$/)]);
    }
  });

  it('says before it asks that the file cannot be written', async () => {
    const server = await DnsServer.serve(texts);
    onTestFinished(() => server[Symbol.asyncDispose]());
    const out = join(await temporaryDirectory(), 'none', 'tree.json');
    const { status, stderr } = await run('dns', 'sync', URL, '--dns-server', server.address, '--out', out);
    expect([status, stderr]).toEqual([1, expect.stringMatching(/its directory does not exist/)]);
    expect(server.asked).toEqual([]);
  });

  it('ends with Ctrl-C', async () => {
    let tell: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => {
      tell = resolve;
    });
    const server = await DnsServer.listen(() => {
      tell();
      return 'silence';
    });
    onTestFinished(() => server[Symbol.asyncDispose]());
    const cli = new Cli(['dns', 'sync', URL, '--dns-server', server.address, '--json']);
    await asked;
    cli.kill('SIGINT');
    const { status, stdout } = await cli.done;
    expect([status, eventsOf(stdout).at(-1)?.code]).toEqual([130, 'aborted']);
  });
});

it.each([
  [['dns', 'sync'], /missing required argument 'url'/],
  [['dns', 'sync', URL, '--rate', '0'], /at most 1000/],
  [['dns', 'sync', URL, '--dns-server', 'x'], /expected an IP address/],
  [['dns', 'sync', URL, '--dns-server', '127.0.0.1:65536'], /expected an IP address/],
  [['dns', 'sync', URL, '--dns-server', '127.0.0.1:0'], /expected an IP address/],
  [['dns', 'sign', 'x', '--key', 'y'], /required option '--domain <name>'/],
  [['dns', 'sign', 'x', '--key', 'y', '--domain', 'a b'], /not a name of DNS/],
  [['dns', 'sign', 'x', '--key', 'y', '--domain', 'a', '--seq', '-1'], /below 2\^64/],
  [['dns', 'sign', 'x', '--key', 'y', '--domain', 'a', '--link', 'enode://'], /starts with "enrtree:\/\/"/],
  [['dns', 'to-zone', 'x', '--ttl', '2147483648'], /below 2\^31/],
])('%j is refused with one line and status 2', async (args, message) => {
  const { status, stderr } = await run(...args);
  expect(status).toBe(2);
  expect(stderr).toMatch(message);
});
