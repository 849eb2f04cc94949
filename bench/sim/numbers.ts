/** The numbers that programs of simulated networks are told. */
import { PeerlaneError } from '../../src/base/errors.ts';

export interface Bounds {
  readonly usual: number;
  readonly least: number;
  readonly most: number;
}

/** @throws PeerlaneError `invalid-argument` */
export function number(name: string, text: string | undefined, { usual, least, most }: Bounds): number {
  if (text === undefined) return usual;
  // Of an empty text Number makes a zero.
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value >= least && value <= most) return value;
  throw invalid(`--${name} is a number from ${least} to ${most}`);
}

/** @throws PeerlaneError `invalid-argument` */
export function wholeNumber(name: string, text: string | undefined, bounds: Bounds): number {
  const value = number(name, text, bounds);
  if (Number.isInteger(value)) return value;
  throw invalid(`--${name} is a whole number from ${bounds.least} to ${bounds.most}`);
}

export function invalid(message: string): PeerlaneError {
  return new PeerlaneError('invalid-argument', message);
}

/** One that is not told is another each time. @throws PeerlaneError `invalid-argument` */
export function seedOf(text: string | undefined): number {
  return wholeNumber('seed', text, { usual: 1 + (Date.now() % 1_000_000), least: 0, most: 2 ** 32 - 1 });
}
