import { Socket } from 'node:net';
import { expect, it } from 'vitest';
import { HttpConnections } from '../../src/io/http-connections.ts';

/** A socket that is connected to nobody, and says that it is. */
function socketFrom(remoteAddress: string | undefined): Socket {
  return Object.defineProperty(new Socket(), 'remoteAddress', { value: remoteAddress });
}

/** Those that had to go, of connections that came from these addresses in turn. */
function goneOf(max: number, ...from: readonly (string | undefined)[]): number[] {
  const connections = new HttpConnections(max);
  const sockets = from.map(socketFrom);
  for (const socket of sockets) connections.add(socket);
  return sockets.flatMap(({ destroyed }, i) => (destroyed ? [i] : []));
}

it.each<[string, (string | undefined)[], number[]]>([
  ['one IPv4 address', ['10.0.0.1', '10.0.0.2', '10.0.0.2', '10.0.0.3'], [1]],
  ['an IPv4 address, however it is written', ['10.0.0.1', '::ffff:10.0.0.2', '10.0.0.2', '10.0.0.3'], [1]],
  ['one /64 of IPv6', ['2001:db8:0:1::1', '2001:db8::1', '2001:db8::2:0:0:2', '10.0.0.3'], [1]],
  ['addresses of which nothing is known', ['10.0.0.1', undefined, undefined, '10.0.0.3'], [1]],
  ['the newcomer', ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.3'], [2]],
  ['nobody, as long as there is room', ['10.0.0.1', '10.0.0.1', '10.0.0.1'], []],
])('room is made by the connections of %s', (_, from, gone) => {
  expect(goneOf(3, ...from)).toEqual(gone);
});

it('what is over takes no room, and has no requests', async () => {
  const connections = new HttpConnections(2);
  const [first, second, third] = [1, 2, 3].map(() => socketFrom('10.0.0.1')) as [Socket, Socket, Socket];
  connections.add(first);
  connections.add(second);
  first.destroy();
  await new Promise((resolve) => first.once('close', resolve));
  expect(connections.began(first)).toBeUndefined();
  connections.add(third);
  expect([second.destroyed, third.destroyed]).toEqual([false, false]);
});
