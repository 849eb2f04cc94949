import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Cli, eventsOf, statusUnread, temporaryDirectory } from './cli.ts';
import { SMALL_HEAD } from './served-chain.ts';

const START = fileURLToPath(new URL('../../scripts/start.js', import.meta.url));

/** A chain that takes long enough to be interrupted. */
const LONG = fileURLToPath(new URL('../interop/testdata/long', import.meta.url));

/** Runs the main job on the `dist/` that is there; `temporary` is where its temporary directories are. */
function start(temporary: string, ...args: readonly string[]): Cli {
  return new Cli(['--no-build', ...args], { TMPDIR: temporary }, START);
}

describe('the main job', () => {
  it('downloads the bundled chain from a process of its own, and sums up', async () => {
    const temporary = await temporaryDirectory();
    const { status, stdout, stderr } = await start(temporary, '--json').done;
    expect([status, stderr]).toEqual([0, '']);
    const events = eventsOf(stdout);
    expect(events.map(({ event }) => event)).toContain('progress');
    expect(events.at(-1)).toEqual({
      event: 'summary',
      blocks: 600,
      headers: 600,
      head: SMALL_HEAD,
      bytes: expect.any(Number),
      seconds: expect.any(Number),
      backend: expect.stringMatching(/^(native|js)$/),
      detail: expect.any(String),
      reason: expect.any(String),
      peer: expect.stringMatching(/^peerlane\/v/),
    });
    // The blocks of the chain file, of which only the list headers around them are not stored.
    expect(events.at(-1)?.bytes).toBeGreaterThan(600_000);
    expect(await readdir(temporary)).toEqual([]);
  });

  it('says in words what it did, and on which backend and why', async () => {
    const temporary = await temporaryDirectory();
    const cli = new Cli(['--no-build'], { TMPDIR: temporary, PEERLANE_BACKEND: 'js' }, START);
    const { status, stdout } = await cli.done;
    expect(status).toBe(0);
    expect(stdout).toMatch(/^bodies: 600 of 600 \(100 %\)/m);
    expect(stdout).toMatch(/^blocks {3}600 downloaded and verified, head 0x7c7af7ef/m);
    expect(stdout).toMatch(/^backend {2}js \(/m);
    expect(stdout).toMatch(/^why {6}PEERLANE_BACKEND=js$/m);
    expect(stdout).toMatch(/^peer {5}peerlane\/v/m);
  });

  it('leaves nothing behind when it is stopped', async () => {
    const temporary = await temporaryDirectory();
    const cli = start(temporary, '--chain', LONG);
    await cli.text(/^serving /m);
    cli.kill('SIGINT');
    expect((await cli.done).status).toBe(130);
    expect(await readdir(temporary)).toEqual([]);
  });

  it('leaves nothing behind when nobody reads what it prints', async () => {
    const temporary = await temporaryDirectory();
    const args = ['--no-build', '--chain', LONG];
    expect(await statusUnread(args, { TMPDIR: temporary }, START)).toBe(130);
    expect(await readdir(temporary)).toEqual([]);
  });

  it('fails when the backend that was asked for is not there', async () => {
    const temporary = await temporaryDirectory();
    const cli = new Cli(['--no-build', '--json'], { TMPDIR: temporary, PEERLANE_BACKEND: 'abacus' }, START);
    const { status, stdout } = await cli.done;
    expect(status).toBe(1);
    expect(eventsOf(stdout)).toEqual([
      { event: 'error', code: 'backend-unavailable', message: expect.any(String) },
    ]);
  });
});
