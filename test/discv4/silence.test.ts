import { describe, expect, it } from 'vitest';
import { ATTEMPTS } from '../../src/discv4/attempts.ts';
import type { RequestFailure } from '../../src/discv4/index.ts';
import { packetHash } from '../../src/discv4/index.ts';
import { Proofs } from '../../src/discv4/proofs.ts';
import {
  type Asked,
  endpointKey,
  kadNode,
  MAX_UNANSWERED,
  MAX_UNANSWERED_OF_ADDRESS,
  SILENCE_MS,
  Silence,
} from '../../src/kad/index.ts';
import { Network } from '../support/packet-network.ts';
import { Puppet, SimNode } from './network.ts';

const at = (port: number, ip = '8.7.6.5'): Asked => {
  const endpoint = { ip, port };
  return { key: endpointKey(endpoint), endpoint };
};

/** How many of these endpoints get a Ping, one after the other, when nobody answers. */
function pinged(silence: Silence, endpoints: readonly Asked[], now = 0): number {
  let count = 0;
  for (const endpoint of endpoints) {
    if (silence.isKept(endpoint, now)) continue;
    silence.add(endpoint, 1, now);
    count++;
  }
  return count;
}

describe('an address where nobody answers', () => {
  const ports = Array.from({ length: 1_000 }, (_, i) => at(1_024 + i));
  const proved = ({ endpoint }: Asked) => {
    const proofs = new Proofs();
    proofs.add(endpoint, new Uint8Array(64), 0, Number.NEGATIVE_INFINITY);
    return proofs;
  };

  it('gets so many Pings at each port, and no more than some at all of them, and again after a while', () => {
    const silence = new Silence(new Proofs());
    const gone = Array.from({ length: 20 }, () => at(1_024));
    expect(pinged(silence, gone)).toBe(MAX_UNANSWERED);
    expect(pinged(silence, ports)).toBe(MAX_UNANSWERED_OF_ADDRESS - MAX_UNANSWERED);
    // All are kept, and one is by its own doing.
    expect([at(1_024), at(1_025)].map((endpoint) => silence.isSilent(endpoint, 0))).toEqual([true, false]);
    expect(pinged(silence, [...gone, ...ports], SILENCE_MS - 1)).toBe(0);
    expect(pinged(silence, ports, SILENCE_MS)).toBe(MAX_UNANSWERED_OF_ADDRESS);
    expect(pinged(silence, [at(1, '9.9.9.9')])).toBe(1);
  });

  it('of which an endpoint is proved, so many at each of the others, and no more than some at all of them', () => {
    const silence = new Silence(proved(at(30303)));
    expect(
      pinged(
        silence,
        Array.from({ length: 20 }, () => at(1_024)),
      ),
    ).toBe(MAX_UNANSWERED);
    expect(pinged(silence, ports)).toBe(MAX_UNANSWERED_OF_ADDRESS - MAX_UNANSWERED);
    // That the one answers does not let the others be pinged anew.
    silence.break(at(30303));
    expect(pinged(silence, ports.slice(500))).toBe(0);
  });

  it('but where a node has answered before is no reason to leave its neighbours of the same /64 alone', () => {
    const silence = new Silence(proved(at(30303, '2606:4700::1')));
    const gone = Array.from({ length: 20 }, () => at(30303, '2606:4700::1'));
    expect(pinged(silence, gone)).toBe(MAX_UNANSWERED);
    expect(pinged(silence, [at(30303, '2606:4700::2'), at(30303, '2606:4700::3')])).toBe(2);
  });

  it('is the whole /64 where nobody has answered, until somebody there does', () => {
    const proofs = new Proofs();
    const silence = new Silence(proofs);
    const hosts = Array.from({ length: 100 }, (_, i) => at(30303, `2606:4700::${i + 1}`));
    expect(pinged(silence, hosts)).toBe(MAX_UNANSWERED_OF_ADDRESS);
    expect(pinged(silence, hosts.slice(80))).toBe(0);
    proofs.add(at(30303, '2606:4700::99').endpoint, new Uint8Array(64), 0, Number.NEGATIVE_INFINITY);
    silence.break(at(30303, '2606:4700::99'));
    expect(pinged(silence, [at(30303, '2606:4700::99')])).toBe(1);
  });

  it('of this machine or a LAN is that of any number of nodes', () => {
    for (const ip of ['127.0.0.1', '192.168.1.2']) {
      const silence = new Silence(proved(at(30303, ip)));
      expect(
        pinged(
          silence,
          ports.map(({ endpoint: { port } }) => at(port, ip)),
        ),
      ).toBe(ports.length);
    }
  });

  it('of this machine may be that of nodes which nobody has heard from yet: each endpoint gets so many', () => {
    for (const ip of ['127.0.0.1', '127.1.2.3', '::1']) {
      const silence = new Silence(new Proofs());
      const gone = Array.from({ length: 20 }, () => at(1_024, ip));
      expect(pinged(silence, gone)).toBe(MAX_UNANSWERED);
      const others = ports.slice(1).map(({ endpoint: { port } }) => at(port, ip));
      expect(pinged(silence, others)).toBe(others.length);
      expect(pinged(silence, gone, SILENCE_MS)).toBe(MAX_UNANSWERED);
    }
    const inLan = new Silence(new Proofs());
    expect(
      pinged(
        inLan,
        ports.map(({ endpoint: { port } }) => at(port, '192.168.1.2')),
      ),
    ).toBe(MAX_UNANSWERED_OF_ADDRESS);
  });

  it('is not, for what a node of it that has a proof leaves unanswered, nor for what it has answered since', () => {
    const silence = new Silence(proved(at(30303)));
    for (let i = 0; i < MAX_UNANSWERED_OF_ADDRESS; i++) silence.add(at(30303), 1, 0, true);
    expect([at(30303), at(1_024)].map((endpoint) => silence.isKept(endpoint, 0))).toEqual([true, false]);
    for (let i = 0; i < MAX_UNANSWERED_OF_ADDRESS; i++) silence.add(at(30304), 1, 0);
    expect(silence.isKept(at(1_024), 0)).toBe(true);
    silence.add(at(1_025), 1, 0);
    silence.break(at(30304));
    expect([at(30304), at(1_024)].map((endpoint) => silence.isKept(endpoint, 0))).toEqual([false, false]);
    // That of 1,025 is left.
    expect(silence.size).toBe(3);
  });

  it('is pinged again as soon as somebody there has answered', () => {
    const proofs = new Proofs();
    const silence = new Silence(proofs);
    pinged(silence, ports);
    expect(pinged(silence, [at(1_024), at(9_999)])).toBe(0);
    proofs.add(at(1_024).endpoint, new Uint8Array(64), 0, Number.NEGATIVE_INFINITY);
    silence.break(at(1_024));
    expect(pinged(silence, [at(1_024), at(9_999)])).toBe(1);
  });
});

