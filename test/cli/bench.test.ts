import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { BenchRow } from '../../src/bench/figure.ts';
import { summary } from '../../src/bench/measure.ts';
import { QUESTIONS } from '../../src/bench/questions.ts';
import { pageOf } from '../../src/cli/bench/page.ts';
import { chartsOf, type Report, thisMachine } from '../../src/cli/bench/report.ts';
import { comparison, tableText } from '../../src/cli/bench/table.ts';
import { chartText } from '../../src/cli/bench/terminal-chart.ts';
import { Cli, eventsOf, runProcess, temporaryDirectory } from './cli.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const hasAddon = await readFile(join(ROOT, 'build', 'Release', 'peerlane.node')).then(
  () => true,
  () => false,
);
const SUBJECTS = hasAddon ? ['native', 'js'] : ['js'];

/** Tags of a document are closed in their order, and nothing in it is loaded from elsewhere. */
function expectWellFormed(html: string): void {
  const open: string[] = [];
  const void_ = ['meta', '!DOCTYPE'];
  for (const [, end, name = '', empty] of html.matchAll(/<(\/?)([!\w]+)[^<>]*?(\/?)>/g)) {
    if (empty === '/' || void_.includes(name)) continue;
    if (end === '/') expect(open.pop()).toBe(name);
    else open.push(name);
  }
  expect(open).toEqual([]);
  expect(html).toMatch(/^<!DOCTYPE html>\n<html lang="en">/);
  expect(html).not.toMatch(/\b(?:src|href)=|url\(|@import|<script|<link/);
  const ids = [...html.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
  expect(new Set(ids).size).toBe(ids.length);
  for (const [, named = ''] of html.matchAll(/aria-(?:labelledby|describedby)="([^"]*)"/g)) {
    expect(ids).toContain(named);
  }
}

/** The compiled package in a folder without the addon. */
async function copyWithoutAddon(): Promise<{ folder: string; main: string }> {
  const folder = await temporaryDirectory();
  await cp(join(ROOT, 'dist'), join(folder, 'dist'), { recursive: true });
  await cp(join(ROOT, 'package.json'), join(folder, 'package.json'));
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return { folder, main: join(folder, 'dist', 'cli', 'main.js') };
}

const row = (id: string, subject: 'native' | 'js', value: number, unit = 'MB/s'): BenchRow => ({
  id,
  subject,
  unit,
  value,
  spread: 0.1,
});

const ROWS: readonly BenchRow[] = [
  row('sign', 'native', 30_000, 'ops/s'),
  row('frame-encode-1k-x8', 'native', 400),
  row('frame-encode-1k-x1', 'native', 200),
  row('frame-encode-64-x50', 'native', 100),
  row('sign', 'js', 3_000, 'ops/s'),
  row('frame-encode-1k-x8', 'js', 40),
  row('frame-encode-1k-x1', 'js', 0.001),
  row('rlp-decode-1000tx', 'js', 0.5, 'ms'),
];

const REPORT: Report = {
  machine: { ...thisMachine(), cpu: 'a <fast> & "new" one' },
  startedAt: 0,
  pace: 'full',
  backends: [
    { name: 'native', detail: 'an addon' },
    { name: 'js', detail: 'JavaScript' },
  ],
  leftOut: [],
  rows: ROWS,
};

describe('peerlane bench', () => {
  it('prints one JSON object a line, with a row for each question and backend', async () => {
    const { status, stdout, stderr } = await runProcess(
      'bench',
      '--quick',
      '--json',
      '--only',
      'frame-decode-1k-x',
    );
    expect([status, stderr]).toEqual([0, '']);
    const events = eventsOf(stdout);
    expect(events[0]).toMatchObject({ event: 'machine', pace: 'quick', node: process.version });
    const rows = events.filter(({ event }) => event === 'row');
    const asked = ['x1', 'x8', 'x50'].flatMap((streams) =>
      SUBJECTS.map((subject) => `frame-decode-1k-${streams} ${subject}`),
    );
    expect(rows.map(({ id, subject }) => `${id} ${subject}`)).toEqual(asked);
    for (const { event, id, subject, ...figures } of rows) {
      expect([event, typeof id, typeof subject]).toEqual(['row', 'string', 'string']);
      expect(figures).toEqual({ unit: 'MB/s', value: expect.any(Number), spread: expect.any(Number) });
      expect(figures.value).toBeGreaterThan(0);
    }
    expect(events.at(-1)).toMatchObject({ event: 'done', figures: asked.length, failed: 0 });
  });

  it('prints a table and bars without colour into a pipe, and writes a page', async () => {
    const html = join(await temporaryDirectory(), 'page.html');
    const { status, stdout } = await runProcess('bench', '--quick', '--only', 'keccak256-1k', '--html', html);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^cpu {6}/m);
    expect(stdout).toMatch(/^id +unit +/m);
    expect(stdout).toMatch(/^keccak256-1k +ops\/s +[\d,.]+ ±\d+%/m);
    expect(stdout).toMatch(/^keccak256-1k .*\u2588 [\d,.]+ ops\/s$/m);
    expect(stdout).not.toContain('\u001b');
    for (const line of stdout.split('\n').filter((text) => text.includes('\u2588'))) {
      expect(line.length).toBeLessThanOrEqual(80);
    }
    const page = await readFile(html, 'utf8');
    expectWellFormed(page);
    expect(page).toContain('keccak256-1k');
    expect(page).toContain(process.version);
  });

  it('asks what is JavaScript under both backends once', async () => {
    const { stdout } = await runProcess('bench', '--quick', '--json', '--only', 'rlp-decode');
    const rows = eventsOf(stdout).filter(({ event }) => event === 'row');
    expect(rows).toEqual([expect.objectContaining({ id: 'rlp-decode-1000tx', subject: 'js', unit: 'ms' })]);
  });

  it('measures handshakes, a connection and snappy', async () => {
    const results = await Promise.all(
      ['handshake', 'tcp-100k', 'snappy-'].map((only) =>
        runProcess('bench', '--quick', '--json', '--only', only),
      ),
    );
    const rows = results.flatMap(({ stdout }) => eventsOf(stdout).filter(({ event }) => event === 'row'));
    const ids = ['handshake', 'tcp-100k', 'snappy-compress-100k', 'snappy-uncompress-100k'];
    expect(new Set(rows.map(({ id }) => id))).toEqual(new Set(ids));
    expect(rows).toHaveLength(ids.length * SUBJECTS.length);
    for (const { value } of rows) expect(value).toBeGreaterThan(0);
  });

  it('runs with js alone where there is no addon, and says why', async () => {
    const { main } = await copyWithoutAddon();
    const args = ['bench', '--quick', '--json', '--only', 'sign'];
    const { stdout } = await new Cli(args, { PEERLANE_BACKEND: 'auto' }, main).done;
    const [machine, ...rest] = eventsOf(stdout);
    expect(machine).toMatchObject({
      backends: [{ name: 'js' }],
      leftOut: [{ name: 'native', reason: expect.stringMatching(/addon/) }],
    });
    const rows = rest.filter(({ event }) => event === 'row');
    expect(rows).toEqual([expect.objectContaining({ id: 'sign', subject: 'js' })]);
  });

  it('goes on when a process that measures dies, says what is missing, and fails', async () => {
    const { folder, main } = await copyWithoutAddon();
    await writeFile(
      join(folder, 'dist', 'cli', 'bench', 'child.js'),
      `const [, , , ...ids] = process.argv;
       process.send({ kind: 'ready', detail: 'a stub' });
       for (const id of ids.slice(0, 1)) process.send({ kind: 'figure', id, figure: { value: 7, spread: 0 } });
       if (ids.length > 1) setImmediate(() => { throw new Error('out of order'); });
       else process.disconnect();`,
    );
    const args = ['bench', '--json', '--only', 'e'];
    const { status, stdout } = await new Cli(args, { PEERLANE_BACKEND: 'js' }, main).done;
    const events = eventsOf(stdout);
    const failures = events.filter(({ event }) => event === 'question-failed');
    // The first of each process is answered.
    expect(failures.map(({ id }) => id)).toContain('recover');
    for (const { message } of failures)
      expect(message).toBe('the process ended with status 1: Error: out of order');
    const rows = events.filter(({ event }) => event === 'row');
    expect(rows.map(({ id }) => id)).toEqual(expect.arrayContaining(['keccak256-1k', 'handshake']));
    expect(events.at(-2)).toMatchObject({ event: 'done', figures: rows.length, failed: failures.length });
    expect(events.at(-1)).toMatchObject({ event: 'error', code: 'internal' });
    expect(status).toBe(1);
  });

  it('stops at Ctrl-C, in the middle of a question, and leaves no empty page', async () => {
    const folder = await temporaryDirectory();
    const html = join(folder, 'page.html');
    const cli = new Cli(['bench', '--json', '--html', html]);
    await cli.event(({ event }) => event === 'row');
    cli.kill('SIGINT');
    const { status, stdout } = await cli.done;
    expect(status).toBe(130);
    expect(eventsOf(stdout).at(-1)).toEqual({ event: 'error', code: 'aborted', message: 'interrupted' });
    await expect(readFile(html)).rejects.toThrow('ENOENT');
    // What was being measured was given up, and not waited for.
    expect(cli.events.filter(({ event }) => event === 'row').length).toBeLessThan(3);
  });

  it('leaves a page as it is when it is stopped', async () => {
    const html = join(await temporaryDirectory(), 'page.html');
    await writeFile(html, 'older');
    const cli = new Cli(['bench', '--json', '--html', html]);
    await cli.event(({ event }) => event === 'machine');
    cli.kill('SIGTERM');
    expect((await cli.done).status).toBe(130);
    expect(await readFile(html, 'utf8')).toBe('older');
  });

  it('finds a page that cannot be written before it measures', async () => {
    const folder = await temporaryDirectory();
    await mkdir(join(folder, 'directory'));
    const paths = { 'none/page.html': 'its directory does not exist', directory: 'it is a directory' };
    for (const [path, problem] of Object.entries(paths)) {
      const { status, stdout, stderr } = await runProcess('bench', '--html', join(folder, path));
      expect([status, stdout]).toEqual([1, '']);
      expect(stderr).toBe(`error: cannot write ${join(folder, path)}: ${problem} (file-unreadable)\n`);
    }
  });

  it('names the questions when --only fits none', async () => {
    const { status, stdout, stderr } = await runProcess('bench', '--only', 'keccak512');
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^error: [^\n]*\(invalid-argument\)\n$/);
    for (const id of ['keccak256-1k', 'handshake', 'rlp-decode-1000tx', 'tcp-100k']) {
      expect(stderr).toContain(id);
    }
    expect(stderr).toContain('frame-encode-(64|1k|16k|128k|1m)-(x1|x8|x50)');
  });
});

