const { LAYERS } = require('./scripts/layers.cjs');

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
          '^src/(io|cli)/|^src/crypto/(load|addon-file|elf|native|js/node)\\.ts$|^src/base/env\\.ts$|^src/sync/.*-?store\\.ts$|^src/sync/chain-file\\.ts$',
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
