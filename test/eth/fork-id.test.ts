import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex, toBareHex, toHex } from '../../src/base/bytes.ts';
import { type ForkSchedule, forkFilter, forkId, forkIdCodec } from '../../src/eth/fork-id.ts';
import { PRESETS, type PresetName } from '../../src/eth/presets.ts';
import { decode, encode } from '../../src/rlp/index.ts';
import { runs } from '../support/runs.ts';

type Creation = [head: number, time: number, hash: string, next: number];
type Validation = [head: number, time: number, hash: string, next: number | string, verdict: string];

interface Vectors {
  creation: {
    source: string;
    chain: string;
    genesisHash: string;
    blocks: number[];
    times: number[];
    cases: Creation[];
  }[];
  validation: {
    source: string;
    chain: string;
    genesisHash: string;
    blocks: number[];
    times: number[];
    cases: Validation[];
  }[];
  presets: { source: string; preset: PresetName; cases: Creation[] }[];
  presetValidation: { source: string; preset: PresetName; cases: Validation[] };
}

const vectors: Vectors = JSON.parse(readFileSync(new URL('testdata/fork-id.json', import.meta.url), 'utf8'));

const MAX_UINT64 = 2n ** 64n - 1n;

function verdictOf(
  genesisHash: Uint8Array,
  schedule: ForkSchedule,
  [head, time, hash, next]: Validation,
): string {
  const filter = forkFilter(genesisHash, schedule, () => ({ number: head, timestamp: time }));
  const verdict = filter({ hash: fromHex(hash), next: BigInt(next) });
  return verdict.ok ? 'ok' : verdict.reason;
}

function created(genesisHash: Uint8Array, schedule: ForkSchedule, [head, time]: Creation): Creation {
  const { hash, next } = forkId(genesisHash, schedule, head, time);
  return [head, time, toBareHex(hash), Number(next)];
}

describe('the fork id', () => {
  for (const { source, chain, genesisHash, blocks, times, cases } of vectors.creation) {
    it.each(cases)(`of ${chain} at block %i, time %i is %s, next %i (${source})`, (...vector) => {
      expect(created(fromHex(genesisHash), { blocks, times }, vector)).toEqual(vector);
    });
  }

  for (const { source, preset, cases } of vectors.presets) {
    it.each(cases)(`of the preset ${preset} at block %i, time %i is %s, next %i (${source})`, (...vector) => {
      const { genesisHash, schedule } = PRESETS[preset];
      expect(created(genesisHash, schedule, vector)).toEqual(vector);
    });
  }

  it('counts forks at the same point once, in ascending order, and none at genesis', () => {
    const genesisHash = new Uint8Array(32).fill(7);
    const plain = forkId(genesisHash, { blocks: [5, 9], times: [200, 300], genesisTime: 100 }, 10, 250);
    const repeated = { blocks: [9, 0, 5, 5, 0, 9n], times: [300, 200, 100, 50, 200], genesisTime: 100 };
    expect(forkId(genesisHash, repeated, 10, 250)).toEqual(plain);
    expect(plain.next).toBe(300n);
  });

  // go-ethereum core/forkid/forkid_test.go, TestTimeBasedForkInGenesis
  it.each([
    [-1, 1],
    [0, 1],
    [1, 2],
  ])('leaves out forks by time up to the genesis time: %i and %i seconds behind it', (first, second) => {
    const genesisTime = 1_690_475_657;
    const genesisHash = new Uint8Array(32).fill(1);
    const schedule = { blocks: [0], times: [genesisTime + first, genesisTime + second], genesisTime };
    expect(forkId(genesisHash, schedule, 0, genesisTime)).toEqual({
      hash: forkId(genesisHash, { blocks: [], times: [] }, 0, 0).hash,
      next: BigInt(genesisTime + 1),
    });
  });

  it('holds forks that are scheduled for the last second of 64 bits', () => {
    const genesisHash = new Uint8Array(32);
    const id = forkId(genesisHash, { blocks: [], times: [MAX_UINT64] }, 1, 1);
    expect(id.next).toBe(MAX_UINT64);
    expect(decode(forkIdCodec, encode(forkIdCodec, id))).toEqual(id);
  });

  // EIP-2124, Test Cases
  it.each([
    ['00000000', 0n, '0xc6840000000080'],
    ['deadbeef', 0xbaddcafen, '0xca84deadbeef84baddcafe'],
    ['ffffffff', MAX_UINT64, '0xce84ffffffff88ffffffffffffffff'],
  ])('%s, next %i, is encoded as %s', (hash, next, encoded) => {
    expect(toHex(encode(forkIdCodec, { hash: fromHex(hash), next }))).toBe(encoded);
    expect(decode(forkIdCodec, fromHex(encoded))).toEqual({ hash: fromHex(hash), next });
  });
});

