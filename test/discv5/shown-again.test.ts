/** Records that come with handshakes: what has been verified once, byte for byte, is not verified again. */
import { describe, expect, it } from 'vitest';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { discv5Crypto } from '../../src/discv5/crypto.ts';
import { identityOf } from '../../src/discv5/index.ts';
import { sealHandshake, sealWhoareyou, unmask } from '../../src/discv5/packet.ts';
import { type NodeRecord, signRecord } from '../../src/enr/index.ts';
import { kadNode } from '../../src/kad/index.ts';

const env = new VirtualEnv({ seed: 11 });
const randomBytes = (length: number) => env.randomBytes(length);
const initiator = identityOf(generateSecretKey(env));
const recipient = identityOf(generateSecretKey(env));
const record = signRecord(initiator.secretKey, { seq: 1n, entries: { ip: '5.6.7.8', udp: 30303 } });
const { publicKey } = recipient;
const node = kadNode({ publicKey, ip: '1.2.3.4', udpPort: 30303, tcpPort: 0 });
const { begin, accept, records } = discv5Crypto();

/** What the recipient takes of a handshake with these bytes for a record. */
function shake(shown: Uint8Array): NodeRecord | undefined {
  const nonce = randomBytes(12);
  const fields = { nonce, maskingIv: randomBytes(16), idNonce: randomBytes(16), enrSeq: 0n };
  const { packet, challengeData } = sealWhoareyou({ destId: initiator.id, ...fields });
  const whoareyou = unmask(packet, initiator.id);
  if (typeof whoareyou !== 'object' || whoareyou.kind !== 'whoareyou') throw new Error('no WHOAREYOU');
  const { keys, idSignature, ephemeralKey } = begin(initiator, whoareyou, node, record, randomBytes);
  const sealed = sealHandshake({
    ...{ destId: recipient.id, srcId: initiator.id, nonce, maskingIv: randomBytes(16), key: keys.write },
    ...{ plaintext: Uint8Array.of(1), idSignature, ephemeralKey, record: shown },
  });
  const handshake = unmask(sealed, recipient.id);
  if (typeof handshake !== 'object' || handshake.kind !== 'handshake') throw new Error('no handshake');
  return accept(recipient, handshake, { packet, challengeData, record: undefined, until: 0 })?.record;
}

describe('a record that comes with a second handshake', () => {
  it('is the one that was verified with the first, and no other that only begins like it', () => {
    const first = shake(record.encoded);
    expect(first?.encoded).toEqual(record.encoded);
    expect(shake(record.encoded)).toBe(first);
    for (const at of [70, record.encoded.length - 1]) {
      const changed = record.encoded.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(shake(changed)).toBeUndefined();
    }
    expect(shake(record.encoded)).toBe(first);
  });

  it('is kept apart from those of answers', () => {
    expect(records.read(record.encoded)).not.toBe(shake(record.encoded));
  });
});
