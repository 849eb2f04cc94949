/** Reading genesis files: JSON whose numbers may be longer than a double, and fields that errors can name. */
import { fromHex } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';

/** An integer of so many digits may not fit a double. */
const LONG_NUMBER = /^-?\d{16,}$/;
/** Digits of 2^256, with room for leading zeros: longer texts are not looked at. */
const MAX_QUANTITY_TEXT = 256;
/** Names in errors are cut behind so many characters; the key of a storage slot has 66. */
const MAX_SHOWN_NAME = 80;

/** The error about the field at `path`. */
export function genesisError(path: string, problem: string, cause?: unknown): PeerlaneError {
  return new PeerlaneError('genesis-invalid', `${path}: ${problem}`, { cause, details: { field: path } });
}

/**
 * Parses JSON; integers of 16 digits and more come as strings of the same digits.
 * @throws PeerlaneError `genesis-invalid`
 */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(quoteLongNumbers(text.startsWith('\ufeff') ? text.slice(1) : text));
  } catch (error) {
    throw genesisError('genesis', 'not JSON', error);
  }
}

/** Puts quotes around long integers, so that `JSON.parse` does not round them. */
function quoteLongNumbers(text: string): string {
  const parts: string[] = [];
  for (let at = 0; at < text.length; ) {
    const quote = text.indexOf('"', at);
    const outside = text.slice(at, quote < 0 ? text.length : quote);
    parts.push(
      outside.replace(/-?\d[\d.eE+-]*/g, (number) => (LONG_NUMBER.test(number) ? `"${number}"` : number)),
    );
    if (quote < 0) break;
    at = endOfString(text, quote);
    parts.push(text.slice(quote, at));
  }
  return parts.join('');
}

/** Where the string literal that opens at `open` ends, quotes included. */
function endOfString(text: string, open: number): number {
  for (let close = text.indexOf('"', open + 1); close >= 0; close = text.indexOf('"', close + 1)) {
    let backslashes = 0;
    while (text[close - 1 - backslashes] === '\\') backslashes++;
    if (backslashes % 2 === 0) return close + 1;
  }
  return text.length;
}

/**
 * An object of a genesis file. Names match in any case, as in go-ethereum, whose users write `mixhash` for
 * `mixHash`; null is the same as absent. All methods throw PeerlaneError `genesis-invalid` with the field's path.
 */
export class JsonObject {
  readonly #path: string;
  readonly #entries: readonly (readonly [string, unknown])[];
  #byName: ReadonlyMap<string, unknown> | undefined;

  constructor(value: unknown, path = '') {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw genesisError(path === '' ? 'genesis' : path, 'not an object');
    }
    this.#path = path;
    this.#entries = Object.entries(value);
  }

  /** Names as written, and values. */
  get entries(): readonly (readonly [string, unknown])[] {
    return this.#entries;
  }

  path(name: string): string {
    const short = name.length > MAX_SHOWN_NAME ? `${name.slice(0, MAX_SHOWN_NAME)}...` : name;
    return this.#path === '' ? short : `${this.#path}.${short}`;
  }

  get(name: string): unknown {
    this.#byName ??= new Map(this.#entries.map(([key, value]) => [key.toLowerCase(), value]));
    return this.#byName.get(name.toLowerCase()) ?? undefined;
  }

  /** A number, or a string in decimal or hexadecimal; the empty string is 0. */
  quantity(name: string, bits: number): bigint | undefined {
    const value = this.get(name);
    return value === undefined ? undefined : quantityOf(value, bits, this.path(name));
  }

  /** A quantity that must be there. */
  requiredQuantity(name: string, bits: number): bigint {
    return this.quantity(name, bits) ?? this.#missing(name);
  }

  /** A quantity small enough for a number. */
  safeNumber(name: string): number | undefined {
    const value = this.quantity(name, 53);
    return value === undefined ? undefined : Number(value);
  }

  /** Hexadecimal, with or without 0x. */
  bytes(name: string, length?: number): Uint8Array | undefined {
    const value = this.get(name);
    return value === undefined ? undefined : bytesOf(value, this.path(name), length);
  }

  flag(name: string): boolean {
    const value = this.get(name);
    if (value !== undefined && typeof value !== 'boolean') {
      throw genesisError(this.path(name), 'neither true nor false');
    }
    return value === true;
  }

  object(name: string): JsonObject | undefined {
    const value = this.get(name);
    return value === undefined ? undefined : new JsonObject(value, this.path(name));
  }

  requiredObject(name: string): JsonObject {
    return this.object(name) ?? this.#missing(name);
  }

  #missing(name: string): never {
    throw genesisError(this.path(name), 'missing');
  }
}

/** @throws PeerlaneError `genesis-invalid` */
export function bytesOf(value: unknown, path: string, length?: number): Uint8Array {
  const digits = typeof value === 'string' ? value.replace(/^0x/i, '') : undefined;
  if (digits === undefined || digits.length % 2 !== 0 || /[^0-9a-f]/i.test(digits)) {
    throw genesisError(path, 'not a hexadecimal string of whole bytes');
  }
  const bytes = fromHex(digits);
  if (length !== undefined && bytes.length !== length) {
    throw genesisError(path, `${bytes.length} bytes, ${length} expected`);
  }
  return bytes;
}

function quantityOf(value: unknown, bits: number, path: string): bigint {
  const quantity = integerOf(value, path);
  if (quantity < 0n) throw genesisError(path, 'negative');
  if (BigInt.asUintN(bits, quantity) !== quantity) throw genesisError(path, `more than ${bits} bits`);
  return quantity;
}

function integerOf(value: unknown, path: string): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value)) return BigInt(value);
    throw genesisError(path, Number.isInteger(value) ? 'rounded: give it as a string' : 'not a whole number');
  }
  if (value === '') return 0n;
  if (typeof value === 'string' && value.length <= MAX_QUANTITY_TEXT) {
    if (/^(-?\d+|0x[0-9a-f]+)$/i.test(value)) return BigInt(value.toLowerCase());
  }
  throw genesisError(path, 'not a number');
}
