/** Hostile packets over real sockets, beside those of nodes that are known. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { concatBytes, toBareHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey, keccak256 } from '../../src/crypto/index.ts';
import {
  decodeMessage,
  encodeMessage,
  type Message,
  packetCrypto,
  packetHash,
  withHash,
} from '../../src/discv4/index.ts';
import { Discv4Service } from '../../src/server/discv4-service.ts';

const HOST = '127.0.0.1';
const PINGS = 20;
/** Hostile packets to each Ping of the known node. */
const HOSTILE = 300;
const SOCKETS = 16;

const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.close();
});

async function bound(ip: string): Promise<Socket> {
  const socket = createSocket('udp4');
  sockets.push(socket);
  socket.bind(0, ip);
  await once(socket, 'listening');
  return socket;
}

/** A node that answers Pings, and knows which of its own were answered. */
async function knownNode(port: number) {
  const socket = await bound('127.1.0.1');
  const { seal } = packetCrypto(generateSecretKey(systemEnv));
  const at = { ip: '127.1.0.1', udpPort: socket.address().port, tcpPort: 0 };
  const expiration = Math.floor(systemEnv.unixTime() / 1000) + 60;
  const answered = new Set<string>();
  const waiting = new Map<string, () => void>();
  const proved: { resolve?: () => void } = {};
  const send = (message: Message): Uint8Array => {
    const [packet] = seal([encodeMessage(message)]);
    if (packet === undefined) throw new Error('nothing was sealed');
    socket.send(packet, port, HOST);
    return packet;
  };
  socket.on('message', (bytes) => {
    const message = decodeMessage(bytes);
    if (message?.kind === 'ping') {
      send({ kind: 'pong', to: at, pingHash: packetHash(bytes), expiration });
    } else if (message?.kind === 'enrResponse') {
      proved.resolve?.();
    } else if (message?.kind === 'pong') {
      const hash = toBareHex(message.pingHash);
      answered.add(hash);
      waiting.get(hash)?.();
    }
  });
  let serial = 0n;
  const ping = async () => {
    const packet = send({ kind: 'ping', from: at, to: at, expiration, enrSeq: serial++ });
    const hash = toBareHex(packetHash(packet));
    // The system may lose one where its own buffer is full; whoever is known may send it again.
    const again = setInterval(() => socket.send(packet, port, HOST), 100);
    if (!answered.has(hash)) await new Promise<void>((resolve) => waiting.set(hash, resolve));
    clearInterval(again);
  };
  /** Resolves when its endpoint is proved: only then is it told the record. */
  const bond = async () => {
    await ping();
    const record = new Promise<void>((resolve) => {
      proved.resolve = resolve;
    });
    const asking = setInterval(() => send({ kind: 'enrRequest', expiration }), 20);
    await record;
    clearInterval(asking);
  };
  return { ping, bond, answered };
}

/** Packets that are garbage, have a wrong hash, or a signature of nobody that looks like one. */
function hostilePackets(): Uint8Array[] {
  const at = { ip: HOST, udpPort: 1, tcpPort: 0 };
  const expiration = Math.floor(systemEnv.unixTime() / 1000) + 60;
  const content = encodeMessage({ kind: 'ping', from: at, to: at, expiration });
  const { seal } = packetCrypto(generateSecretKey(systemEnv));
  return Array.from({ length: HOSTILE }, (_, i) => {
    const signature = concatBytes(
      keccak256(Uint8Array.of(i, i >> 8)),
      new Uint8Array(32).fill(1),
      Uint8Array.of(0),
    );
    const whole = withHash(signature, content);
    if (i % 3 === 0) return systemEnv.randomBytes(1 + ((i * 37) % 1280));
    if (i % 3 === 1) return whole.with(5, (whole[5] ?? 0) ^ 1);
    return i % 2 === 0 ? whole : (seal([concatBytes(content, Uint8Array.of(i & 255))])[0] ?? whole);
  });
}

describe('a flood over sockets', () => {
  it('leaves known nodes answered, and is shed', async () => {
    await using service = new Discv4Service({
      key: generateSecretKey(systemEnv),
      listen: { host: HOST, port: 0 },
      // However fast this machine is, it is a flood.
      limits: { strangers: { perSecond: 1, burst: 50 } },
    });
    await service.start();
    const known = await knownNode(service.port);
    await known.bond();
    const flood = await Promise.all(
      Array.from({ length: SOCKETS }, (_, i) => bound(`127.128.${i % 4}.${1 + i}`)),
    );
    const packets = hostilePackets();
    const before = process.memoryUsage().rss;
    for (let round = 0; round < PINGS; round++) {
      for (const [i, packet] of packets.entries()) flood[i % SOCKETS]?.send(packet, service.port, HOST);
      // The test ends when each of them has its Pong.
      await known.ping();
    }
    expect(known.answered.size).toBe(PINGS + 1);
    const { dropped, requests } = service.stats();
    expect(dropped.foreign).toBeGreaterThan(0);
    expect(dropped.shed).toBeGreaterThan(0);
    expect(requests).toBeLessThanOrEqual(256);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 2 ** 20);
  });
});
