export * from './announce.ts';
export * from './mapping.ts';
export * from './pcp.ts';
export * from './plan.ts';
export * from './pmp.ts';
export * from './stun.ts';
export * from './upnp.ts';