describe('a node that others have named, and that a caller asks', () => {
  it('gets no Ping where nobody answers, which is said, unless it is asked for without regard to that', () => {
    const network = new Network({ log: true });
    const node = new SimNode(network, {});
    const said: (RequestFailure | 'answered' | undefined)[] = [];
    const hearsay = () =>
      kadNode({ publicKey: network.env.randomBytes(64), ip: '8.7.6.5', udpPort: 30303, tcpPort: 30303 });
    const note = (result: unknown, failure?: RequestFailure): void => {
      said.push(result === undefined ? failure : 'answered');
    };
    for (let i = 0; i < MAX_UNANSWERED + 2; i++) {
      node.engine.pingNamed(hearsay(), node.now, note);
      node.schedule();
      network.env.advance(2_000);
    }
    node.engine.requestRecord(hearsay(), node.now, note);
    node.engine.findNode(hearsay(), node.publicKey, node.now, note);
    node.schedule();
    network.env.advance(2_000);
    const unanswered = Array.from({ length: MAX_UNANSWERED }, () => undefined);
    expect(said).toEqual([...unanswered, ...Array.from({ length: 4 }, () => 'withheld-ping')]);
    expect(network.log).toHaveLength(MAX_UNANSWERED);
    node.engine.ping(hearsay(), node.now, note);
    network.env.advance(2_000);
    expect(network.log).toHaveLength(MAX_UNANSWERED + 1);
  });

  it('gets one though others are named at its endpoint', () => {
    const network = new Network();
    const [node, honest] = [new SimNode(network, {}), new SimNode(network, {})];
    const isAnswered = (publicKey: Uint8Array): boolean => {
      const named = kadNode({ ...honest.node, publicKey });
      const asked = node.ask((done) => node.engine.pingNamed(named, node.now, done));
      network.env.advance(2_000);
      return asked.result !== undefined;
    };
    for (let i = 0; i < 2 * MAX_UNANSWERED; i++) expect(isAnswered(network.env.randomBytes(64))).toBe(false);
    expect(isAnswered(honest.publicKey)).toBe(true);
  });

  it('gets one on this machine whatever port others have been silent at', () => {
    const network = new Network();
    const node = new SimNode(network, { endpoint: { ip: '127.0.0.1', port: 30303 } });
    const gone = new Puppet(network, { ip: '127.0.0.1', port: 1_024 });
    const live = new Puppet(network, { ip: '127.0.0.1', port: 1_025 });
    live.answerPings(node);
    const pinged = (puppet: Puppet) => {
      const asked = node.ask((done) => node.engine.pingNamed(puppet.node, node.now, done));
      network.env.advance(2_000);
      return asked.result !== undefined;
    };
    for (let i = 0; i < 2 * MAX_UNANSWERED; i++) expect(pinged(gone)).toBe(false);
    expect(gone.received).toHaveLength(MAX_UNANSWERED);
    expect(pinged(live)).toBe(true);
  });
});

