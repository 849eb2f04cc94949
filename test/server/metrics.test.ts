import { expect, it, onTestFinished } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { Closing } from '../../src/base/closing.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import type { MessageCount, ServerMetrics } from '../../src/observe/index.ts';
import { clientFamily, expose } from '../../src/observe/index.ts';
import type { Server } from '../../src/server/index.ts';
import { DEFAULT_METRICS_INTERVAL_MS, metricsStream } from '../../src/server/metrics-stream.ts';
import { codeOf, rejectionOf } from '../support/errors.ts';
import { readExposition } from '../support/exposition.ts';
import { echo, endOf, isKind, manual, startedServer, TestServer } from '../support/servers.ts';

const ofMessage = (server: Server, direction: MessageCount['direction'], message: string) => {
  const found = server
    .metrics()
    .messages.find((one) => one.direction === direction && one.message === message);
  return found && { protocol: `${found.protocol}/${found.version}`, count: found.count, bytes: found.bytes };
};

it('counts what two servers have really sent each other, and how they parted', async () => {
  const names = ['First', undefined];
  const [ours, theirs] = [
    manual('test', 3, 16, { messageNames: names }),
    manual('test', 3, 16, { messageNames: names }),
  ];
  const listener = await startedServer({ protocols: [ours.protocol], name: 'Geth/v1.16/linux' });
  const dialer = await startedServer({ protocols: [theirs.protocol], name: 'a "name"\n{}'.repeat(20) });
  const peer = await dialer.dial(listener.enode);
  const [at, from] = [await ours.next(), await theirs.next()];
  const payload = new Uint8Array(10_000).fill(0xc0);
  const messages = at[Symbol.asyncIterator]();
  for (const [code, bytes] of [
    [0, payload],
    [0, payload],
    [1, payload.subarray(0, 3)],
  ] as const) {
    await from.send(code, bytes);
    await messages.next();
  }
  expect(ofMessage(dialer, 'out', 'First')).toEqual({ protocol: 'test/3', count: 2, bytes: 20_000 });
  expect(ofMessage(listener, 'in', 'First')).toEqual({ protocol: 'test/3', count: 2, bytes: 20_000 });
  expect(ofMessage(listener, 'in', '0x01')).toEqual({ protocol: 'test/3', count: 1, bytes: 3 });
  expect(ofMessage(dialer, 'in', 'First')).toBeUndefined();
  expect(ofMessage(dialer, 'out', 'Hello')).toMatchObject({ protocol: 'p2p/5', count: 1 });
  expect(ofMessage(listener, 'in', 'Hello')).toEqual(ofMessage(dialer, 'out', 'Hello'));

  const [seen, own] = [listener.metrics(), dialer.metrics()];
  expect(seen.transfer.in).toEqual(own.transfer.out);
  // The payloads are 10,000 times the same byte, and the handshake takes less than 2,000.
  expect(seen.transfer.in.payloadBytes).toBeGreaterThan(20_000);
  expect(seen.transfer.in.wireBytes).toBeLessThan(10_000);
  expect(own.peers).toEqual([{ direction: 'outbound', client: 'geth', count: 1 }]);
  expect(seen.peers).toEqual([{ direction: 'inbound', client: 'other', count: 1 }]);
  expect(seen.peersOfProtocol).toEqual([{ protocol: 'test', version: 3, count: 1 }]);
  expect([own.dials, own.dialResults, seen.inbound]).toEqual([1, { connected: 1 }, 1]);
  expect([own.handshakeSeconds.outbound.count, seen.handshakeSeconds.inbound.count]).toEqual([1, 1]);
  expect(own.handshakeSeconds.inbound.count).toBe(0);
  expect(own.queues).toMatchObject({ dials: 0, inbound: 0, connections: 1, outputBytes: 0 });
  // Auth and ack are no frames; each side has encoded Hello and decoded the other's, at least.
  for (const { lanes } of [seen, own]) {
    expect(lanes.in.counts[0]).toBeGreaterThan(0);
    expect(lanes.out.counts[0]).toBeGreaterThan(0);
  }

  peer.disconnect();
  await endOf(at);
  await listener.until(isKind('peer-disconnected'));
  expect(dialer.metrics().disconnects).toEqual([{ side: 'local', reason: 'disconnect-requested', count: 1 }]);
  expect(listener.metrics().disconnects).toEqual([{ side: 'remote', reason: 'requested', count: 1 }]);
  expect(ofMessage(listener, 'in', 'Disconnect')).toMatchObject({ count: 1 });
  expect(listener.metrics().peers).toEqual([]);
});

