/**
 * Who is read how often where `bandwidth.download` is small: `npm run bench -- read-turns [--enough N] [--peers N]
 * [--rate BYTES] [--size BYTES] [--seconds N] [--endless]`. A server with `maxPeers` of `--enough`, and `--rate` bytes a second for
 * each of them, has `--peers` static nodes on this machine, each of which answers one question at a time with `--size` bytes, or
 * sends without end. The last line is JSON.
 */
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import type { ProtocolChannel } from '../src/p2p/index.ts';
import { Server, type ServerEvent } from '../src/server/index.ts';

const { values } = parseArgs({
  options: {
    enough: { type: 'string', default: '4' },
    peers: { type: 'string', default: '16' },
    rate: { type: 'string', default: '16384' },
    size: { type: 'string', default: '65536' },
    seconds: { type: 'string', default: '120' },
    endless: { type: 'boolean', default: false },
  },
});
const [enough, peers, rate, size, seconds] = [
  ...[Number(values.enough), Number(values.peers), Number(values.rate)],
  ...[Number(values.size), Number(values.seconds)],
] as [number, number, number, number, number];
const { endless } = values;

const EVERYWHERE = { host: '127.0.0.1', port: 0 } as const;
const noise = randomBytes(size);
const question = Uint8Array.of(0xc0);
const protocol = (handler: (channel: ProtocolChannel) => Promise<void>) => [
  { name: 'turns', version: 1, length: 2, handler },
];

/** Messages by session, and milliseconds until each came. */
const counts: number[] = [];
const waits: number[] = [];
const causes = new Map<string, number>();

function note(event: ServerEvent): void {
  if (event.kind !== 'peer-disconnected') return;
  const { code } = event.error;
  causes.set(code, (causes.get(code) ?? 0) + 1);
}

async function read(channel: ProtocolChannel): Promise<void> {
  const session = counts.push(0) - 1;
  let since = performance.now();
  const ask = async (): Promise<void> => {
    if (!endless) await channel.send(0, question);
  };
  await ask();
  for await (const _ of channel) {
    counts[session] = (counts[session] ?? 0) + 1;
    const now = performance.now();
    waits.push(now - since);
    since = now;
    await ask();
  }
}

async function send(channel: ProtocolChannel): Promise<void> {
  if (endless) for (;;) await channel.send(1, noise);
  for await (const _ of channel) await channel.send(1, noise);
}

const server = new Server({
  ...{ key: randomBytes(32), protocols: protocol(read), maxPeers: enough },
  bandwidth: { download: enough * rate },
});
await server.start();
for (let i = 0; i < peers; i++) {
  const peer = new Server({
    ...{ key: randomBytes(32), listen: EVERYWHERE, protocols: protocol(send), onEvent: note },
  });
  await peer.start();
  server.addPeer(peer.enode);
}
await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
counts.sort((a, b) => a - b);
waits.sort((a, b) => a - b);
const secondsOf = (ms = Number.NaN): number => Math.round(ms / 100) / 10;
const summary = {
  ...{ enough, peers, rate, size, seconds, endless, sessions: counts.length },
  messages: { least: counts[0], most: counts.at(-1) },
  waitSeconds: { median: secondsOf(waits[waits.length >> 1]), longest: secondsOf(waits.at(-1)) },
  // As the peers see it.
  ended: Object.fromEntries(causes),
};
process.stdout.write(`${JSON.stringify(summary)}\n`);
process.exit();
