import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import { ANNOUNCE_GROUP, type Announcement } from '../../../src/nat/index.ts';
import { hearAnnouncements } from '../../../src/server/nat/announcements.ts';

const HERE = '127.0.0.1';
const PCP = (epoch: number) => Uint8Array.of(2, 128, 0, 0, 0, 0, 0, 0, 0, 0, 0, epoch, ...new Uint8Array(12));

/** What is heard, and a way to say something. */
async function listening(router: string, port = 0, group = ANNOUNCE_GROUP) {
  const waiting: (() => void)[] = [];
  const heard: Announcement[] = [];
  const socket = await hearAnnouncements({
    router: () => router,
    heard: (announcement) => {
      heard.push(announcement);
      for (const wake of waiting.splice(0)) wake();
    },
    ...{ port, group },
  });
  onTestFinished(() => socket.close());
  const until = async (count: number): Promise<void> => {
    while (heard.length < count) await new Promise<void>((resolve) => void waiting.push(resolve));
  };
  return { socket, heard, until };
}

async function say(from: string, to: number, ...packets: readonly Uint8Array[]): Promise<void> {
  const socket = createSocket('udp4').bind(0, from);
  await once(socket, 'listening');
  onTestFinished(() => void socket.close());
  for (const packet of packets) await new Promise((resolve) => socket.send(packet, to, HERE, resolve));
}

it('what the router tells all hosts is heard, and what others tell, or what is none, is not', async () => {
  const { socket, heard, until } = await listening(HERE);
  await say('127.0.0.2', socket.port, PCP(7));
  await say(HERE, socket.port, Uint8Array.of(), Uint8Array.of(2, 128), PCP(1), PCP(2));
  await until(2);
  expect(heard.map(({ epoch }) => epoch)).toEqual([1, 2]);
});

it('several programs of a machine hear at one port; that there is no such group to join is no reason not to', async () => {
  const first = await listening(HERE);
  const second = await listening(HERE, first.socket.port);
  expect(second.socket.port).toBe(first.socket.port);
  const alone = await listening(HERE, 0, '127.0.0.1');
  await say(HERE, alone.socket.port, PCP(3));
  await alone.until(1);
});