describe('the questions of the benchmark', () => {
  it('have ids of their own', () => {
    const ids = Object.values(QUESTIONS).flatMap((questions) => questions.map(({ id }) => id));
    expect(ids).toHaveLength(39);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('give the median of the rounds and their range', () => {
    expect(summary([3, 1, 2])).toEqual({ value: 2, spread: 1 });
    expect(summary([5])).toEqual({ value: 5, spread: 0 });
  });
});

describe('figures of a benchmark', () => {
  it('are compared in a table, less time being better', () => {
    const rows = [row('a', 'native', 2, 'ms'), row('a', 'js', 6, 'ms'), row('b', 'native', 12_345, 'ops/s')];
    expect(tableText(comparison(rows, ['native', 'js'])).split('\n')).toEqual([
      'id  unit       native        js  x js',
      '--  -----  ----------  --------  ----',
      'a   ms       2.00 ±5%  6.00 ±5%  3.00',
      'b   ops/s  12,345 ±5%',
    ]);
  });

  it('have no ratio where the first subject is missing', () => {
    const { header, lines } = comparison([row('a', 'js', 6)], ['native', 'js']);
    expect([header, lines]).toEqual([['id', 'unit', 'js'], [['a', 'MB/s', '6.00 ±5%']]]);
  });

  it('are charted by size and streams, each row in one chart', () => {
    const charts = chartsOf(ROWS);
    expect(charts.map(({ groups }) => groups.map(({ label }) => label))).toEqual([
      ['64 B x50', '1 KiB x1', '1 KiB x8'],
      ['rlp-decode-1000tx'],
      ['sign'],
    ]);
    const shares = charts[0]?.groups.flatMap(({ bars }) => bars.map(({ share }) => share));
    expect(shares).toEqual([0.25, 0.5, 0.0000025, 1, 0.1]);
  });

  it.each([30, 40, 60, 80, 110, 300])('are drawn within %i columns', (width) => {
    const text = chartText(chartsOf(ROWS), { width, colour: false });
    expect(text).not.toContain('\u001b');
    const longest = Math.max(...text.split('\n').map((line) => line.length));
    expect(longest).toBeLessThanOrEqual(width);
    expect(longest).toBeGreaterThanOrEqual(Math.min(width, 110) - 12);
  });

  it('have colours if asked, and the same bars', () => {
    const charts = chartsOf(ROWS);
    const [plain, coloured] = [false, true].map((colour) => chartText(charts, { width: 80, colour }));
    expect(coloured).toContain('\u001b[36m');
    const codes = ['\u001b[36m', '\u001b[33m', '\u001b[0m'];
    expect(codes.reduce((text, code) => text.replaceAll(code, ''), coloured ?? '')).toBe(plain);
  });

  it('make a page of its own that says what is on it in words', () => {
    const html = pageOf(REPORT);
    expectWellFormed(html);
    expect(html).toContain('a &lt;fast&gt; &amp; &quot;new&quot; one');
    expect(html).toContain('<desc id="chart-text-2">sign: native 30,000, js 3,000 ops/s</desc>');
    expect(html).toContain('<th scope="row">frame-encode-1k-x8</th>');
    expect(html).toContain('prefers-color-scheme: dark');
  });

  it('make a page without any, too', () => {
    const leftOut = [{ name: 'native' as const, reason: 'no addon' }];
    const html = pageOf({ ...REPORT, rows: [], backends: [], leftOut });
    expectWellFormed(html);
    expect(html).toContain('left out: no addon');
  });
});
