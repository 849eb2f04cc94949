import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { connect, Socket } from 'node:net';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import type { Lease } from '../../src/base/slabs.ts';
import { type Listener, listenTcp, type Wire } from '../../src/io/tcp.ts';

const open: { listener: Listener; socket: Socket }[] = [];
afterEach(async () => {
  for (const { listener, socket } of open.splice(0)) {
    socket.destroy();
    await listener.close();
  }
});

class CountedLease implements Lease {
  readonly mayLinger = true;
  releases = 0;
  release(): void {
    this.releases++;
  }
}

/** A wire, and the socket at its other end, which reads only when it is told to. */
async function joined() {
  let accepted: (wire: Wire) => void = () => undefined;
  const accepting = new Promise<Wire>((resolve) => {
    accepted = resolve;
  });
  const listener = await listenTcp(
    { host: '127.0.0.1', port: 0 },
    { accept: (wire) => accepted(wire), failed: () => undefined },
  );
  const socket = connect(listener.port, '127.0.0.1').pause();
  open.push({ listener, socket });
  const wire = await accepting;
  let drained: () => void = () => undefined;
  const closed = new Promise<void>((resolve) => {
    wire.attach({
      data: () => undefined,
      drained: () => drained(),
      ended: () => wire.destroy(),
      closed: () => resolve(),
    });
  });
  const untilDrained = () =>
    new Promise<void>((resolve) => {
      drained = () => {
        if (wire.backlog === 0) resolve();
      };
    });
  return { wire, socket, closed, untilDrained };
}

/** Bytes that say where they are in the stream. */
function numbered(from: number, length: number): Uint8Array {
  return new Uint8Array(length).map((_, i) => Math.imul(from + i, 2654435761) >>> 24);
}

describe('a wire', () => {
  it('carries large and small pieces in order to a slow reader, and says how far it is', async () => {
    const { wire, socket, untilDrained } = await joined();
    const sizes = [10, 9_000_000, 1, 300_000, 5, 131_072, 131_073];
    let [total, read] = [0, 0];
    const leases = sizes.map((size) => {
      const lease = new CountedLease();
      wire.write(numbered(total, size), lease);
      total += size;
      return lease;
    });
    expect(wire.flushed + wire.backlog).toBe(total);
    expect(wire.backlog).toBeGreaterThan(0);
    expect(leases.at(-1)?.releases).toBe(0);
    const drained = untilDrained();
    let wrong = 0;
    let all: () => void = () => undefined;
    const whole = new Promise<void>((resolve) => {
      all = resolve;
    });
    socket.on('data', (chunk: Buffer) => {
      if (!chunk.equals(numbered(read, chunk.length))) wrong++;
      read += chunk.length;
      if (read === total) all();
    });
    socket.resume();
    await Promise.all([drained, whole]);
    expect([read, wrong, wire.flushed, wire.backlog]).toEqual([total, 0, total, 0]);
    expect(leases.map(({ releases }) => releases)).toEqual(sizes.map(() => 1));
  });

  it('sends all that was written before it ends', async () => {
    const { wire, socket } = await joined();
    wire.write(numbered(0, 6_000_000));
    wire.end();
    const lease = new CountedLease();
    wire.write(Uint8Array.of(1), lease);
    expect(lease.releases).toBe(1);
    let read = 0;
    socket.on('data', (chunk: Buffer) => {
      read += chunk.length;
    });
    socket.resume();
    await once(socket, 'end');
    expect(read).toBe(6_000_000);
  });

  it('gives leases back when it is destroyed with bytes that nobody took', async () => {
    const { wire, closed } = await joined();
    const leases = [new CountedLease(), new CountedLease()];
    for (const lease of leases) wire.write(new Uint8Array(8_000_000), lease);
    wire.destroy();
    await closed;
    expect(leases.map(({ releases }) => releases)).toEqual([1, 1]);
  });
});

/** In a process of its own, whose limit is low: it takes all files that it may open, and connects to the port that it is told. */
const WITHOUT_FILES = `
  import { openSync } from 'node:fs';
  const { connectTcp } = await import(process.argv[1]);
  try { for (;;) openSync('/dev/null'); } catch { }
  connectTcp({ host: '127.0.0.1', port: Number(process.argv[2]) }, { timeoutMs: 60_000 }).then(
    () => console.log('connected'),
    ({ code, message }) => console.log(JSON.stringify({ code, message })),
  );
`;

describe('a connection', () => {
  it('for which this machine has no file left fails by that, which is no fault of the node', async () => {
    const listener = await listenTcp(
      { host: '127.0.0.1', port: 0 },
      { accept: (wire) => wire.destroy(), failed: () => undefined },
    );
    open.push({ listener, socket: new Socket() });
    const { href } = new URL('../../dist/io/tcp.js', import.meta.url);
    const command = [
      'ulimit -n 64 && exec "$@"',
      'sh',
      process.execPath,
      '--input-type=module',
      '-e',
      WITHOUT_FILES,
    ];
    const { stdout } = await promisify(execFile)('sh', ['-c', ...command, href, String(listener.port)]);
    expect(JSON.parse(stdout)).toEqual({
      code: 'system-limit',
      message: `cannot connect to 127.0.0.1:${listener.port}: too many files are open`,
    });
  });
});
