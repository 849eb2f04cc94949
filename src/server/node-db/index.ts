/** The node database: other nodes, kept over restarts. */
export type { NodeDatabaseEvent } from './events.ts';
export { PROVEN_EXPIRY_MS, UNPROVEN_EXPIRY_MS } from './history.ts';
export { NodeDatabase } from './node-database.ts';
export { SEED_BLOCK_LIMIT, SEED_NETWORK_LIMIT } from './node-index.ts';
export type { NodePatch } from './node-patch.ts';
export { DEFAULT_MAX_NODES, type NodeDatabaseOptions } from './options.ts';
export type { DialResult, NodeFacts, StoredNode } from './stored-node.ts';
