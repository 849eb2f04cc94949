import { compareBytes, fromHex } from '../../base/bytes.ts';
import { ENVELOPE_HEAD_LENGTH, type EnvelopeBatch, OPENED_LENGTH } from '../backend.ts';
import { keccak256 } from './keccak.ts';
import { recover, sign } from './secp256k1.ts';

/** Half of the group order of secp256k1 (SEC 2, section 2.4.1), rounded down. */
const HALF_ORDER = fromHex('7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0');
const DIGEST_LENGTH = 32;

export function envelopes({ inputs, lengths, opens, secretKey }: EnvelopeBatch, out: Uint8Array): boolean {
  let [from, to] = [0, 0];
  for (const [i, length] of lengths.entries()) {
    const input = inputs.subarray(from, from + length);
    from += length;
    if (i < opens) {
      const publicKey = signerOf(input);
      out.fill(0, to, to + OPENED_LENGTH);
      if (publicKey !== undefined) {
        out[to] = 1;
        out.set(publicKey, to + 1);
      }
      to += OPENED_LENGTH;
    } else {
      const signature = sign(keccak256(input), secretKey);
      if (signature === undefined) return false;
      const end = to + ENVELOPE_HEAD_LENGTH + length;
      out.set(signature, to + DIGEST_LENGTH);
      out.set(input, to + ENVELOPE_HEAD_LENGTH);
      out.set(keccak256(out.subarray(to + DIGEST_LENGTH, end)), to);
      to = end;
    }
  }
  return true;
}

function signerOf(envelope: Uint8Array): Uint8Array | undefined {
  const signature = envelope.subarray(DIGEST_LENGTH, ENVELOPE_HEAD_LENGTH);
  if (compareBytes(signature.subarray(32, 64), HALF_ORDER) > 0 || (signature[64] ?? 0) > 3) return undefined;
  return recover(keccak256(envelope.subarray(ENVELOPE_HEAD_LENGTH)), signature);
}