it('counts dials that fail and connections that are refused, by cause', async () => {
  const listener = await startedServer({ maxPeers: 1 });
  const [first, second] = [await startedServer(), await startedServer()];
  await first.dial(listener.enode);
  expect(await rejectionOf(second.dial(listener.enode))).toBe('remote-disconnect');
  await listener.until(isKind('connection-failed'));
  expect(second.metrics().dialResults).toEqual({ 'remote-too-many-peers': 1 });
  expect(listener.metrics()).toMatchObject({ inbound: 2, inboundFailures: { 'too-many-peers': 1 } });
  // No server any more, at an address that there was.
  const { enode } = first;
  await first.close();
  expect(await rejectionOf(second.dial(enode))).toBe('dial-failed');
  expect(second.metrics()).toMatchObject({ dials: 2, dialResults: { 'dial-failed': 1 } });
});

it('makes no labels of what peers say of themselves', async () => {
  const hostile = `geth"} 1\nevil{a="b\\${'x'.repeat(200)}`;
  const listener = await startedServer();
  const dialers = await Promise.all(
    [hostile, `${hostile}2`, 'x'.repeat(256), 'ünïcode \u202e'].map((name) => startedServer({ name })),
  );
  for (const dialer of dialers) await dialer.dial(listener.enode);
  await listener.until(() => listener.peers.length === dialers.length);
  expect(clientFamily(hostile)).toBe('other');
  const { text } = await expose(listener.metrics(), 'openmetrics');
  expect(text).not.toContain('evil');
  const peers = readExposition(text, true).get('peerlane_peers')?.samples;
  expect(peers).toEqual([
    { name: 'peerlane_peers', labels: { direction: 'inbound', client: 'other' }, value: 4 },
    { name: 'peerlane_peers', labels: { direction: 'outbound', client: 'other' }, value: 0 },
  ]);
});

it('tells of its discovery and its node database', async () => {
  const server = await startedServer({ discovery: { v4: true } });
  const asked = await startedServer({ discovery: { v4: true } });
  await server.discovery?.ping(asked.enode);
  const { discovery, knownNodes, eventLoopDelay } = server.metrics();
  expect(discovery).toMatchObject({ sent: { ping: 1 }, received: { pong: 1 } });
  expect(discovery?.sentBytes).toBeGreaterThan(100);
  expect(knownNodes).toBeUndefined();
  expect(eventLoopDelay?.max).toBeGreaterThanOrEqual(eventLoopDelay?.p50 ?? Number.NaN);
  expect(asked.metrics().discovery?.received.ping).toBe(1);
});

/** On a clock that the test moves. */
function virtualServer() {
  const env = new VirtualEnv();
  const server = new TestServer({ env, listen: undefined, protocols: [echo] });
  onTestFinished(() => server.close());
  return { env, server };
}

it('streams its metrics: at once, after each interval, and until it is closed', async () => {
  const { env, server } = virtualServer();
  const seen: number[] = [];
  const done = (async () => {
    for await (const { at } of server.metricsStream({ intervalMs: 5_000 })) seen.push(at);
  })();
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  for (let i = 0; i < 3; i++) {
    await turn();
    env.advance(5_000);
  }
  await turn();
  expect(seen).toEqual([0, 5_000, 10_000, 15_000]);
  await server.close();
  await done;
  expect(env.timers).toBe(0);
});

it('ends a stream whose signal aborts, or that its reader leaves', async () => {
  const { env, server } = virtualServer();
  const abort = new AbortController();
  const aborted = server.metricsStream({ signal: abort.signal });
  expect((await aborted.next()).value).toMatchObject({ dials: 0, eventLoopDelay: undefined });
  const next = aborted.next();
  abort.abort();
  expect(await rejectionOf(next)).toBe('aborted');
  expect(await rejectionOf(server.metricsStream({ signal: abort.signal }).next())).toBe('aborted');
  for await (const _ of server.metricsStream()) break;
  expect(env.timers).toBe(0);
});

