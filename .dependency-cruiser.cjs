// The layers of docs/architecture.md: what a folder of src/ may import, besides src/base, itself and npm
// packages. `scripts/check-layers.js` makes the check fail when it saw no module.
const LAYERS = {
  base: [],
  crypto: [],
  rlp: [],
  io: [],
  nat: [],
  observe: [],
  enr: ['crypto', 'rlp'],
  kad: ['enr'],
  rlpx: ['crypto', 'rlp'],
  p2p: ['rlpx', 'rlp'],
  trie: ['crypto', 'rlp'],
  eth: ['crypto', 'rlp', 'p2p', 'trie'],
  snap: ['crypto', 'rlp', 'p2p', 'trie'],
  discv4: ['crypto', 'rlp', 'enr', 'kad'],
  discv5: ['crypto', 'rlp', 'enr', 'kad'],
  dnsdisc: ['crypto', 'enr'],
  server: [
    'crypto',
    'rlp',
    'io',
    'nat',
    'observe',
    'enr',
    'kad',
    'rlpx',
    'p2p',
    'discv4',
    'discv5',
    'dnsdisc',
  ],
  sync: ['server', 'eth', 'trie', 'crypto', 'rlp'],
};

const layerRules = Object.entries(LAYERS).map(([layer, below]) => ({
  name: `layer-${layer}`,
  comment: `src/${layer} imports only ${['base', ...below].join(', ')}`,
  severity: 'error',
  from: { path: `^src/${layer}/` },
  to: { path: '^src/', pathNot: `^src/(${['base', layer, ...below].join('|')})/` },
}));

module.exports = {
  forbidden: [
    ...layerRules,
    {
      name: 'no-circular',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-node-io-in-protocols',
      comment: 'only io, the crypto loader, the stores and the command line name node: modules for I/O',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot:
          '^src/(io|cli)/|^src/crypto/(load|native|js/node)\\.ts$|^src/base/env\\.ts$|^src/sync/.*-?store\\.ts$|^src/sync/chain-file\\.ts$',
      },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'no-unresolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-dev-dependency',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev'], pathNot: '@types/|node_modules/(snappyjs|keccak)' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
