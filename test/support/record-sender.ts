/** A node of discovery v4 on loopback that proves its endpoint, and answers ENRRequests with whatever it is given. */
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import {
  decodeMessage,
  encodeMessage,
  isPacket,
  type Message,
  packetCrypto,
  packetHash,
} from '../../src/discv4/index.ts';
import { formatEnode } from '../../src/enr/index.ts';
import { bindUdp, type UdpSocket } from '../../src/io/udp.ts';

const HOST = '127.0.0.1';

export interface RecordSender extends AsyncDisposable {
  readonly publicKey: Uint8Array;
  readonly enode: string;
}

/** @param record the RLP of what it says to be its record */
export async function recordSender(record: Uint8Array): Promise<RecordSender> {
  const key = generateSecretKey(systemEnv);
  const [publicKey, crypto] = [publicKeyOf(key), packetCrypto(key)];
  const expiration = () => Math.floor(systemEnv.unixTime() / 1000) + 20;
  const answersTo = (packet: Uint8Array, port: number): Message[] => {
    const message = isPacket(packet) ? decodeMessage(packet) : undefined;
    const [from, to] = [
      { ip: HOST, udpPort: socket.port, tcpPort: 0 },
      { ip: HOST, udpPort: port, tcpPort: 0 },
    ];
    if (message?.kind === 'enrRequest') {
      return [{ kind: 'enrResponse', requestHash: packetHash(packet), record }];
    }
    if (message?.kind !== 'ping') return [];
    return [
      { kind: 'pong', to, pingHash: packetHash(packet), expiration: expiration() },
      { kind: 'ping', from, to, expiration: expiration() },
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
  return {
    publicKey,
    enode: formatEnode({ publicKey, host: HOST, tcpPort: 9, udpPort: socket.port }),
    [Symbol.asyncDispose]: () => socket.close(),
  };
}
