import { describe, expect, it } from 'vitest';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { KnownRecords } from '../../src/discv5/known-records.ts';
import { signRecord } from '../../src/enr/index.ts';

const env = new VirtualEnv({ seed: 4 });
const key = generateSecretKey(env);
const { encoded } = signRecord(key, { seq: 1n, entries: { ip: '5.6.7.8', udp: 30303 } });

/** The same bytes in other memory, but for one. */
function changed(at: number): Uint8Array {
  const copy = encoded.slice();
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

describe('records that are known', () => {
  it('are the same as before, whatever becomes of the memory that they came in', () => {
    const known = new KnownRecords();
    const bytes = encoded.slice();
    const record = known.read(bytes);
    expect(record?.encoded).toEqual(encoded);
    bytes.fill(0);
    expect(known.read(encoded.slice())).toBe(record);
    expect(known.size).toBe(1);
  });

  it('are no others, which have but the signature from one of them', () => {
    const known = new KnownRecords();
    const record = known.read(encoded.slice());
    const text = String.fromCharCode(...encoded);
    // The number, the address, the key and the port, and what the record is cut off at.
    const places = [70, text.indexOf('\x05\x06\x07\x08'), text.indexOf('secp256k1') + 15, encoded.length - 1];
    for (const at of places) expect(known.read(changed(at))).toBeUndefined();
    expect(known.read(encoded.slice(0, -1))).toBeUndefined();
    expect(known.read(encoded.slice(0, 68))).toBeUndefined();
    expect(known.size).toBe(1);
    expect(known.read(encoded)).toBe(record);
  });
});
