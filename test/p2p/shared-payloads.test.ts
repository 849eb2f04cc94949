import { describe, expect, it } from 'vitest';
import { Outbox } from '../../src/p2p/outbox.ts';
import { sharedBlock } from '../../src/p2p/shared-payloads.ts';
import { blockOf } from '../../src/rlpx/index.ts';
import { detach } from '../crypto/memory.ts';

const LONG = 20_000;
const payloadOf = (byte: number, length = LONG) => new Uint8Array(length).fill(byte);

describe('the block of a payload that several links send', () => {
  it('is there, the same one, while the payload waits at one of them', () => {
    const payload = payloadOf(1);
    const [a, b] = [new Outbox(), new Outbox()];
    expect(sharedBlock(payload)).toBeUndefined();
    for (const outbox of [a, b]) outbox.push(0x10, payload);
    a.take(LONG);
    const block = sharedBlock(payload);
    expect(block).toEqual(blockOf(payloadOf(1)));
    expect(sharedBlock(payload)).toBe(block);
    b.take(LONG);
    expect(sharedBlock(payload)).toBeUndefined();
  });

  it('is made anew for the same memory with other bytes', () => {
    const payload = payloadOf(1);
    const outbox = new Outbox();
    outbox.push(0x10, payload);
    expect(sharedBlock(payload)).toEqual(blockOf(payloadOf(1)));
    outbox.take(LONG);
    payload.fill(2);
    outbox.push(0x10, payload);
    expect(sharedBlock(payload)).toEqual(blockOf(payloadOf(2)));
  });

  it('is forgotten when links end, however often the payload was queued', () => {
    const payload = payloadOf(1);
    const outbox = new Outbox();
    for (let i = 0; i < 70; i++) outbox.push(0x10, payload);
    for (let i = 0; i < 66; i++) outbox.take(1);
    expect(sharedBlock(payload)).toBeDefined();
    outbox.clear();
    expect(sharedBlock(payload)).toBeUndefined();
  });

  it('is none for a short payload, nor for one whose memory is gone', () => {
    const short = payloadOf(1, 300);
    const gone = payloadOf(1);
    const outbox = new Outbox();
    for (const payload of [short, gone]) outbox.push(0x10, payload);
    detach(gone);
    expect(sharedBlock(short)).toBeUndefined();
    expect(sharedBlock(gone)).toBeUndefined();
  });
});
