import { describe, expect, it } from 'vitest';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import {
  MAX_TALKS,
  MAX_TALKS_OF_ONE,
  TALK_TIMEOUT_MS,
  TalkHandlers,
  talkProtocol,
} from '../../src/server/talk.ts';

const settled = () => new Promise((resolve) => setImmediate(resolve));

function talks() {
  const env = new VirtualEnv();
  const failures: [string, unknown][] = [];
  const handlers = new TalkHandlers(env, (protocol, error) => failures.push([protocol, error]));
  const answers: Uint8Array[] = [];
  let dropped = 0;
  const ask = (protocol: string, id: number, ip = `${id}.0.0.1`) =>
    handlers.take({
      ...{ id: new Uint8Array(32).fill(id), endpoint: { ip, port: 1 }, record: undefined },
      ...{ protocol: talkProtocol(protocol), request: Uint8Array.of(id) },
      respond: (answer) => answers.push(answer),
      drop: () => {
        dropped++;
      },
    });
  handlers.serve('echo', (request) => request);
  return { env, failures, handlers, answers, ask, dropped: () => dropped };
}

describe('a handler that hangs', () => {
  it('gives its places back when nobody waits for its answers any more, and says so', async () => {
    const { env, failures, handlers, answers, ask, dropped } = talks();
    handlers.serve('hang', () => new Promise(() => undefined));
    for (let id = 1; id <= MAX_TALKS; id++) ask('hang', id);
    expect([handlers.open, dropped()]).toEqual([MAX_TALKS, 0]);
    expect([ask('echo', 1), ask('echo', 200), ask('none', 201)]).toEqual([true, true, false]);
    await settled();
    expect([answers, dropped()]).toEqual([[], 2]);
    env.advance(TALK_TIMEOUT_MS);
    expect(handlers.open).toBe(0);
    expect(failures).toHaveLength(MAX_TALKS);
    expect(failures[0]).toMatchObject(['hang', { code: 'request-timeout' }]);
    for (const id of [1, 200]) ask('echo', id);
    await settled();
    expect(answers).toEqual([Uint8Array.of(1), Uint8Array.of(200)]);
    expect([handlers.open, env.timers]).toEqual([0, 0]);
  });

  it('leaves places to others, whatever number of keys one has', async () => {
    const { handlers, answers, ask, dropped } = talks();
    handlers.serve('hang', () => new Promise(() => undefined));
    for (let i = 0; i < MAX_TALKS; i++) ask('hang', 7);
    expect([handlers.open, dropped()]).toEqual([MAX_TALKS_OF_ONE, MAX_TALKS - MAX_TALKS_OF_ONE]);
    // All of one address, and then of ten networks.
    for (let i = 0; i < MAX_TALKS; i++) ask('hang', 100 + i, '66.6.6.6');
    expect(handlers.open).toBe(MAX_TALKS_OF_ONE + (MAX_TALKS - MAX_TALKS_OF_ONE) / 2);
    for (let i = 0; i < 10 * MAX_TALKS; i++) ask('hang', 100 + (i % 100), `66.7.${i % 10}.6`);
    expect(handlers.open).toBeLessThan(MAX_TALKS);
    ask('echo', 1);
    await settled();
    expect(answers).toEqual([Uint8Array.of(1)]);
  });

  it('leaves places to others, whatever number of /48 an IPv6 /32 has, and to the others of that', async () => {
    const { env, handlers, answers, ask } = talks();
    handlers.serve('hang', () => new Promise(() => undefined));
    for (let i = 0; i < 1_000; i++) ask('hang', i % 250, `2a01:4f8:${i.toString(16)}::1`);
    expect(handlers.open).toBe(MAX_TALKS / 2);
    for (let id = 1; id <= MAX_TALKS / 4; id++) ask('echo', id, `66.7.${id}.6`);
    await settled();
    expect(answers).toHaveLength(MAX_TALKS / 4);
    env.advance(TALK_TIMEOUT_MS);
    for (let i = 0; i < 1_000; i++) ask('hang', i % 250, '2a01:4f8:bad::1');
    expect(handlers.open).toBe(MAX_TALKS / 4);
    for (let id = 1; id <= MAX_TALKS / 8; id++) ask('echo', id, `2a01:4f8:${id}::1`);
    await settled();
    expect(answers).toHaveLength(MAX_TALKS / 4 + MAX_TALKS / 8);
  });

  it('is not heard when it answers, or fails, too late', async () => {
    const { env, failures, handlers, answers, ask } = talks();
    const ends: (() => void)[] = [];
    handlers.serve('late', () => new Promise((resolve) => ends.push(() => resolve(Uint8Array.of(1)))));
    handlers.serve('lost', () => new Promise((_, reject) => ends.push(() => reject(new Error('no')))));
    for (const protocol of ['late', 'lost']) ask(protocol, 1);
    env.advance(TALK_TIMEOUT_MS - 1);
    expect([handlers.open, failures]).toEqual([2, []]);
    env.advance(1);
    for (const end of ends) end();
    await settled();
    expect([handlers.open, answers, failures.length]).toEqual([0, [], 2]);
    ask('late', 1);
    ends.at(-1)?.();
    await settled();
    expect([handlers.open, answers, env.timers]).toEqual([0, [Uint8Array.of(1)], 0]);
  });

  it('leaves no timer behind, and tells nobody, when the service is closed', async () => {
    const { env, failures, handlers, answers, ask } = talks();
    const ends: ((error: Error) => void)[] = [];
    handlers.serve('hang', () => new Promise((_, reject) => ends.push(reject)));
    ask('hang', 1);
    handlers.close();
    expect(env.timers).toBe(0);
    for (const end of ends) end(new Error('closed'));
    await settled();
    expect([answers, failures]).toEqual([[], []]);
  });
});
