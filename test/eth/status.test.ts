import { describe, expect, it } from 'vitest';
import { fromHex } from '../../src/base/bytes.ts';
import { forkId } from '../../src/eth/fork-id.ts';
import { decodeMessage, ETH_VERSIONS, encodeMessage } from '../../src/eth/messages.ts';
import {
  checkBlockRange,
  type EthNetwork,
  localStatus,
  type Status,
  statusCheck,
} from '../../src/eth/status.ts';
import { codeOf } from '../support/errors.ts';
import { MemoryChain } from '../support/memory-chain.ts';

const chain = new MemoryChain(20);
/** The first two forks are passed at block 20, which is of second 240. */
const schedule = { blocks: [10, 15], times: [2 ** 31] };
const network: EthNetwork = { networkId: 1337, genesisHash: chain.genesisHash, schedule };

describe.each(ETH_VERSIONS)('the Status of eth/$version', ({ version }) => {
  const local = localStatus(version, network, chain);
  const check = statusCheck(version, network, chain);

  it('is made of the network and the end of the chain', () => {
    expect(local).toEqual({
      version,
      networkId: 1337n,
      genesisHash: chain.genesisHash,
      forkId: forkId(chain.genesisHash, schedule, 20, 240),
      head: { number: 20, hash: chain.hashAt(20) },
      totalDifficulty: 21n,
      earliest: 0,
    });
    expect(local.forkId.next).toBe(2n ** 31n);
  });

  it('is accepted by a node of the same chain, as it arrives', () => {
    const { code, payload } = encodeMessage(version, 'Status', local);
    const message = decodeMessage(version, code, payload);
    if (message.kind !== 'status') throw new Error('not a Status');
    expect(codeOf(() => check(message.value))).toBe('none');
    expect(message.value.head.number).toBe(version === 68 ? undefined : 20);
    expect(message.value.earliest).toBe(version === 68 ? undefined : 0);
    expect(message.value.totalDifficulty).toBe(version === 68 ? 21n : undefined);
  });

  it.each<[string, Partial<Status>, string]>([
    ['another network', { networkId: 1n }, 'network-mismatch'],
    ['a network id above 2^53', { networkId: 2n ** 53n + 1337n }, 'network-mismatch'],
    ['another version', { version: version + 1 }, 'protocol-version-mismatch'],
    ['another genesis block', { genesisHash: chain.hashAt(1) }, 'genesis-mismatch'],
    ['forks never heard of', { forkId: { hash: fromHex('01020304'), next: 0n } }, 'fork-id-mismatch'],
    [
      'a fork missed',
      { forkId: { ...forkId(chain.genesisHash, schedule, 0, 0), next: 0n } },
      'fork-id-mismatch',
    ],
    [
      'a fork that is passed here, unknown',
      { forkId: { ...forkId(chain.genesisHash, schedule, 20, 0), next: 18n } },
      'fork-id-mismatch',
    ],
  ])('is refused for %s', (_case, change, code) => {
    expect(codeOf(() => check({ ...local, ...change }))).toBe(code);
  });

  it('is checked for the network first, as a peer of another network has another of all', () => {
    const stranger = { ...local, networkId: 1n, version: 1, genesisHash: new Uint8Array(32) };
    expect(codeOf(() => check(stranger))).toBe('network-mismatch');
  });

  it('is accepted from a node that still syncs, and from one that is ahead', () => {
    for (const block of [0, 9, 10, 15]) {
      expect(codeOf(() => check({ ...local, forkId: forkId(chain.genesisHash, schedule, block, 0) }))).toBe(
        'none',
      );
    }
    const ahead = forkId(chain.genesisHash, schedule, 1000, 2 ** 31);
    expect(codeOf(() => check({ ...local, forkId: ahead }))).toBe('none');
  });
});

describe('the block range in a Status', () => {
  const local = localStatus(69, network, chain);
  const check = statusCheck(69, network, chain);

  it.each<[string, Partial<Status>]>([
    ['is empty', { earliest: 21 }],
    ['ends with no hash', { head: { number: 20, hash: new Uint8Array(32) } }],
  ])('is a breach when it %s', (_case, change) => {
    expect(codeOf(() => check({ ...local, ...change }))).toBe('block-range-invalid');
  });

  it('may be one block', () => {
    expect(codeOf(() => check({ ...local, earliest: 20 }))).toBe('none');
    expect(codeOf(() => checkBlockRange({ earliest: 0, latest: 0, latestHash: chain.hashAt(0) }))).toBe(
      'none',
    );
  });
});

it('a head that moves is what fork ids are checked against', () => {
  const growing = new MemoryChain(12);
  const check = statusCheck(69, { ...network, genesisHash: growing.genesisHash }, growing);
  const stale = {
    ...localStatus(69, network, growing),
    forkId: forkId(growing.genesisHash, { blocks: [10], times: [] }, 12, 0),
  };
  expect(codeOf(() => check(stale))).toBe('none');
  growing.blocks.push(...chain.blocks.slice(13));
  expect(codeOf(() => check(stale))).toBe('fork-id-mismatch');
});