describe('an address that is named under a new key each time', () => {
  it('gets four Pings, or the second attempt of one too, and no more for as long as it is named', () => {
    const network = new Network({ log: true });
    const node = new SimNode(network, {});
    const liar = new Puppet(network);
    const victim = { ip: '8.7.6.5', udpPort: 30303, tcpPort: 30303 };
    liar.onMessage = (message, packet) => {
      const { expiration } = liar;
      if (message.kind === 'ping') liar.pong(node, packetHash(packet));
      if (message.kind !== 'findNode') return;
      const nodes = [{ ...victim, publicKey: network.env.randomBytes(64) }];
      liar.send(node, { kind: 'neighbors', nodes, expiration });
    };
    liar.ping(node);
    network.env.advance(200);
    for (let i = 0; i < 20; i++) {
      node.lookup(network.env.randomBytes(64));
      // A lookup has ended by then, and those whom it asked have not answered.
      network.env.advance(5_000);
    }
    const { length } = (network.log ?? []).filter(({ to }) => to.ip === victim.ip);
    expect([MAX_UNANSWERED, MAX_UNANSWERED + ATTEMPTS - 1]).toContain(length);
  });

  it('and seems to have sent a Ping under each gets back as much as that, and no more than those four besides', () => {
    const network = new Network({ log: true });
    const node = new SimNode(network, { isCheap: true });
    const liar = new Puppet(network, undefined, 'cheap');
    const victim = { ip: '8.7.6.5', port: 30303 };
    let forged = 0;
    liar.onMessage = (message, packet) => {
      const { expiration } = liar;
      if (message.kind === 'ping') liar.pong(node, packetHash(packet));
      if (message.kind !== 'findNode') return;
      const named = new Puppet(network, victim, 'cheap');
      named.ping(node);
      forged += named.sentBytes;
      const { publicKey, ip, udpPort, tcpPort } = named.node;
      liar.send(node, { kind: 'neighbors', nodes: [{ publicKey, ip, udpPort, tcpPort }], expiration });
    };
    liar.ping(node);
    network.env.advance(200);
    for (let i = 0; i < 40; i++) {
      node.lookup(network.env.randomBytes(64));
      network.env.advance(5_000);
    }
    const there = (network.log ?? [])
      .filter(({ to }) => to.ip === victim.ip)
      .map(({ packet }) => packet.length);
    const sent = there.reduce((sum, length) => sum + length, 0);
    expect(forged).toBeGreaterThan(3_000);
    // A Pong and a Ping that come before any proof, and those to a node that others have named.
    expect(sent - forged).toBeLessThanOrEqual((2 + MAX_UNANSWERED + ATTEMPTS - 1) * Math.max(...there));
  });
});
