/** @ethereumjs/devp2p's DPT as the other side: Ping and FindNode both ways, on loopback. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { DPT, type PeerInfo } from '@ethereumjs/devp2p';
import { describe, expect, it } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { nodeIdOf } from '../../src/enr/index.ts';
import { type KadNode, kadNode } from '../../src/kad/index.ts';
import { Discv4Service } from '../../src/server/discv4-service.ts';
import { EventQueue } from '../interop/event-queue.ts';

const HOST = '127.0.0.1';

/** Opens what the library has no method for. */
class OpenDpt extends DPT {
  findNeighbours(peer: PeerInfo, id: Uint8Array): void {
    this._server.findneighbours(peer, id);
  }
}

class EthereumjsNode implements AsyncDisposable {
  readonly dpt: OpenDpt;
  readonly port: number;
  readonly #peers = new EventQueue<string>();

  private constructor(dpt: OpenDpt, port: number) {
    this.dpt = dpt;
    this.port = port;
    dpt.events.on('peer:added', ({ id }) => this.#peers.push(toBareHex(id ?? new Uint8Array())));
  }

  static async listen(): Promise<EthereumjsNode> {
    const socket = createSocket('udp4');
    socket.bind(0, HOST);
    await once(socket, 'listening');
    const { port } = socket.address();
    const endpoint = { address: HOST, udpPort: port, tcpPort: port };
    const dpt = new OpenDpt(generateSecretKey(systemEnv), {
      ...{ endpoint, createSocket: () => socket, refreshInterval: 600_000 },
    });
    return new EthereumjsNode(dpt, port);
  }

  get id(): Uint8Array {
    return this.dpt.id ?? new Uint8Array();
  }

  get node(): KadNode {
    return kadNode({ publicKey: this.id, ip: HOST, udpPort: this.port, tcpPort: this.port });
  }

  /** Resolves when the peer has answered a Ping of the library's, and is in its table. */
  async knows(publicKey: Uint8Array): Promise<void> {
    const key = toBareHex(publicKey);
    await this.#peers.next(`peer ${key.slice(0, 8)}`, (id) => id === key);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dpt.destroy();
  }
}

/** A service, and when a node becomes an entry of its table. The library takes nodes of one TCP port for one node. */
async function peerlane(tcpPort: number) {
  const added = new EventQueue<string>();
  const service = new Discv4Service({
    key: generateSecretKey(systemEnv),
    listen: { host: HOST, port: 0 },
    tcpPort,
    onEvent: (event) => {
      if (event.kind === 'node-added') added.push(toBareHex(event.node.publicKey));
    },
  });
  await service.start();
  const knows = async (publicKey: Uint8Array) => {
    const key = toBareHex(publicKey);
    await added.next(`node ${key.slice(0, 8)}`, (id) => id === key);
  };
  const node = kadNode({ publicKey: service.publicKey, ip: HOST, udpPort: service.port, tcpPort });
  const peer: PeerInfo = { address: HOST, udpPort: service.port, tcpPort, id: service.publicKey };
  return { service, knows, node, peer };
}

describe('@ethereumjs/devp2p', () => {
  it('answers our Ping, and our FindNode with the nodes that it knows', async () => {
    await using theirs = await EthereumjsNode.listen();
    const ours = await peerlane(30303);
    const other = await peerlane(30304);
    await using _ours = ours.service;
    await using _other = other.service;
    const pong = await ours.service.ping(theirs.node);
    expect(pong.enrSeq).toBeUndefined();
    expect(pong.seenAs).toMatchObject({ ip: HOST, udpPort: ours.service.port });
    await other.service.ping(theirs.node);
    // It pings back who has pinged it.
    await Promise.all([theirs.knows(ours.service.publicKey), theirs.knows(other.service.publicKey)]);
    const nodes = await ours.service.findNode(theirs.node, other.service.publicKey);
    expect(nodes.map(({ ip, udpPort, publicKey }) => [ip, udpPort, toBareHex(publicKey)])).toEqual([
      [HOST, other.service.port, toBareHex(other.service.publicKey)],
    ]);
  });

  it('has its Ping answered, and its FindNode with the nodes that we know', async () => {
    await using theirs = await EthereumjsNode.listen();
    const ours = await peerlane(30303);
    const other = await peerlane(30304);
    await using _ours = ours.service;
    await using _other = other.service;
    await other.service.ping(ours.node);
    await ours.knows(other.service.publicKey);
    const peer = await theirs.dpt.addPeer(ours.peer);
    expect(toBareHex(peer.id ?? new Uint8Array())).toBe(toBareHex(ours.service.publicKey));
    await ours.knows(theirs.id);
    expect(ours.service.table.isLive(nodeIdOf(theirs.id))).toBe(true);
    theirs.dpt.findNeighbours(ours.peer, theirs.id);
    // It pings whom it hears of, and keeps who answers.
    await theirs.knows(other.service.publicKey);
  });
});
