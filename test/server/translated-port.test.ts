/** Nodes behind a translator of UDP ports: one of our own, on loopback. */
import { expect, it, onTestFinished } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { formatEnode } from '../../src/enr/index.ts';
import { bindUdp, type UdpSocket } from '../../src/io/udp.ts';
import { Discv4Service, type Discv4ServiceOptions } from '../../src/server/index.ts';
import { ownNode } from '../cli/bootnode.ts';

const HERE = '127.0.0.1';
/** So many that a port that one of them sees is not a quarter of the votes. */
const NODES = 5;
const failed = (): void => undefined;

async function bound(message: (packet: Uint8Array, port: number) => void): Promise<UdpSocket> {
  const socket = await bindUdp(
    { host: HERE, port: 0 },
    { message: (packet, _, port) => message(packet, port), failed },
  );
  onTestFinished(() => socket.close());
  return socket;
}

/** What comes from the node behind it others see come from an outer port. */
class Translator {
  /** By the port of a node, where the one that is behind reaches it. */
  readonly #inner = new Map<number, UdpSocket>();
  readonly #outer = new Map<number, UdpSocket>();
  #behind = 0;

  /** Where the node that is behind reaches another one. */
  async to({ port: nodePort, publicKey }: Discv4Service): Promise<string> {
    const inner = await bound((packet, port) => {
      // The node begins; others that it tells of this place have no business here.
      this.#behind ||= port;
      if (port === this.#behind) this.#outer.get(nodePort)?.send(packet, HERE, nodePort);
    });
    this.#inner.set(nodePort, inner);
    return formatEnode({ publicKey, host: HERE, tcpPort: 0, udpPort: inner.port });
  }

  /** From now on that node sees the one behind at the outer port; without one, at a port of its own. */
  async map({ port: nodePort }: Discv4Service, outer?: UdpSocket): Promise<void> {
    this.#outer.set(nodePort, outer ?? (await this.outerPort()));
  }

  async outerPort(): Promise<UdpSocket> {
    return bound((packet, port) => this.#inner.get(port)?.send(packet, HERE, this.#behind));
  }
}

/** A node on all addresses, and those that it reaches through the translator. */
async function behind(options: Partial<Discv4ServiceOptions> = {}) {
  const translator = new Translator();
  const nodes = await Promise.all(Array.from({ length: NODES }, () => ownNode()));
  const places = await Promise.all(nodes.map((node) => translator.to(node)));
  const service = new Discv4Service({
    key: generateSecretKey(systemEnv),
    listen: { host: '0.0.0.0', port: 0 },
    tcpPort: 30_303,
    ...options,
  });
  await service.start();
  onTestFinished(() => service.close());
  const mapAll = (outer?: UdpSocket) => Promise.all(nodes.map((node) => translator.map(node, outer)));
  const pingAll = () => Promise.all(places.map((place) => service.ping(place)));
  return { translator, service, mapAll, pingAll };
}

it('the record follows a translator that maps another UDP port, and then maps another one', async () => {
  const { translator, service, mapAll, pingAll } = await behind();
  expect(service.record.entries()).not.toHaveProperty('ip');
  for (let i = 0; i < 2; i++) {
    const before = service.record.seq;
    const outer = await translator.outerPort();
    await mapAll(outer);
    await pingAll();
    expect(service.record.entries()).toMatchObject({ ip: HERE, tcp: 30_303, udp: outer.port });
    expect(service.record.seq).toBe(before + 1n);
  }
});

it('the record names the port that the node listens on where each sees it at another one', async () => {
  const { translator, service, mapAll, pingAll } = await behind();
  await mapAll();
  await pingAll();
  const first = service.record;
  expect(first.entries()).toMatchObject({ ip: HERE, tcp: 30_303, udp: service.port });
  await mapAll();
  await pingAll();
  expect(service.record).toBe(first);
  const outer = await translator.outerPort();
  await mapAll(outer);
  await pingAll();
  expect(service.record.get('udp')).toBe(outer.port);
});

it('a node whose user says where it is keeps to that', async () => {
  const { translator, service, mapAll, pingAll } = await behind({ externalIp: HERE });
  const { record } = service;
  await mapAll(await translator.outerPort());
  await pingAll();
  expect(service.record).toBe(record);
  expect(record.entries()).toMatchObject({ ip: HERE, udp: service.port });
});
