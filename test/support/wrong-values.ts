/** What callers without types hand in, made of what is right. */

const thrower = (): never => {
  throw new TypeError('a bug of the caller');
};

/** Whatever is asked of it, it throws. */
const hostile = (): object => new Proxy({}, { get: thrower, has: thrower, ownKeys: thrower });

const WRONG: readonly (() => unknown)[] = [
  ...[() => undefined, () => null, () => 5, () => 'x', () => ({}), () => []],
  ...[() => Number.NaN, () => -1, () => 1e12, () => Promise.resolve({}), () => Symbol('a symbol')],
  ...[() => true, () => 1n, () => Object.create(null), () => new Map(), () => new Uint8Array(3), hostile],
];

const OBSERVER = /(^|\.)on[A-Z]\w*$/;

/** A wrong value, and how it came about. */
export interface Variant {
  readonly name: string;
  readonly value: unknown;
}

function nameOf(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value !== 'object' || value === null) return String(value);
  try {
    return Object.prototype.toString.call(value);
  } catch {
    return 'what throws';
  }
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/**
 * `good` with one of its parts exchanged, at any depth: by each wrong value, and where it is a function by such as give
 * each of them, or throw. Observers (`onEvent`) that throw are left out: that is reported as an uncaught error.
 */
export function* variantsOf(good: unknown, name: string, depth = 4): Generator<Variant, void, undefined> {
  for (const make of WRONG) {
    const value = make();
    yield { name: `${name}: ${nameOf(value)}`, value };
  }
  if (depth === 0) return;
  if (typeof good === 'function') {
    for (const make of WRONG) yield { name: `${name}() is ${nameOf(make())}`, value: () => make() };
    if (OBSERVER.test(name)) return;
    yield { name: `${name}() throws`, value: thrower };
    yield { name: `${name}() rejects`, value: () => Promise.reject(new TypeError('a bug of the caller')) };
  } else if (Array.isArray(good)) {
    for (const [i, element] of good.entries()) {
      for (const { name: of, value } of variantsOf(element, `${name}[${i}]`, depth - 1)) {
        yield { name: of, value: good.with(i, value) };
      }
    }
  } else if (good instanceof Map) {
    for (const [key, element] of good) {
      for (const { name: of, value } of variantsOf(element, `${name}.get(${String(key)})`, depth - 1)) {
        yield { name: of, value: new Map([...good, [key, value]]) };
      }
      for (const make of WRONG) yield { name: `a key of ${name}`, value: new Map([[make(), element]]) };
    }
  } else if (isPlain(good)) {
    for (const [key, part] of Object.entries(good)) {
      for (const { name: of, value } of variantsOf(part, `${name}.${key}`, depth - 1)) {
        yield { name: of, value: { ...good, [key]: value } };
      }
      const value = Object.defineProperty({ ...good }, key, { enumerable: true, get: thrower });
      yield { name: `${name}.${key} throws`, value };
    }
  }
}