describe('the check of a remote fork id', () => {
  for (const { source, chain, genesisHash, blocks, times, cases } of vectors.validation) {
    it.each(cases)(`on ${chain}, head %i, time %i: %s, next %s is %s (${source})`, (...vector) => {
      expect(verdictOf(fromHex(genesisHash), { blocks, times }, vector)).toBe(vector[4]);
    });
  }

  const { source, preset, cases } = vectors.presetValidation;
  it.each(cases)(`on ${preset}, head %i, time %i: %s, next %s is %s (${source})`, (...vector) => {
    const { genesisHash, schedule } = PRESETS[preset];
    expect(verdictOf(genesisHash, schedule, vector)).toBe(vector[4]);
  });

  it('asks for the head at each check', () => {
    let number = 0;
    const filter = forkFilter(new Uint8Array(32), { blocks: [10], times: [] }, () => ({
      number,
      timestamp: 0,
    }));
    const beforeFork = forkId(new Uint8Array(32), { blocks: [], times: [] }, 0, 0);
    expect(filter(beforeFork)).toEqual({ ok: true });
    number = 10;
    expect(filter(beforeFork)).toEqual({ ok: false, reason: 'remote-stale' });
  });

  it('accepts what any node of the same schedule announces', () => {
    const forks = fc.uniqueArray(fc.integer({ min: 1, max: 1000 }), { maxLength: 6 });
    const head = fc.record({ number: fc.nat(1100), timestamp: fc.nat(1100) });
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        forks,
        forks,
        head,
        head,
        (hash, blocks, times, a, b) => {
          // Forks by time come behind all forks by block (EIP-6122).
          const last = Math.max(0, ...blocks);
          const time = (at: { number: number; timestamp: number }) => (at.number < last ? 0 : at.timestamp);
          const schedule = { blocks, times };
          const filter = forkFilter(hash, schedule, () => ({ number: a.number, timestamp: time(a) }));
          expect(filter(forkId(hash, schedule, b.number, time(b)))).toEqual({ ok: true });
        },
      ),
      { numRuns: runs(300) },
    );
  });

  it('tells apart the two test chains, which differ in nothing but their forks', () => {
    const genesisHash = fromHex('0x8c01c3deeab2d9f97f245cdb11939adb5d238aff15cc2b0646370f69788229e2');
    const small = { blocks: [], times: [1500, 3000, 4500, 5250] };
    const long = { blocks: [], times: [60_000, 120_000, 180_000, 210_000] };
    const smallId = forkId(genesisHash, small, 600, 6000);
    const longId = forkId(genesisHash, long, 24_000, 240_000);
    expect([toBareHex(smallId.hash), toBareHex(longId.hash)]).toEqual(['aef1f653', '34626a04']);
    expect(forkFilter(genesisHash, small, () => ({ number: 600, timestamp: 6000 }))(longId).ok).toBe(false);
    expect(forkFilter(genesisHash, long, () => ({ number: 0, timestamp: 0 }))(smallId).ok).toBe(false);
  });
});
