/** Handshakes, and WHOAREYOUs, of those who are somebody else, or somewhere else. */
import { describe, expect, it } from 'vitest';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { encodeMessage } from '../../src/discv5/index.ts';
import { deriveKeys, signIdentity } from '../../src/discv5/keys.ts';
import { randomMessage, sealWhoareyou, unmask } from '../../src/discv5/packet.ts';
import { compressPublicKey, type NodeRecord, signRecord } from '../../src/enr/index.ts';
import { type KadNode, kadNode, type UdpEndpoint } from '../../src/kad/index.ts';
import { Network } from '../support/packet-network.ts';
import { SimNode } from './network.ts';
import { Puppet } from './puppet.ts';

interface Claim {
  /** In whose name. */
  readonly id: Uint8Array;
  /** By whose key. */
  readonly signer: Uint8Array;
  readonly record: NodeRecord | undefined;
}

/** Knocks from the place of `puppet`, and proves by the handshake whatever the claim is. */
function claim(network: Network, node: SimNode, puppet: Puppet, { id, signer, record }: Claim): void {
  const { env } = network;
  const fields = { destId: node.id, srcId: id, nonce: env.randomBytes(12), maskingIv: env.randomBytes(16) };
  puppet.send(node, randomMessage({ ...fields, random: env.randomBytes(20) }));
  const challenge = puppet.received
    .map((packet) => unmask(packet, id))
    .findLast((packet) => typeof packet === 'object' && packet.kind === 'whoareyou');
  if (typeof challenge !== 'object' || challenge.kind !== 'whoareyou') throw new Error('no WHOAREYOU');
  puppet.challenges.push(challenge);
  const { challengeData } = challenge;
  const ephemeral = generateSecretKey(env);
  const ephemeralKey = compressPublicKey(publicKeyOf(ephemeral));
  const { initiatorKey: key } = deriveKeys({
    ...{ secretKey: ephemeral, publicKey: node.publicKey, challengeData },
    ...{ initiatorId: id, recipientId: node.id },
  });
  const idSignature = signIdentity({ secretKey: signer, challengeData, ephemeralKey, recipientId: node.id });
  const changes = { srcId: id, key, ephemeralKey, idSignature, record: record?.encoded };
  puppet.send(node, puppet.handshake(node, changes));
}

function nodeOf({ endpoint: { ip, port }, record }: Puppet): KadNode {
  return kadNode({ publicKey: record.publicKey, ip, udpPort: port, tcpPort: 0, record });
}

function setUp() {
  const network = new Network();
  const node = new SimNode(network);
  const [victim, attacker] = [new Puppet(network), new Puppet(network)];
  return { network, node, victim, attacker };
}

describe('whoever takes the id of somebody else', () => {
  it('does not get to be him by a signature and a record of its own', () => {
    const { network, node, victim, attacker } = setUp();
    const { record, secretKey: signer } = attacker;
    claim(network, node, attacker, { id: victim.id, signer, record });
    expect(node.engine.stats()).toMatchObject({ sessions: 0, received: 0, dropped: { handshake: 1 } });
    expect([node.engine.table.has(victim.id), node.engine.table.has(attacker.id)]).toEqual([false, false]);
    // The same packets are good when all in them is of one.
    claim(network, node, attacker, { id: attacker.id, signer, record });
    expect(node.engine.stats()).toMatchObject({ sessions: 1, received: 1, dropped: { handshake: 1 } });
  });

  it('does not get to be one whom the node knows by a newer record, or by none', () => {
    const { network, node, victim, attacker } = setUp();
    const { ip, port } = victim.endpoint;
    const { record } = victim;
    node.engine.addNamed(nodeOf(victim), node.now);
    const { secretKey: signer } = attacker;
    const newer = signRecord(signer, { seq: 9n, entries: { ip, udp: port } });
    for (const shown of [newer, record, undefined]) {
      claim(network, node, attacker, { id: victim.id, signer, record: shown });
    }
    expect(node.engine.stats()).toMatchObject({ sessions: 0, dropped: { handshake: 3 } });
    expect(node.engine.table.isLive(victim.id)).toBe(false);
    expect(node.engine.table.get(victim.id)?.record).toBe(record);
    // Whose record is known needs to send none.
    claim(network, node, victim, { id: victim.id, signer: victim.secretKey, record: undefined });
    expect(node.engine.stats().sessions).toBe(1);
    expect(node.engine.table.isLive(victim.id)).toBe(true);
  });

  it('does not get to be the node itself, which does not ask who that is', () => {
    const { network, node, attacker } = setUp();
    const { env } = network;
    const fields = { destId: node.id, srcId: node.id, nonce: env.randomBytes(12) };
    attacker.send(
      node,
      randomMessage({ ...fields, maskingIv: env.randomBytes(16), random: env.randomBytes(20) }),
    );
    expect(node.engine.stats()).toMatchObject({ sent: 0, dropped: { own: 1, challenged: 0 } });
  });
});

