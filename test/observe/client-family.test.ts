import fc from 'fast-check';
import { expect, it } from 'vitest';
import { CLIENT_FAMILIES, clientFamily, OTHER } from '../../src/observe/index.ts';

it.each([
  ['Geth/v1.16.8-stable/linux-amd64/go1.25.1', 'geth'],
  ['go-ethereum/1.0', 'geth'],
  ['Nethermind/v1.35.0/linux-x64/dotnet9', 'nethermind'],
  ['besu/v25.1/linux-x86_64/openjdk-java-21', 'besu'],
  ['erigon/v3.0/linux-amd64/go1.24', 'erigon'],
  ['reth/v1.9.3/x86_64-unknown-linux-gnu', 'reth'],
  ['nimbus-eth1 v0.2', 'nimbus'],
  ['peerlane/v0.1.0/linux-x64/node22', 'peerlane'],
  ['gethx/v1', OTHER],
  ['', OTHER],
  ['/geth/', OTHER],
  ['constructor', OTHER],
  ['__proto__', OTHER],
])('takes %s for %s', (clientId, family) => {
  expect(clientFamily(clientId)).toBe(family);
});

it('knows a family of any text, and no others than it names', () => {
  const known: readonly string[] = [...CLIENT_FAMILIES, OTHER];
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (clientId) => {
      expect(known).toContain(clientFamily(clientId));
    }),
  );
});
