/** A node that names others with keys that nobody has: no point of the curve. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
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
import type { KadNode } from '../../src/kad/index.ts';
import { Discv4Service } from '../../src/server/discv4-service.ts';

const HOST = '127.0.0.1';

it('they are not handed to whoever looks for nodes', async () => {
  const key = generateSecretKey(systemEnv);
  const crypto = packetCrypto(key);
  const honest = publicKeyOf(generateSecretKey(systemEnv));
  const liar = createSocket('udp4');
  liar.bind(0, HOST);
  await once(liar, 'listening');
  onTestFinished(() => void liar.close());
  const { port } = liar.address();
  const expiration = Math.floor(systemEnv.unixTime() / 1000) + 20;
  const here = { ip: HOST, udpPort: port, tcpPort: port };
  const named = [new Uint8Array(64), new Uint8Array(64).fill(0xff), honest];
  const nodes = named.map((publicKey, i) => ({ ip: HOST, udpPort: 40_000 + i, tcpPort: 1, publicKey }));
  liar.on('message', (packet, from) => {
    const message = isPacket(packet) ? decodeMessage(packet) : undefined;
    const answers: Message[] = [];
    if (message?.kind === 'ping') {
      answers.push({ kind: 'pong', to: here, pingHash: packetHash(packet), expiration });
      answers.push({ kind: 'ping', from: here, to: here, expiration });
    }
    if (message?.kind === 'findNode') answers.push({ kind: 'neighbors', nodes, expiration });
    for (const sealed of crypto.seal(answers.map(encodeMessage))) liar.send(sealed, from.port, from.address);
  });
  const enode = formatEnode({ publicKey: publicKeyOf(key), host: HOST, tcpPort: port, udpPort: port });
  await using service = new Discv4Service({
    ...{ key: generateSecretKey(systemEnv), listen: { host: HOST, port: 0 }, bootnodes: [enode] },
  });
  await service.start();
  const told = await service.findNode(enode, honest);
  expect(told.map(({ publicKey }) => publicKey)).toEqual([honest]);
  const met: KadNode[] = [];
  for await (const node of service.lookup(honest)) met.push(node);
  expect(met.map(({ udpPort }) => udpPort).toSorted()).toEqual([port, 40_002].toSorted());
});
