export { orderedRoot } from './ordered-root.ts';
export { type SecureEntry, secureRoot } from './secure-root.ts';
export { EMPTY_ROOT } from './sorted-root.ts';
