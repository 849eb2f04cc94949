// The layers of docs/architecture.md: what a folder of src/ may import, besides src/base, itself and npm
// packages. `scripts/check-layers.js` makes the check fail when it saw no module.
const LAYERS = {
  base: [],
  crypto: [],
  rlp: [],
  io: ['crypto'],
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
  sync: ['server', 'io', 'eth', 'trie', 'crypto', 'rlp'],
  bench: ['server', 'p2p', 'rlpx', 'crypto', 'rlp'],
};

module.exports = { LAYERS };
