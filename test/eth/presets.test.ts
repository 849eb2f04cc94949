import { describe, expect, it } from 'vitest';
import { forkId } from '../../src/eth/fork-id.ts';
import { PRESETS } from '../../src/eth/presets.ts';

const presets = Object.values(PRESETS);

describe('the presets of public networks', () => {
  it('are found under their names', () => {
    for (const [name, preset] of Object.entries(PRESETS)) expect(preset.name).toBe(name);
    expect(presets.map(({ name, chainId }) => [name, chainId])).toEqual([
      ['mainnet', 1n],
      ['sepolia', 11_155_111n],
      ['hoodi', 560_048n],
      ['holesky', 17_000n],
    ]);
  });

  it('differ in network id, genesis block and fork id', () => {
    const ids = presets.map(({ genesisHash, schedule }) =>
      forkId(genesisHash, schedule, 1e9, 1e10).hash.join(),
    );
    expect(new Set(ids).size).toBe(presets.length);
    expect(new Set(presets.map(({ networkId }) => networkId)).size).toBe(presets.length);
    expect(new Set(presets.map(({ genesisHash }) => genesisHash.join())).size).toBe(presets.length);
  });

  it('name bootnodes by enode URLs with a key, an IPv4 address and a port', () => {
    for (const { name, bootnodes } of presets) {
      expect(bootnodes.length, name).toBeGreaterThan(1);
      expect(new Set(bootnodes).size).toBe(bootnodes.length);
      for (const url of bootnodes)
        expect(url).toMatch(/^enode:\/\/[0-9a-f]{128}@(\d{1,3}\.){3}\d{1,3}:30303$/);
    }
  });

  it('name the list of nodes in the DNS by its signer and domain', () => {
    for (const { name, dnsNodeList } of presets) {
      expect(dnsNodeList).toMatch(new RegExp(`^enrtree://[A-Z2-7]{53}@all\\.${name}\\.ethdisco\\.net$`));
    }
  });
});
