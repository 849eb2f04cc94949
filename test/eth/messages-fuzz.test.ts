import { encode as encodeOracle, type Input } from '@ethereumjs/rlp';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PeerlaneError } from '../../src/base/errors.ts';
import {
  decodeMessage,
  ETH_MESSAGES,
  ETH_VERSIONS,
  type EthVersion,
  encodeMessage,
  type MessageInputs,
  type MessageName,
  messageRow,
} from '../../src/eth/messages.ts';
import { runs } from '../support/runs.ts';
import { INPUTS, plain, STATUS_FIELDS } from './message-values.ts';

const names = [...new Set(ETH_MESSAGES.map(({ name }) => name))];
const rows = ETH_VERSIONS.flatMap(({ version }) =>
  names.filter((name) => messageRow(version, name) !== undefined).map((name) => [version, name] as const),
);

function inputOf<N extends MessageName>(name: N): fc.Arbitrary<MessageInputs[N]> {
  return INPUTS[name];
}

/** Lists of lists and byte strings, of lengths that fields have. */
const { items } = fc.letrec<{ items: Input[]; item: Input }>((tie) => ({
  items: fc.array(tie('item'), { maxLength: 9 }),
  item: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.uint8Array({ maxLength: 9 }),
    fc.uint8Array({ minLength: 32, maxLength: 32 }),
    tie('items'),
  ),
}));

/** Decodes and looks at everything; other errors than those of the family fail the test. */
function digest(version: EthVersion, code: number, payload: Uint8Array): 'read' | 'refused' {
  try {
    plain(decodeMessage(version, code, payload).value);
    return 'read';
  } catch (error) {
    if (!(error instanceof PeerlaneError)) throw error;
    return 'refused';
  }
}

describe.each(rows)('eth/%d %s', (version, name) => {
  const input: fc.Arbitrary<MessageInputs[typeof name]> = inputOf(name);

  it('gives back what was encoded', () => {
    fc.assert(
      fc.property(input, (value) => {
        const { code, payload } = encodeMessage(version, name, value);
        const message = decodeMessage(version, code, payload);
        expect(message.name).toBe(name);
        const sent = name === 'Status' ? STATUS_FIELDS[version](value as MessageInputs['Status']) : value;
        expect(plain(message.value)).toEqual(plain(sent));
      }),
      { numRuns: runs(15) },
    );
  });

  it('has one encoding: what was decoded is encoded to the same bytes', () => {
    fc.assert(
      fc.property(input, (value) => {
        const { code, payload } = encodeMessage(version, name, value);
        // A Status leaves out what its version does not say.
        const decoded = plain(decodeMessage(version, code, payload).value);
        const again = name === 'Status' ? value : (decoded as typeof value);
        expect(encodeMessage(version, name, again).payload).toEqual(payload);
      }),
      { numRuns: runs(10) },
    );
  });

  it('reads or refuses any bytes, with an error of the family', () => {
    const code = messageRow(version, name)?.code ?? 0;
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (payload) => {
        digest(version, code, payload);
      }),
      { numRuns: runs(60) },
    );
  });

  it('reads or refuses any items, with an error of the family', () => {
    const code = messageRow(version, name)?.code ?? 0;
    fc.assert(
      fc.property(items, (value) => {
        digest(version, code, encodeOracle(value));
      }),
      { numRuns: runs(60) },
    );
  });

  it('reads or refuses a message with a changed byte, and refuses one cut short', () => {
    fc.assert(
      fc.property(input, fc.nat(), fc.integer({ min: 1, max: 255 }), fc.nat(), (value, at, flip, cut) => {
        const { code, payload } = encodeMessage(version, name, value);
        const changed = payload.slice();
        const place = at % changed.length;
        changed[place] = (changed[place] ?? 0) ^ flip;
        digest(version, code, changed);
        expect(digest(version, code, payload.subarray(0, cut % payload.length))).toBe('refused');
        expect(digest(version, code, Uint8Array.of(...payload, 0))).toBe('refused');
      }),
      { numRuns: runs(40) },
    );
  });
});
