/** A server whose process has no files left for sockets. */
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Enode, parseEnode } from '../../src/enr/index.ts';
import type { ProtocolChannel } from '../../src/p2p/index.ts';
import { JsonProgram } from '../interop/json-program.ts';
import { manual, startedServer } from '../support/servers.ts';

/** Node opens the modules of the server all at once. */
const FILES = 256;
const CROWD = 400;

interface Ready {
  readonly event: 'ready';
  readonly enode: string;
}

async function peerOf(enode: string): Promise<ProtocolChannel> {
  const { protocol, next } = manual();
  const node = await startedServer({ listen: undefined, protocols: [protocol] });
  await node.dial(enode);
  return next();
}

async function isServed(channel: ProtocolChannel): Promise<boolean> {
  await channel.send(3, Uint8Array.of(7));
  const { done, value } = await channel[Symbol.asyncIterator]().next();
  return done !== true && value.payload[0] === 7;
}

/** So many sockets. Resolves when the system of the other side has closed those that there were no files for. */
async function crowd({ host, tcpPort }: Enode): Promise<readonly Socket[]> {
  let closed = 0;
  let turnedAway: (value?: unknown) => void = () => undefined;
  const waiting = new Promise((resolve) => {
    turnedAway = resolve;
  });
  const sockets = Array.from({ length: CROWD }, () => {
    const socket = connect(tcpPort, host).on('error', () => undefined);
    // Nothing is read: the end of the stream is what is waited for.
    socket.resume().on('close', () => ++closed >= CROWD - FILES && turnedAway());
    onTestFinished(() => void socket.destroy());
    return socket;
  });
  await waiting;
  return sockets;
}

describe('a server without a file for one more socket', () => {
  it.skipIf(process.platform === 'win32')(
    'goes on serving its peers, and takes new ones when there are files again',
    async () => {
      const script = fileURLToPath(new URL('../support/few-files-server.js', import.meta.url));
      // Node raises the soft limit by itself; this sets the hard one too.
      const limited = ['-c', `ulimit -n ${FILES} && exec "$0" "$1"`, process.execPath, script];
      await using program = new JsonProgram<Ready, object>('/bin/sh', limited);
      const { enode } = await program.next('start', ({ event }) => event === 'ready');
      const peer = await peerOf(enode);
      expect(await isServed(peer)).toBe(true);

      const sockets = await crowd(parseEnode(enode));
      expect(await isServed(peer)).toBe(true);
      const open = sockets.filter(({ destroyed }) => !destroyed);
      expect(open.length).toBeGreaterThan(0);
      await Promise.all(
        open.map((socket) => new Promise((resolve) => socket.once('close', resolve).destroy())),
      );
      expect(await isServed(peer)).toBe(true);
      expect(await isServed(await peerOf(enode))).toBe(true);
    },
  );
});
