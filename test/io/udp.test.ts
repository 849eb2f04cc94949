import { describe, expect, it } from 'vitest';
import { bindUdp, type UdpSocket } from '../../src/io/udp.ts';
import { rejectionOf } from '../support/errors.ts';

interface Datagram {
  readonly bytes: Uint8Array;
  readonly ip: string;
  readonly port: number;
}

/** A socket, and what came to it. */
async function socketOf(host: string, port = 0) {
  const waiting: ((datagram: Datagram) => void)[] = [];
  const socket: UdpSocket = await bindUdp(
    { host, port },
    {
      message: (bytes, ip, port) => waiting.shift()?.({ bytes, ip, port }),
      failed: (error) => {
        throw error;
      },
    },
  );
  const next = () => new Promise<Datagram>((resolve) => void waiting.push(resolve));
  return { socket, next };
}

describe('UDP sockets', () => {
  it('send datagrams to each other', async () => {
    const a = await socketOf('127.0.0.1');
    const b = await socketOf('127.0.0.1');
    await using _a = a.socket;
    await using _b = b.socket;
    expect(a.socket.port).toBeGreaterThan(0);
    const received = b.next();
    a.socket.send(Uint8Array.of(1, 2, 3), '127.0.0.1', b.socket.port);
    const { bytes, ip, port } = await received;
    expect([[...bytes], ip, port]).toEqual([[1, 2, 3], '127.0.0.1', a.socket.port]);
  });

  it('of IPv6 reach IPv4, and name its addresses so', async () => {
    const dual = await socketOf('::');
    const v4 = await socketOf('127.0.0.1');
    await using _a = dual.socket;
    await using _b = v4.socket;
    const received = v4.next();
    dual.socket.send(Uint8Array.of(1), '127.0.0.1', v4.socket.port);
    expect((await received).ip).toBe('127.0.0.1');
    const answer = dual.next();
    v4.socket.send(Uint8Array.of(2), '127.0.0.1', dual.socket.port);
    expect((await answer).ip).toBe('127.0.0.1');
  });

  it('are bound to an address, and each to a port of its own', async () => {
    const { socket } = await socketOf('127.0.0.1');
    await using _ = socket;
    expect(await rejectionOf(socketOf('127.0.0.1', socket.port))).toBe('port-in-use');
    expect(await rejectionOf(socketOf('localhost'))).toBe('invalid-argument');
    expect(await rejectionOf(socketOf('192.0.2.1'))).toBe('listen-failed');
  });

  it('say nothing when they cannot send, or are closed', async () => {
    const { socket } = await socketOf('127.0.0.1');
    socket.send(Uint8Array.of(1), '::1', 9);
    socket.send(Uint8Array.of(1), '127.0.0.1', 9);
    await socket.close();
    await socket.close();
    socket.send(Uint8Array.of(1), '127.0.0.1', 9);
  });
});
