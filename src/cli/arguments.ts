/** Values of options, read from their text; commander turns `InvalidArgumentError` into a usage error. */
import { InvalidArgumentError } from 'commander';

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

export function blockNumber(text: string): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError('expected a block number');
  return value;
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
