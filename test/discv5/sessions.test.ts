import { describe, expect, it } from 'vitest';
import { type MessagePacket, sealMessage, unmask } from '../../src/discv5/packet.ts';
import { remoteAt } from '../../src/discv5/remote.ts';
import { type DirectedKeys, type Initiator, Sessions } from '../../src/discv5/sessions.ts';

const filled = (length: number, value: number) => new Uint8Array(length).fill(value);
const LOCAL_ID = filled(32, 1);
const remote = remoteAt(filled(32, 2), { ip: '1.2.3.4', port: 5 });
const keysOf = (value: number): DirectedKeys => ({ write: filled(16, value), read: filled(16, value + 1) });
const [OURS, THEIRS] = [keysOf(10), keysOf(20)];

/** A message of the other side's, with keys that this side reads with. */
function written({ read: key }: DirectedKeys): MessagePacket {
  const fields = { destId: LOCAL_ID, srcId: remote.id, nonce: filled(12, 3), maskingIv: filled(16, 4) };
  const packet = unmask(sealMessage({ ...fields, key, plaintext: filled(5, 5) }), LOCAL_ID);
  if (packet === undefined || packet === 'malformed' || packet.kind !== 'message')
    throw new Error('no message');
  return packet;
}

/** A session of handshakes that were one after another. */
function sessionOf(...handshakes: readonly [DirectedKeys, Initiator][]) {
  const sessions = new Sessions();
  for (const [keys, initiator] of handshakes) {
    sessions.establish(remote, undefined, keys, undefined, initiator, 0);
  }
  const session = sessions.use(remote);
  if (session === undefined) throw new Error('no session');
  return { session, writesWith: () => session.nextWrite((length) => new Uint8Array(length))?.key };
}

describe('a session of two handshakes', () => {
  it('is written with the keys of the later one, and read with either', () => {
    const { session, writesWith } = sessionOf([THEIRS, 'them'], [OURS, 'us']);
    expect(writesWith()).toEqual(OURS.write);
    expect([session.open(written(OURS)), session.open(written(THEIRS))]).toEqual([
      filled(5, 5),
      filled(5, 5),
    ]);
    expect(session.open(written(keysOf(30)))).toBeUndefined();
  });

  it('that were begun at the same time is written with the keys of our own, which the other side has by then', () => {
    const { session, writesWith } = sessionOf([OURS, 'us'], [THEIRS, 'them']);
    expect(writesWith()).toEqual(OURS.write);
    // It has them not, or does not use them.
    expect(session.open(written(THEIRS))).toBeDefined();
    expect(writesWith()).toEqual(THEIRS.write);
  });

  it('is written with those of the other side where our own handshake had no answer for longer than any takes', () => {
    const { session, writesWith } = sessionOf([OURS, 'us']);
    session.renew(THEIRS, undefined, 'them', 10_000);
    expect(writesWith()).toEqual(THEIRS.write);
    expect(session.open(written(OURS))).toBeDefined();
  });

  it('is written with the keys of the other side when it has answered our own before', () => {
    const { session, writesWith } = sessionOf([OURS, 'us']);
    expect(session.open(written(OURS))).toBeDefined();
    session.renew(THEIRS, undefined, 'them', 0);
    expect(writesWith()).toEqual(THEIRS.write);
  });
});
