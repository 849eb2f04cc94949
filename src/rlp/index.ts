/** Recursive length prefix (yellow paper, appendix B): a codec driven by schemas, which decodes lazily. */
export type { Codec, Decoded, Encodable } from './codec.ts';
export { either, mapped } from './compose.ts';
export { checkWellFormed, type DecodeOptions, decode, decodePrefix } from './decode.ts';
export { encode, encodeBehind, encodeList } from './encode.ts';
export { type ListOptions, list, RlpList } from './list.ts';
export { bigUint, bool, bytes, type RlpItem, raw, text, uint, uintBytes } from './scalars.ts';
export {
  type Optional,
  optional,
  type StructFields,
  type StructInput,
  type StructOptions,
  type StructValue,
  struct,
} from './struct.ts';
