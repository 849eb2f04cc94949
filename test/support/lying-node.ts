/** A node on loopback that answers Pings as others do, and each FindNode with the same nodes, whatever they are. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import {
  decodeMessage,
  encodeMessage,
  isPacket,
  type Message,
  type Neighbor,
  packetCrypto,
  packetHash,
} from '../../src/discv4/index.ts';
import { formatEnode } from '../../src/enr/index.ts';

const HOST = '127.0.0.1';

/** Ends with the test. @returns its enode URL, and its port */
export async function lyingNode(nodes: readonly Neighbor[]): Promise<{ enode: string; port: number }> {
  const key = generateSecretKey(systemEnv);
  const crypto = packetCrypto(key);
  const socket = createSocket('udp4');
  socket.bind(0, HOST);
  await once(socket, 'listening');
  onTestFinished(() => void socket.close());
  const { port } = socket.address();
  const expiration = Math.floor(systemEnv.unixTime() / 1000) + 20;
  const here = { ip: HOST, udpPort: port, tcpPort: port };
  socket.on('message', (packet, from) => {
    const message = isPacket(packet) ? decodeMessage(packet) : undefined;
    const answers: Message[] = [];
    if (message?.kind === 'ping') {
      answers.push({ kind: 'pong', to: here, pingHash: packetHash(packet), expiration });
      answers.push({ kind: 'ping', from: here, to: here, expiration });
    }
    if (message?.kind === 'findNode') answers.push({ kind: 'neighbors', nodes, expiration });
    for (const sealed of crypto.seal(answers.map(encodeMessage)))
      socket.send(sealed, from.port, from.address);
  });
  const enode = formatEnode({ publicKey: publicKeyOf(key), host: HOST, tcpPort: port, udpPort: port });
  return { enode, port };
}
