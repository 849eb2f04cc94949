import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { PeerlaneError } from '../../src/base/errors.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { Output } from '../../src/cli/output.ts';
import { eventsOf } from './cli.ts';

function sink(isTTY = false): { stream: PassThrough & { isTTY: boolean }; text: () => string } {
  let text = '';
  const stream = Object.assign(new PassThrough(), { isTTY });
  stream.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  return { stream, text: () => text };
}

function open(json: boolean, isTTY = false) {
  const env = new VirtualEnv();
  const [stdout, stderr] = [sink(isTTY), sink()];
  const output = new Output(json, env, { stdout: stdout.stream, stderr: stderr.stream });
  return { env, output, stdout: stdout.text, stderr: stderr.text };
}

describe('a status', () => {
  const say = (output: Output, count: number) => output.status('progress', { count }, `${count} nodes`);

  it('is one line on a terminal, which is written over', () => {
    const { output, stdout } = open(false, true);
    for (let i = 1; i <= 100; i++) say(output, i);
    output.event('warning', {}, 'a warning');
    say(output, 101);
    output.endProgress();
    expect(stdout()).toContain('101 nodes');
    expect(stdout().split('\n').length).toBeLessThan(10);
    expect(stdout()).toContain('a warning\n');
  });

  it('is a line each time elsewhere, and an event with --json', () => {
    const plain = open(false);
    for (let i = 1; i <= 2; i++) say(plain.output, i);
    expect(plain.stdout()).toBe('1 nodes\n2 nodes\n');
    const json = open(true, true);
    say(json.output, 1);
    expect(eventsOf(json.stdout())).toEqual([{ event: 'progress', count: 1 }]);
  });
});

describe('output with --json', () => {
  it('is one object a line, on a terminal too', () => {
    const { output, stdout } = open(true, true);
    output.event('one', { text: 'a\nb', nothing: undefined }, 'one');
    output.event('two', { list: [1, null] }, 'two');
    expect(stdout()).toBe('{"event":"one","text":"a\\nb"}\n{"event":"two","list":[1,null]}\n');
  });

  it('has errors in it, and none elsewhere', () => {
    const { output, stdout, stderr } = open(true);
    output.error(new PeerlaneError('no-peers', 'no\npeers'));
    expect(eventsOf(stdout())).toEqual([{ event: 'error', code: 'no-peers', message: 'no\npeers' }]);
    expect(stderr()).toBe('');
  });

  it('reports progress ten times a second, and the last state always', () => {
    const { env, output, stdout } = open(true);
    for (let done = 0; done <= 100; done++) {
      output.progress('headers', done, 200);
      env.advance(5);
    }
    // 500 ms: one report at once and one each 100 ms, each with what came before it.
    expect(eventsOf(stdout()).map(({ done }) => done)).toEqual([0, 19, 39, 59, 79, 99]);
    output.progress('headers', 150, 200);
    output.endProgress();
    expect(eventsOf(stdout()).at(-1)).toEqual({
      event: 'progress',
      stage: 'headers',
      done: 150,
      total: 200,
      rate: 297.03,
      secondsLeft: 0.168,
    });
    expect(env.timers).toBe(0);
  });

  it('reports what came within the interval when it is over, and nothing twice', () => {
    const { env, output, stdout } = open(true);
    output.progress('headers', 1, 10);
    output.progress('headers', 7, 10);
    expect(eventsOf(stdout())).toHaveLength(1);
    env.advance(100);
    expect(eventsOf(stdout()).at(-1)).toMatchObject({ done: 7, rate: 60, secondsLeft: 0.05 });
    output.progress('headers', 7, 10);
    env.advance(1000);
    output.endProgress();
    expect(eventsOf(stdout())).toHaveLength(2);
  });

  it('takes the rate over the last five seconds', () => {
    const { env, output, stdout } = open(true);
    for (let i = 0; i <= 100; i++) {
      output.progress('bodies', i < 50 ? i * 1000 : 50_000 + i, 100_000);
      env.advance(200);
    }
    const rate = eventsOf(stdout()).at(-1)?.rate;
    expect(rate).toBeGreaterThan(4);
    expect(rate).toBeLessThan(7);
  });
});

describe('plain output', () => {
  it('is lines', () => {
    const { output, stdout } = open(false);
    output.event('one', {}, 'first\nsecond');
    expect(stdout()).toBe('first\nsecond\n');
  });

  it('reports progress once a second with rate and time left', () => {
    const { env, output, stdout } = open(false);
    for (let i = 0; i <= 20; i++) {
      output.progress('headers', i * 100, 24_000);
      env.advance(100);
    }
    output.endProgress();
    expect(stdout().split('\n')).toEqual([
      'headers: 0 of 24,000 (0 %)',
      'headers: 900 of 24,000 (3 %), 900/s, 26 s left',
      'headers: 1,900 of 24,000 (7 %), 950/s, 23 s left',
      'headers: 2,000 of 24,000 (8 %), 952/s, 23 s left',
      '',
    ]);
  });

  it('has errors as one line with their code, on stderr, without control characters', () => {
    const { output, stdout, stderr } = open(false);
    output.error(new PeerlaneError('no-peers', 'line\n\u001b[31mred'));
    expect([stdout(), stderr()]).toEqual(['', 'error: line\u00b7\u00b7[31mred (no-peers)\n']);
  });
});

describe('output on a terminal', () => {
  it('shows a bar for each stage and text above them', () => {
    const { env, output, stdout } = open(false, true);
    output.progress('headers', 0, 100);
    env.advance(1000);
    output.progress('headers', 50, 100);
    output.progress('bodies', 10, 100);
    output.event('peer', {}, 'a peer came');
    output.endProgress();
    expect(stdout()).toContain('a peer came\n');
    expect(stdout()).toMatch(/headers .*50 %.*50 of 100, 50\/s/);
    expect(stdout()).toMatch(/bodies .*10 %.*10 of 100/);
  });
});
