import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex } from '../../src/base/bytes.ts';
import { PeerlaneError } from '../../src/base/errors.ts';
import {
  DISCONNECT_REASONS,
  decodeDisconnect,
  decodeHello,
  encodeDisconnect,
  encodeHello,
} from '../../src/p2p/index.ts';
import { codeOf } from '../support/errors.ts';

const eip8: { hello: string } = JSON.parse(
  readFileSync(new URL('../rlpx/testdata/eip8.json', import.meta.url), 'utf8'),
);

describe('Hello', () => {
  it('of EIP-8, with a later version and further list elements, is read', () => {
    // The text of the EIP says version 22; the packet it gives carries 0x37.
    const payload = fromHex(eip8.hello);
    const id = fromHex(
      'fda1cff674c90c9a197539fe3dfb53086ace64f83ed7c6eabec741f7f381cc803e52ab2cd55d5569bce4347107a310dfd5f88a010cd2ffd1005ca406f1842877',
    );
    expect(decodeHello(payload, id)).toEqual({
      version: 0x37,
      clientId: 'kneth/v0.91/plan9',
      capabilities: [
        { name: 'eth', version: 61 },
        { name: 'mork', version: 22 },
      ],
      listenPort: 9999,
      id,
    });
  });

  it('comes back as it was', () => {
    const id = new Uint8Array(64).fill(3);
    const hello = {
      version: 5,
      clientId: 'a client',
      capabilities: [{ name: 'eth', version: 69 }],
      listenPort: 30303,
      id,
    };
    expect(decodeHello(encodeHello(hello), id)).toEqual(hello);
  });

  it('drops capabilities whose names the specification does not allow', () => {
    const id = new Uint8Array(64).fill(3);
    const capabilities = ['', 'toolongname', 'eth'].map((name) => ({ name, version: 1 }));
    const payload = encodeHello({ version: 5, clientId: '', capabilities, listenPort: 0, id });
    expect(decodeHello(payload, id).capabilities).toEqual([{ name: 'eth', version: 1 }]);
  });

  it('that is malformed gives a typed error, whatever the bytes', () => {
    const id = new Uint8Array(64).fill(3);
    const good = encodeHello({
      version: 5,
      clientId: 'c',
      capabilities: [{ name: 'eth', version: 1 }],
      listenPort: 0,
      id,
    });
    const mutated = fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, value]) => good.with(at, value));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated), (payload) => {
        try {
          decodeHello(payload, id);
        } catch (error) {
          expect(error).toBeInstanceOf(PeerlaneError);
        }
      }),
    );
    expect(codeOf(() => decodeHello(new Uint8Array(), id))).toBe('hello-invalid');
  });
});

describe('Disconnect', () => {
  it.each(Object.entries(DISCONNECT_REASONS))('%s is a list of one integer', (name, code) => {
    const payload = encodeDisconnect(name as keyof typeof DISCONNECT_REASONS);
    expect(payload).toEqual(Uint8Array.of(0xc1, code === 0 ? 0x80 : code));
    expect(decodeDisconnect(payload)).toBe(code);
    expect(decodeDisconnect(payload.subarray(1))).toBe(code);
  });

  it('of any bytes is some reason', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), (payload) => {
        expect(decodeDisconnect(payload)).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});
