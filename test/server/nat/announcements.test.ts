import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import { ANNOUNCE_GROUP, ANNOUNCE_GROUP6, type Announcement } from '../../../src/nat/index.ts';
import { hearAnnouncements } from '../../../src/server/nat/announcements.ts';

const HERE = '127.0.0.1';
const HERE6 = '::1';
const PCP = (epoch: number) => Uint8Array.of(2, 128, 0, 0, 0, 0, 0, 0, 0, 0, 0, epoch, ...new Uint8Array(12));

/** What is heard, and a way to say something. */
async function listening(router: string, port = 0, group = ANNOUNCE_GROUP) {
  const family = router.includes(':') ? 6 : 4;
  const waiting: (() => void)[] = [];
  const heard: Announcement[] = [];
  const socket = await hearAnnouncements({
    router: () => router,
    heard: (announcement) => {
      heard.push(announcement);
      for (const wake of waiting.splice(0)) wake();
    },
    ...{ port, group, family },
  });
  onTestFinished(() => socket.close());
  const until = async (count: number): Promise<void> => {
    while (heard.length < count) await new Promise<void>((resolve) => void waiting.push(resolve));
  };
  return { socket, heard, until };
}

async function say(from: string, to: number, ...packets: readonly Uint8Array[]): Promise<void> {
  const isIpv6 = from.includes(':');
  const socket = createSocket(isIpv6 ? 'udp6' : 'udp4').bind(0, from);
  await once(socket, 'listening');
  onTestFinished(() => void socket.close());
  for (const packet of packets)
    await new Promise((resolve) => socket.send(packet, to, isIpv6 ? HERE6 : HERE, resolve));
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

it('by IPv6 it is heard at the same port, beside what is told by IPv4', async () => {
  const four = await listening(HERE);
  const six = await listening(HERE6, four.socket.port, ANNOUNCE_GROUP6);
  await say(HERE6, six.socket.port, PCP(4));
  await six.until(1);
  await say(HERE, six.socket.port, PCP(5));
  await four.until(1);
  expect([four.heard.map(({ epoch }) => epoch), six.heard.map(({ epoch }) => epoch)]).toEqual([[5], [4]]);
});
