/** The message code in front of a frame's payload: a canonical RLP integer of at most four bytes. */

const SHORT_STRING = 0x80;

/** What `readCode` returns when there is none. */
export const NO_CODE = -1;

/** Bytes that `code` takes. */
export function codeLength(code: number): number {
  if (code < 0x80) return 1;
  if (code <= 0xff) return 2;
  if (code <= 0xffff) return 3;
  return code <= 0xffffff ? 4 : 5;
}

export function writeCode(code: number, out: Uint8Array, at: number): void {
  const length = codeLength(code);
  if (length === 1) {
    out[at] = code === 0 ? SHORT_STRING : code;
    return;
  }
  out[at] = SHORT_STRING + length - 1;
  for (let i = 1, rest = code; i < length; i++, rest >>>= 8) out[at + length - i] = rest;
}

/** The code at the start of `input[at..end)`, or `NO_CODE`. */
export function readCode(input: Uint8Array, at: number, end: number): number {
  const first = input[at] ?? 0;
  if (first === SHORT_STRING) return 0;
  if (first < SHORT_STRING) return first === 0 ? NO_CODE : first;
  const digits = first - SHORT_STRING;
  if (digits > 4 || digits > end - at - 1) return NO_CODE;
  let code = 0;
  for (let i = 1; i <= digits; i++) code = code * 256 + (input[at + i] ?? 0);
  // Canonical: no leading zero, and no length byte for what is its own encoding.
  return codeLength(code) === digits + 1 ? code : NO_CODE;
}