it('holds no stream that is left where it stands', async () => {
  let held = 0;
  class CountedClosing extends Closing {
    override onClose(run: () => void): () => void {
      const off = super.onClose(run);
      held++;
      return () => {
        held--;
        off();
      };
    }
  }
  const { env, server } = virtualServer();
  const stream = metricsStream({ env, closing: new CountedClosing(), snapshot: () => server.metrics() });
  await stream.next();
  expect(held).toBe(0);
  const waiting = stream.next();
  await new Promise((resolve) => setImmediate(resolve));
  expect(held).toBe(1);
  env.advance(DEFAULT_METRICS_INTERVAL_MS);
  await waiting;
  expect(held).toBe(0);
});

it('refuses names of messages that are none', () => {
  for (const names of [['a"b'], ['a\nb'], [''], ['x'.repeat(65)], [1], 'Hello', null]) {
    const messageNames = names as string[];
    expect(
      codeOf(() => new TestServer({ protocols: [{ ...echo, messageNames }] })),
      JSON.stringify(names),
    ).toBe('invalid-argument');
  }
});

it.each<[string, (string | undefined)[], RegExp]>([
  ['two messages of one name', ['Ask', undefined, 'Ask'], /messageNames\[2\]: Ask is given twice$/],
  ['what messages without a name go by together', ['other'], /messageNames\[0\]: other stands for/],
  ['what another message without a name goes by', ['0x01'], /messageNames\[0\]: 0x01 stands for/],
  ['any code', [undefined, '0XFF'], /messageNames\[1\]: 0XFF stands for/],
  ['more names than codes', ['A', 'B', 'C', 'D'], /messageNames has 4 codes, and length is 3$/],
])('refuses %s: a page of metrics would be invalid, or say what is not so', (_, messageNames, says) => {
  const protocols = [{ ...echo, length: 3, messageNames }];
  expect(() => new TestServer({ protocols })).toThrow(
    expect.objectContaining({ code: 'invalid-argument', message: expect.stringMatching(says) }),
  );
});

it('takes names that only look like those of messages without one', () => {
  const messageNames = ['Other', undefined, '0x', '0xyz', '1x01', 'OTHER'];
  expect(codeOf(() => new TestServer({ protocols: [{ ...echo, length: 6, messageNames }] }))).toBe('none');
});

it('refuses options of a stream that are none', () => {
  const { server } = virtualServer();
  for (const intervalMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, '5']) {
    const options = { intervalMs } as { intervalMs: number };
    expect(() => server.metricsStream(options)).toThrow('intervalMs');
  }
  expect(() => server.metricsStream({ interval: 5 } as object)).toThrow('did you mean "intervalMs"');
});

it('gives numbers that do not change any more when they are given', async () => {
  const listener = await startedServer();
  const before: ServerMetrics = listener.metrics();
  const copy = structuredClone(before);
  const dialer = await startedServer();
  await dialer.dial(listener.enode);
  expect(before).toEqual(copy);
  expect(listener.metrics().inbound).toBe(1);
});

it('reputations are those of the peers that are connected, of whom nothing may be known', async () => {
  const server = await startedServer({ listen: undefined });
  const nodes = await Promise.all(Array.from({ length: 4 }, () => startedServer()));
  const peers = await Promise.all(nodes.map(({ enode }) => server.dial(enode)));
  const counts = () => {
    const { count, sum, bounds, counts } = server.metrics().reputations ?? {};
    return { count, sum: Math.round(sum ?? Number.NaN), atMost0: counts?.[bounds?.indexOf(0) ?? 0] };
  };
  expect(counts()).toEqual({ count: 4, sum: 0, atMost0: 4 });
  peers[0]?.report('timeout');
  peers[1]?.report('good-answer');
  expect(counts()).toEqual({ count: 4, sum: -4, atMost0: 3 });
  peers[0]?.disconnect();
  peers[2]?.disconnect();
  await server.until(() => server.peers.length === 2);
  expect(counts()).toEqual({ count: 2, sum: 1, atMost0: 1 });
  // What is remembered of nodes is more.
  expect([...server.reputations()].map(Math.round)).toEqual([-5, 1]);
  const histories = new Map(server.reputationHistories());
  expect([...histories.keys()]).toEqual(peers.slice(0, 2).map(({ info }) => toBareHex(info.id)));
  expect([...histories.values()].map(({ recent }) => recent.map(({ kind }) => kind))).toEqual([
    ['timeout'],
    ['good-answer'],
  ]);
});
