/** Checks of what callers hand in: those in JavaScript have no types. All of them throw PeerlaneError `invalid-argument`. */
import { closest, distance } from 'fastest-levenshtein';
import { type Env, isEnv, MAX_TIMER_MS } from './env.ts';
import { errorText, PeerlaneError } from './errors.ts';

/** Slower than one in an hour nothing would be seen to happen. */
export const MIN_RATE: number = 1 / 3_600;
/** No machine does more in a second. */
export const MAX_RATE = 1_000_000;
const MAX_PORT = 65_535;
/** Letters by which a name may differ from the one that was meant, if it has twice as many. */
const MAX_MISSPELT = 3;

export function invalidArgument(message: string, cause?: unknown): PeerlaneError {
  return new PeerlaneError('invalid-argument', message, { cause });
}

/**
 * What `read` gives. It runs a caller's getters and iterators: what they throw is the caller's mistake.
 * @param name of what is read
 */
export function reading<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw unreadable(name, error);
  }
}

/** For who must not make a function for each call: see `reading`. */
export function unreadable(name: string, error: unknown): PeerlaneError {
  if (error instanceof PeerlaneError) return error;
  return invalidArgument(`${name} cannot be read: ${errorText(error)}`, error);
}

/** Whether `value` is an object that may have properties with names. */
export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** Whether somebody would have to wait for it. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return isObject(value) && 'then' in value && typeof value.then === 'function';
}

/** Refuses what has to be waited for, where nobody waits: how it ends is of no interest any more. */
export function refuseThenable(name: string, value: unknown): void {
  const ends = reading(`what ${name} gives`, () => (isThenable(value) ? value : undefined));
  if (ends === undefined) return;
  Promise.resolve(ends).catch(() => undefined);
  throw invalidArgument(`${name} gives a promise; nobody waits for it`);
}

/**
 * What a caller's function says of something; a promise would be a yes, whatever comes of it.
 * @param name of the function
 * @throws PeerlaneError `invalid-argument` when it throws, or answers later
 */
export function answerOf<T>(name: string, says: (of: T) => boolean, of: T): boolean {
  let answer: boolean;
  try {
    answer = says(of);
  } catch (error) {
    throw unreadable(`what ${name} answers`, error);
  }
  refuseThenable(name, answer);
  return answer;
}

/** An object that is no list and no promise: those have nothing that would be read, and would be passed over in silence. */
export function checkObject(name: string, value: unknown): void {
  const isOne = isObject(value) && reading(name, () => !isThenable(value) && !(Symbol.iterator in value));
  if (!isOne) throw invalidArgument(`${name} is not an object`);
}

/** All names of T, none forgotten: the compiler sees to that. */
export type NamesOf<T, V = true> = Readonly<Record<keyof T, V>>;

/** Letters that say what is meant. */
const MIN_BEGINNING = 3;

/** Whether one name is the beginning of the other, or both begin with the same word. */
function beginAlike(a: string, b: string): boolean {
  const [word, other] = [a, b].map((name) => /^[a-z]{4,}/.exec(name)?.[0]);
  const isPart = Math.min(a.length, b.length) >= MIN_BEGINNING && (a.startsWith(b) || b.startsWith(a));
  return isPart || (word !== undefined && word === other);
}

/** An object without other names than those of `names`: a misspelt one would be passed over in silence. */
export function checkNames<T extends object>(name: string, value: T, names: NamesOf<T, unknown>): void {
  checkObject(name, value);
  const known = Object.keys(names);
  for (const key of reading(name, () => Object.keys(value))) {
    if (Object.hasOwn(names, key)) continue;
    const like = closest(key, known);
    const mayDiffer = Math.min(MAX_MISSPELT, key.length / 2);
    const isLike = distance(key.toLowerCase(), like.toLowerCase()) <= mayDiffer;
    const meant = isLike ? like : known.find((one) => beginAlike(one, key));
    throw invalidArgument(
      `${name}: there is no "${key}"; ${meant === undefined ? `there are ${known.join(', ')}` : `did you mean "${meant}"?`}`,
    );
  }
}

export function checkArray(name: string, value: unknown): void {
  if (!Array.isArray(value)) throw invalidArgument(`${name} is not an array`);
}

/** What `read` makes of each element; its errors keep their codes, and say of which element they are. */
export function readEach<T, U>(name: string, values: readonly T[], read: (value: T) => U): U[] {
  checkArray(name, values);
  return Array.from(values, (value, i) => {
    try {
      return read(value);
    } catch (error) {
      if (!(error instanceof PeerlaneError)) throw error;
      throw new PeerlaneError(error.code, `${name}[${i}]: ${error.message}`, { cause: error });
    }
  });
}

export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw invalidArgument(`${name} is not a function`);
}

export function checkBoolean(name: string, value: unknown): void {
  if (typeof value !== 'boolean') throw invalidArgument(`${name} is not a boolean`);
}

export function checkInteger(name: string, value: unknown, min: number, max: number): void {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return;
  throw invalidArgument(`${name} must be an integer from ${min} to ${max}`);
}

export function checkPort(name: string, value: unknown): void {
  checkInteger(name, value, 0, MAX_PORT);
}

/** A number of 64 bits. */
export function checkUint64(name: string, value: unknown): void {
  if (typeof value === 'bigint' && value >= 0n && value < 1n << 64n) return;
  throw invalidArgument(`${name} must be a bigint from 0 to 2^64 - 1`);
}

/** Milliseconds that a timer can wait: of what is longer, those of Node.js make one. */
export function checkDuration(name: string, value: unknown): void {
  if (typeof value === 'number' && value > 0 && value <= MAX_TIMER_MS) return;
  throw invalidArgument(`${name} must be a number of milliseconds above 0, up to ${MAX_TIMER_MS}`);
}

/** How often in a second. */
export function checkRate(name: string, value: unknown): void {
  if (typeof value === 'number' && value >= MIN_RATE && value <= MAX_RATE) return;
  throw invalidArgument(`${name} must be a number from 1/3600 to ${MAX_RATE} in a second`);
}

export function checkLength(name: string, value: unknown, length: number): void {
  if (value instanceof Uint8Array && value.length === length) return;
  throw invalidArgument(`${name} is not a Uint8Array of ${length} bytes`);
}

export function checkEnv(env: unknown): asserts env is Env {
  if (!isEnv(env)) throw invalidArgument('env is not an Env');
}

/** A signal of any realm, or none. */
export function checkSignal(signal: unknown): void {
  if (signal === undefined || reading('signal', () => isSignal(signal))) return;
  throw invalidArgument('signal is not an AbortSignal');
}

function isSignal(value: unknown): boolean {
  return (
    isObject(value) &&
    'aborted' in value &&
    typeof value.aborted === 'boolean' &&
    'addEventListener' in value &&
    typeof value.addEventListener === 'function' &&
    'removeEventListener' in value &&
    typeof value.removeEventListener === 'function'
  );
}

const ONLY_SIGNAL: Readonly<Record<string, true>> = { signal: true };

/**
 * The signal among the options of a call, which are looked at by whoever has others.
 * @param names of all options that the call has
 */
export function signalOf(
  options: { readonly signal?: AbortSignal | undefined } | undefined,
  names: Readonly<Record<string, true>> = ONLY_SIGNAL,
): AbortSignal | undefined {
  if (options === undefined) return undefined;
  return reading('the options of the call', () => {
    checkNames<object>('the options of the call', options, names);
    const { signal } = options;
    checkSignal(signal);
    return signal;
  });
}
