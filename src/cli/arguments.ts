/** Values of options, read from their text; commander turns `InvalidArgumentError` into a usage error. */
import { InvalidArgumentError } from 'commander';
import { fromHex } from '../base/bytes.ts';
import type { Target } from '../sync/index.ts';

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** `HOST:PORT`, an IPv6 address in brackets; `:PORT` is every address. */
export function listenAddress(text: string): ListenAddress {
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  if (parts === null) throw new InvalidArgumentError('expected HOST:PORT, with an IPv6 address in brackets');
  return { host: parts[1] ?? (parts[2] === '' ? '::' : (parts[2] ?? '::')), port: port(parts[3] ?? '') };
}

export function port(text: string): number {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : 65_536;
  if (value > 65_535) throw new InvalidArgumentError('expected a port from 0 to 65535');
  return value;
}

/** A block by its number, or by its hash. */
export function block(text: string): Exclude<Target, { kind: 'best' }> {
  if (/^0x[0-9a-f]{64}$/i.test(text)) return { kind: 'hash', hash: fromHex(text) };
  const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(number)) return { kind: 'number', number };
  throw new InvalidArgumentError('expected a block number, or a hash: 0x and 64 hexadecimal digits');
}

export function seconds(text: string): number {
  const value = /^\d{1,6}(\.\d{1,3})?$/.test(text) ? Number(text) : 0;
  if (value <= 0) throw new InvalidArgumentError('expected a number of seconds above zero');
  return value;
}

/** For an option that may be given several times: the values so far and one more. */
export function collected<T>(
  read: (text: string) => T,
): (text: string, before: readonly T[] | undefined) => T[] {
  return (text, before = []) => [...before, read(text)];
}