describe('whoever shows an older record than is known', () => {
  it('counts for what the newer one says', () => {
    const network = new Network();
    const seen: (bigint | undefined)[] = [];
    const node = new SimNode(network, {
      talk: ({ record, respond }) => {
        seen.push(record?.seq);
        respond(new Uint8Array());
        return true;
      },
    });
    const puppet = new Puppet(network);
    const { ip, port } = puppet.endpoint;
    const newer = signRecord(puppet.secretKey, { seq: 2n, entries: { ip, udp: port } });
    node.engine.addNamed({ ...nodeOf(puppet), record: newer }, node.now);
    // That of the handshake has the number 1.
    puppet.meet(node);
    const call = { requestId: Uint8Array.of(1), protocol: Uint8Array.of(1), request: Uint8Array.of(1) };
    puppet.say(node, encodeMessage({ kind: 'talkRequest', ...call }));
    expect(seen).toEqual([2n]);
    expect(node.engine.table.isLive(puppet.id)).toBe(true);
    expect(node.engine.table.get(puppet.id)?.record).toBe(newer);
  });
});

describe('a WHOAREYOU', () => {
  it('names the number of the record that the node has of whoever it is for, so that it need not come again', () => {
    const { node, victim: known, attacker: stranger } = setUp();
    node.engine.addNamed(nodeOf(known), node.now);
    for (const puppet of [known, stranger]) puppet.knock(node);
    const numbers = [known, stranger].map(({ challenges }) => challenges.map(({ enrSeq }) => enrSeq));
    expect(numbers).toEqual([[1n], [0n]]);
  });

  it('counts from where the packet that it names was sent, and from nowhere else', () => {
    const { network, node, victim: asked, attacker } = setUp();
    const { ip, port } = asked.endpoint;
    const beside = new Puppet(network, { ip, port: port + 1 });
    const ping = node.ping(nodeOf(asked));
    network.env.advance(50);
    const { sent } = node.engine.stats();
    expect(sent).toBe(1);
    const knock = unmask(asked.received[0] ?? new Uint8Array(), asked.id);
    if (knock === undefined || knock === 'malformed') throw new Error('nobody has knocked');
    const challenge = (from: { readonly endpoint: UdpEndpoint }) => {
      const { env } = network;
      const fields = { destId: node.id, nonce: knock.nonce, maskingIv: env.randomBytes(16) };
      const { packet } = sealWhoareyou({ ...fields, idNonce: env.randomBytes(16), enrSeq: 1n });
      node.receive(packet, from.endpoint);
    };
    for (const from of [attacker, beside]) challenge(from);
    expect(node.engine.stats()).toMatchObject({ sent, sessions: 0, dropped: { unsolicited: 2 } });
    expect(ping.isDone).toBe(false);
    challenge(asked);
    expect(node.engine.stats()).toMatchObject({ sent: sent + 1, dropped: { unsolicited: 2 } });
  });
});
