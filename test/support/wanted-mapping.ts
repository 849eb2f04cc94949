import type { WantedMapping } from '../../src/nat/index.ts';

export const WANTED: WantedMapping = {
  protocol: 'tcp',
  internalPort: 30_303,
  externalPort: 30_303,
  lifetime: 600,
  nonce: new Uint8Array(12),
};
