/** RLP as the Yellow Paper has it, by hand: what the specification's layouts are compared with. */
export function item(bytes: Uint8Array): Uint8Array {
  return bytes.length === 1 && (bytes[0] ?? 0) < 0x80 ? bytes : withHead(0x80, bytes);
}

/** A number: its bytes without leading zeros; none for 0. */
export function number(value: number): Uint8Array {
  const hex = value === 0 ? '' : value.toString(16);
  return item(Uint8Array.from(Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')));
}

export function list(...items: readonly Uint8Array[]): Uint8Array {
  return withHead(0xc0, new Uint8Array(Buffer.concat(items)));
}

/** A plaintext: its type, and a list. */
export function message(type: number, ...items: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat([Uint8Array.of(type), list(...items)]));
}

function withHead(base: number, body: Uint8Array): Uint8Array {
  const { length } = body;
  if (length < 56) return new Uint8Array(Buffer.concat([Uint8Array.of(base + length), body]));
  const size = length < 256 ? [length] : [length >> 8, length & 0xff];
  return new Uint8Array(Buffer.concat([Uint8Array.of(base + 55 + size.length, ...size), body]));
}
