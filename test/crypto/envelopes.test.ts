import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../src/base/bytes.ts';
import { ENVELOPE_HEAD_LENGTH, type EnvelopeBatch, MAX_ENVELOPE_BATCH } from '../../src/crypto/backend.ts';
import { EnvelopeWorker, keccak256, publicKeyOf, recover, sign } from '../../src/crypto/index.ts';
import { jsBackend as js } from '../../src/crypto/js.ts';
import { codeOf, rejectionOf } from '../support/errors.ts';
import { runs } from '../support/runs.ts';
import { byteArrays } from './arbitraries.ts';
import { detach, detachedBytes, sharedBytes } from './memory.ts';
import { hex, native, reason } from './parity.ts';

const KEY = new Uint8Array(32).fill(7);
const worker = new EnvelopeWorker(KEY);
const contents = Array.from({ length: 20 }, (_, i) => new Uint8Array(i * i).fill(i));

describe('envelopes', () => {
  it('are hash, signature and content, and are opened to the key that signed them', () => {
    const { sealed, publicKeys } = worker.work({ envelopes: [], contents });
    expect(publicKeys).toEqual([]);
    expect(sealed.length).toBe(contents.length);
    for (const [i, envelope] of sealed.entries()) {
      const content = contents[i] ?? KEY;
      expect(envelope.subarray(ENVELOPE_HEAD_LENGTH)).toEqual(content);
      expect(envelope.subarray(0, 32)).toEqual(keccak256(envelope.subarray(32)));
      expect(envelope.subarray(32, ENVELOPE_HEAD_LENGTH)).toEqual(sign(keccak256(content), KEY));
      expect(recover(keccak256(content), envelope.subarray(32, 97))).toEqual(publicKeyOf(KEY));
    }
    const opened = worker.work({ envelopes: sealed, contents: [] });
    expect(opened.publicKeys).toEqual(sealed.map(() => publicKeyOf(KEY)));
  });

  it('beside this thread are the same as in it, both kinds in one batch, and whatever becomes of the memory', async () => {
    const { sealed } = worker.work({ envelopes: [], contents });
    const bad = sealed.map((envelope, i) => {
      const copy = envelope.slice();
      if (i % 3 === 0) copy.fill(0xff, 64, 96);
      return copy;
    });
    const expected = worker.work({ envelopes: bad, contents });
    expect(expected.publicKeys.filter((key) => key === undefined).length).toBe(7);
    const many = Array.from({ length: 10 }, async () => {
      const copies = bad.map((envelope) => envelope.slice());
      const result = worker.workBeside({ envelopes: copies, contents });
      for (const copy of copies) detach(copy);
      return await result;
    });
    for (const result of await Promise.all(many)) expect(result).toEqual(expected);
  });

  it('of nothing are nothing', async () => {
    const nothing = { envelopes: [], contents: [] };
    expect(worker.work(nothing)).toEqual({ publicKeys: [], sealed: [] });
    expect(await worker.workBeside(nothing)).toEqual({ publicKeys: [], sealed: [] });
  });

  it('that are none, or too many, are refused, and so is what is no key', async () => {
    const of = (envelope: Uint8Array, content: Uint8Array) => ({
      envelopes: [envelope],
      contents: [content],
    });
    const fine = new Uint8Array(100);
    const wrong = [
      of(new Uint8Array(ENVELOPE_HEAD_LENGTH - 1), fine),
      of(detachedBytes(fine), fine),
      of(sharedBytes(fine), fine),
      of(fine, detachedBytes(fine)),
      of(fine, sharedBytes(fine)),
      of(fine, new Uint8Array(MAX_ENVELOPE_BATCH)),
    ];
    for (const work of wrong) {
      expect(codeOf(() => worker.work(work))).toBe('invalid-argument');
      expect(await rejectionOf(worker.workBeside(work))).toBe('invalid-argument');
    }
    expect(codeOf(() => new EnvelopeWorker(new Uint8Array(32)))).toBe('invalid-secret-key');
  });
});

describe.runIf(native)(`JavaScript and the addon agree${native ? '' : ` (no addon here: ${reason})`}`, () => {
  const envelope = fc.tuple(byteArrays(32), fc.constantFrom(0x3f, 0x7f, 0xff), fc.nat(5), fc.boolean());

  it('on envelopes, good and bad', async () => {
    const of = fc.asyncProperty(
      fc.array(envelope, { maxLength: 3 }),
      fc.array(byteArrays(0, 200), { maxLength: 3 }),
      async (recipes, inner) => {
        const envelopes = recipes.map(([content, mask, id, isSigned]) => {
          const signature = isSigned
            ? sign(keccak256(content), KEY)
            : new Uint8Array(65).fill(content[0] ?? 1);
          if (!isSigned) signature.set([id], 64);
          signature[32] = (signature[32] ?? 0) & mask;
          return concatBytes(new Uint8Array(32), signature, content);
        });
        const all = [...envelopes, ...inner];
        const batch: EnvelopeBatch = {
          inputs: concatBytes(...all),
          lengths: Uint32Array.from(all, ({ length }) => length),
          opens: envelopes.length,
          secretKey: KEY,
        };
        const outLength = 65 * envelopes.length + inner.reduce((sum, { length }) => sum + 97 + length, 0);
        const [a, b] = [new Uint8Array(outLength), new Uint8Array(outLength)];
        expect(js.envelopes(batch, a)).toBe(true);
        expect(native?.envelopes(batch, b)).toBe(true);
        expect(hex(b)).toBe(hex(a));
        expect(hex(await native?.envelopesBeside?.(batch))).toBe(hex(a));
      },
    );
    await fc.assert(of, { numRuns: runs(40) });
  });
});
