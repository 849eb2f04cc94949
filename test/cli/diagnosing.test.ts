import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { DiagnosisReport, MAX_REMIND_MS, PATIENCE_MS, REMIND_MS } from '../../src/cli/diagnosing.ts';
import { Output } from '../../src/cli/output.ts';
import type { Diagnosis, Finding, FindingKind } from '../../src/server/index.ts';
import { eventsOf, run, temporaryDirectory } from './cli.ts';
import { SMALL_GENESIS_FILE } from './served-chain.ts';

const finding = (kind: FindingKind, count = 1): Finding => ({
  ...{ kind, count, message: `${kind} ${count}`, advice: 'mend it' },
});

function diagnosis(state: Diagnosis['state'], ...findings: Finding[]): Diagnosis {
  const peers = { inbound: 0, dialed: 0, kept: 0, max: 50 };
  return { state, peers, findings, summary: `${state}: ${findings.map(({ message }) => message).join()}` };
}

function setUp(first: Diagnosis, json = true) {
  const env = new VirtualEnv();
  let text = '';
  const stdout = new PassThrough().on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  let now = first;
  const output = new Output(json, env, { stdout, stderr: new PassThrough() });
  const report = new DiagnosisReport(env, output, { diagnose: () => now });
  /** What is said in so many milliseconds. */
  const saidIn = (ms: number): string[] => {
    text = '';
    for (let passed = 0; passed < ms; passed += 1_000) env.advance(1_000);
    return json ? eventsOf(text).map(({ summary }) => String(summary)) : text.split('\n').slice(0, -1);
  };
  const become = (next: Diagnosis): void => {
    now = next;
  };
  return { env, report, saidIn, become, text: () => text };
}

describe('why there are no peers', () => {
  it('is said after a minute without, not before', () => {
    const { saidIn } = setUp(diagnosis('none', finding('offline')));
    expect(saidIn(PATIENCE_MS - 1_000)).toEqual([]);
    expect(saidIn(6_000)).toEqual(['none: offline 1']);
  });

  it('is said again after five minutes, and then less and less often', () => {
    const { env, saidIn } = setUp(diagnosis('none', finding('offline')));
    saidIn(PATIENCE_MS + 5_000);
    const times: number[] = [];
    let last = PATIENCE_MS;
    while (times.length < 6) {
      if (saidIn(5_000).length === 0) continue;
      times.push(env.now() - last);
      last = env.now();
    }
    expect(times).toEqual([1, 2, 4, 8, 12, 12].map((n) => n * REMIND_MS));
    expect(12 * REMIND_MS).toBe(MAX_REMIND_MS);
  });

  it('is said anew when it changes, but not for its figures, and once a minute at most', () => {
    const { saidIn, become } = setUp(diagnosis('none', finding('offline')));
    saidIn(PATIENCE_MS + 5_000);
    become(diagnosis('none', finding('offline', 2)));
    expect(saidIn(120_000)).toEqual([]);
    become(diagnosis('few', finding('saturated')));
    expect(saidIn(5_000)).toEqual(['few: saturated 1']);
    become(diagnosis('few', finding('unreachable')));
    expect(saidIn(50_000)).toEqual([]);
    become(diagnosis('few', finding('nat')));
    expect(saidIn(15_000)).toEqual(['few: nat 1']);
  });

  it.each(['healthy', 'full'] as const)(
    'is not said of a server that is %s, and begins anew behind that',
    (state) => {
      const { saidIn, become } = setUp(diagnosis(state, finding('nat')));
      expect(saidIn(10 * PATIENCE_MS)).toEqual([]);
      become(diagnosis('none', finding('offline')));
      expect(saidIn(PATIENCE_MS)).toEqual([]);
      expect(saidIn(10_000)).toHaveLength(1);
      become(diagnosis(state));
      saidIn(5_000);
      become(diagnosis('none', finding('offline')));
      expect(saidIn(PATIENCE_MS)).toEqual([]);
      expect(saidIn(10_000)).toHaveLength(1);
    },
  );

  it('is not said where there are few, and nothing is wrong', () => {
    expect(setUp(diagnosis('few')).saidIn(10 * PATIENCE_MS)).toEqual([]);
    expect(setUp(diagnosis('none')).saidIn(PATIENCE_MS + 5_000)).toEqual(['none: ']);
  });

  it('is said in words with all that was found, the gravest first', () => {
    const { saidIn } = setUp(diagnosis('none', finding('offline'), finding('nat', 2)), false);
    expect(saidIn(PATIENCE_MS + 5_000)).toEqual(['none: offline 1,nat 2', '  nat 2. mend it']);
  });

  it('is said at once on demand, once; and never behind the end', () => {
    const { env, report, saidIn, text } = setUp(diagnosis('none', finding('offline')));
    report.tell();
    report.tell();
    expect(eventsOf(text())).toEqual([
      {
        event: 'diagnosis',
        state: 'none',
        peers: { inbound: 0, dialed: 0, kept: 0, max: 50 },
        findings: [{ kind: 'offline', count: 1, message: 'offline 1', advice: 'mend it' }],
        summary: 'none: offline 1',
      },
    ]);
    report[Symbol.dispose]();
    expect(saidIn(10 * PATIENCE_MS)).toEqual([]);
    expect(env.timers).toBe(0);
  });

  it('is said by `sync` before it gives up', async () => {
    const store = join(await temporaryDirectory(), 'store');
    const args = ['sync', '--genesis', SMALL_GENESIS_FILE, '--store', store, '--patience', '1'];
    // Nobody listens there.
    const peer = `enode://${'ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd31387574077f301b421bc84df7266c44e9e6d569fc56be00812904767bf5ccd1fc7f'}@127.0.0.1:1`;
    const { status, stdout } = await run(...args, '--peer', peer, '--json');
    expect(status).toBe(1);
    const events = eventsOf(stdout);
    expect(events.at(-1)).toMatchObject({ event: 'error', code: 'no-peers' });
    expect(events.at(-2)).toMatchObject({
      event: 'diagnosis',
      state: 'none',
      findings: [{ kind: 'static-missing', count: 1 }],
      summary: expect.stringMatching(/^0 of 50 peers: one static node is not connected/),
    });
  });
});
