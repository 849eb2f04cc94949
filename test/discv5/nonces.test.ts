/** No two messages are written with the same key and nonce: whoever saw both could read, and forge, others. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { sealMessage, unmask } from '../../src/discv5/packet.ts';
import { type DirectedKeys, Session } from '../../src/discv5/sessions.ts';
import { runs } from '../support/runs.ts';

const filled = (length: number, value: number) => new Uint8Array(length).fill(value);
const [LOCAL_ID, REMOTE_ID] = [filled(32, 1), filled(32, 2)];
const keysOf = (value: number): DirectedKeys => ({ write: filled(16, value), read: filled(16, 128 + value) });

/** A message of the other side's, with the keys of a handshake. */
function written({ read: key }: DirectedKeys) {
  const fields = { destId: LOCAL_ID, srcId: REMOTE_ID, nonce: filled(12, 3), maskingIv: filled(16, 4) };
  const packet = unmask(sealMessage({ ...fields, key, plaintext: filled(5, 5) }), LOCAL_ID);
  if (packet === undefined || packet === 'malformed' || packet.kind !== 'message')
    throw new Error('no message');
  return packet;
}

/** Bytes that are the same each time: nothing may hang on them. */
const NO_CHANCE = (length: number) => new Uint8Array(length);

describe('the nonces of a session', () => {
  it('never come again, whatever the random bytes are', () => {
    const session = new Session(keysOf(1), undefined, 'us', 0);
    const nonces = Array.from({ length: 1_000 }, () => session.nextWrite(NO_CHANCE)?.nonce ?? filled(12, 0));
    expect(new Set(nonces.map(toBareHex)).size).toBe(1_000);
    expect(nonces.every(({ length }) => length === 12)).toBe(true);
  });

  it('have all the chance in them that there is room for', () => {
    const session = new Session(keysOf(1), undefined, 'us', 0);
    expect(session.nextWrite((length) => filled(length, 9))?.nonce.subarray(4)).toEqual(filled(8, 9));
  });

  it('never come again with a key, whichever keys are written with after each handshake and message', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('ours', 'theirs', 'write', 'read latest', 'read other'), { maxLength: 60 }),
        (steps) => {
          let handshakes = 1;
          const session = new Session(keysOf(1), undefined, 'us', 0);
          const seen = new Set<string>();
          for (const step of [...steps, 'write']) {
            if (step === 'ours' || step === 'theirs') {
              session.renew(keysOf(++handshakes), undefined, step === 'ours' ? 'us' : 'them', 0);
            } else if (step === 'write') {
              const write = session.nextWrite(NO_CHANCE);
              if (write === undefined) throw new Error('no keys');
              const used = `${toBareHex(write.key)} ${toBareHex(write.nonce)}`;
              expect(seen.has(used)).toBe(false);
              seen.add(used);
            } else {
              session.open(
                written(keysOf(Math.max(1, step === 'read latest' ? handshakes : handshakes - 1))),
              );
            }
          }
        },
      ),
      { numRuns: runs(50) },
    );
  });
});
