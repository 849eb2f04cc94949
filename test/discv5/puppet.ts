/** Somebody who makes packets by hand, with valid masking. */
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { decodeMessage, encodeMessage, type Message } from '../../src/discv5/index.ts';
import { deriveKeys, signIdentity } from '../../src/discv5/keys.ts';
import {
  openMessage,
  randomMessage,
  sealHandshake,
  sealMessage,
  unmask,
  type WhoareyouPacket,
} from '../../src/discv5/packet.ts';
import {
  compressPublicKey,
  type EntryChanges,
  type NodeRecord,
  nodeIdOf,
  signRecord,
} from '../../src/enr/index.ts';
import type { UdpEndpoint } from '../../src/kad/index.ts';
import { freshEndpoint, type Network } from '../support/packet-network.ts';
import type { SimNode } from './network.ts';

/** Somebody who makes packets by hand. */
export class Puppet {
  readonly endpoint: UdpEndpoint;
  readonly secretKey: Uint8Array;
  readonly id: Uint8Array;
  readonly record: NodeRecord;
  readonly challenges: WhoareyouPacket[] = [];
  readonly received: Uint8Array[] = [];
  /** Those of all `messages`. */
  readonly plaintexts: Uint8Array[] = [];
  keys: { readonly initiatorKey: Uint8Array; readonly recipientKey: Uint8Array } | undefined;
  readonly #network: Network;

  constructor(network: Network, endpoint: UdpEndpoint = freshEndpoint(), entries: EntryChanges = {}) {
    this.#network = network;
    this.endpoint = endpoint;
    this.secretKey = generateSecretKey(network.env);
    this.id = nodeIdOf(publicKeyOf(this.secretKey));
    const { ip, port } = endpoint;
    this.record = signRecord(this.secretKey, { seq: 1n, entries: { ip, udp: port, ...entries } });
    network.attach(endpoint, this);
  }

  receive(packet: Uint8Array): void {
    this.received.push(packet);
    const unmasked = unmask(packet, this.id);
    if (unmasked !== undefined && unmasked !== 'malformed' && unmasked.kind === 'whoareyou') {
      this.challenges.push(unmasked);
    }
  }

  #fields(to: SimNode) {
    const { env } = this.#network;
    return { destId: to.id, srcId: this.id, nonce: env.randomBytes(12), maskingIv: env.randomBytes(16) };
  }

  send(to: SimNode, packet: Uint8Array): void {
    this.#network.send(packet, this.endpoint, to.endpoint);
    this.#network.env.advance(100);
  }

  knock(to: SimNode): void {
    this.send(to, randomMessage({ ...this.#fields(to), random: this.#network.env.randomBytes(20) }));
  }

  /** The handshake packet that answers the last challenge, and a Ping in it. */
  handshake(
    to: SimNode,
    changes: Partial<Parameters<typeof sealHandshake>[0]> = {},
    signer = this.secretKey,
  ) {
    const challenge = this.challenges.at(-1);
    if (challenge === undefined) throw new Error('nobody has asked who this is');
    const { challengeData } = challenge;
    const ephemeral = generateSecretKey(this.#network.env);
    const ephemeralKey = compressPublicKey(publicKeyOf(ephemeral));
    this.keys = deriveKeys({
      ...{ secretKey: ephemeral, publicKey: to.publicKey, challengeData },
      ...{ initiatorId: this.id, recipientId: to.id },
    });
    const idSignature = signIdentity({ secretKey: signer, challengeData, ephemeralKey, recipientId: to.id });
    const plaintext = encodeMessage({ kind: 'ping', requestId: Uint8Array.of(7), enrSeq: 1n });
    const { initiatorKey: key } = this.keys;
    const proof = { idSignature, ephemeralKey, record: this.record.encoded };
    return sealHandshake({ ...this.#fields(to), key, plaintext, ...proof, ...changes });
  }

  /** A session with a node, of which this side is the initiator. */
  meet(node: SimNode): this {
    this.knock(node);
    this.send(node, this.handshake(node));
    return this;
  }

  /** What a node has sent in the session, and has not been read before. */
  messages(): Message[] {
    const packets = this.received.splice(0);
    return packets.flatMap((packet) => {
      const unmasked = unmask(packet, this.id);
      if (unmasked === undefined || unmasked === 'malformed' || unmasked.kind === 'whoareyou') return [];
      const plaintext = this.keys && openMessage(unmasked, this.keys.recipientKey);
      const message = plaintext && decodeMessage(plaintext);
      if (message !== undefined && plaintext !== undefined) this.plaintexts.push(plaintext);
      return message === undefined ? [] : [message];
    });
  }

  /** Once there is a session. */
  say(to: SimNode, plaintext: Uint8Array): void {
    this.send(to, this.sealed(to, plaintext));
  }

  sealed(to: SimNode, plaintext: Uint8Array): Uint8Array {
    if (this.keys === undefined) throw new Error('no session');
    return sealMessage({ ...this.#fields(to), key: this.keys.initiatorKey, plaintext });
  }
}
