import { expect, it } from 'vitest';
import { ethDiscovery, forkId, PRESETS } from '../../src/eth/index.ts';

const { genesisHash, schedule } = PRESETS.sepolia;
const head = { number: 0, hash: genesisHash, timestamp: Number(schedule.genesisTime), totalDifficulty: 0n };
const recordOf = (eth: ReturnType<typeof forkId> | undefined) => ({ get: () => eth });

it('the entry of the record follows the head of the chain', () => {
  let now = head;
  const { recordEntries } = ethDiscovery({ network: PRESETS.sepolia, chain: { head: () => now } });
  const first = recordEntries().eth;
  expect(first).toEqual(forkId(genesisHash, schedule, 0, head.timestamp));
  now = { ...head, number: 10_000_000, timestamp: 1_900_000_000 };
  expect(recordEntries().eth).toEqual(forkId(genesisHash, schedule, 10_000_000, 1_900_000_000));
  expect(recordEntries().eth).not.toEqual(first);
});

it.each([
  ['of the same chain, further on', forkId(genesisHash, schedule, 10_000_000, 1_900_000_000), true],
  ['of another chain', forkId(PRESETS.mainnet.genesisHash, PRESETS.mainnet.schedule, 0, 0), false],
  ['without the entry', undefined, false],
])('a record %s', (_, eth, isAccepted) => {
  const { accepts } = ethDiscovery({ network: PRESETS.sepolia, chain: { head: () => head } });
  expect(accepts(recordOf(eth))).toBe(isAccepted);
});
