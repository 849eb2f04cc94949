/** Nodes of discovery v4 on loopback that prove their endpoints, and answer everything else with whatever they are given. */
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
import { bindUdp, type UdpSocket } from '../../src/io/udp.ts';

const HOST = '127.0.0.1';

export interface ScriptedNode {
  readonly publicKey: Uint8Array;
  readonly enode: string;
  readonly port: number;
}

/** @param record the RLP of what the node says to be its record */
export async function recordSender(record: Uint8Array): Promise<ScriptedNode> {
  return await scriptedNode(({ kind }, requestHash) =>
    kind === 'enrRequest' ? [{ kind: 'enrResponse', requestHash, record }] : [],
  );
}

/** @param nodes those that it names, whatever it is asked for */
export async function lyingNode(nodes: readonly Neighbor[]): Promise<ScriptedNode> {
  return await scriptedNode(({ kind }) =>
    kind === 'findNode' ? [{ kind: 'neighbors', nodes, expiration: soon() }] : [],
  );
}

const soon = (): number => Math.floor(systemEnv.unixTime() / 1000) + 20;

/** Ends with the test. @param answer what it answers to a message that is no Ping, and was in the packet of this hash */
async function scriptedNode(
  answer: (message: Message, hash: Uint8Array) => Message[],
): Promise<ScriptedNode> {
  const key = generateSecretKey(systemEnv);
  const [publicKey, crypto] = [publicKeyOf(key), packetCrypto(key)];
  const endpointAt = (udpPort: number) => ({ ip: HOST, udpPort, tcpPort: 0 });
  const answersTo = (packet: Uint8Array, port: number): Message[] => {
    const message = isPacket(packet) ? decodeMessage(packet) : undefined;
    if (message === undefined) return [];
    const hash = packetHash(packet);
    if (message.kind !== 'ping') return answer(message, hash);
    const [from, to, expiration] = [endpointAt(socket.port), endpointAt(port), soon()];
    return [
      { kind: 'pong', to, pingHash: hash, expiration },
      { kind: 'ping', from, to, expiration },
    ];
  };
  const socket: UdpSocket = await bindUdp(
    { host: HOST, port: 0 },
    {
      message: (bytes, ip, port) => {
        for (const packet of crypto.seal(answersTo(bytes, port).map(encodeMessage)))
          socket.send(packet, ip, port);
      },
      failed: () => undefined,
    },
  );
  onTestFinished(() => socket.close());
  const { port } = socket;
  return { publicKey, port, enode: formatEnode({ publicKey, host: HOST, tcpPort: 9, udpPort: port }) };
}
