/** Checks of what callers hand in, before a backend sees it. */
import { type ErrorCode, PeerlaneError } from '../base/errors.ts';

// What the engine itself knows of an array: no prototype, proxy or property can pretend it.
const typedArray: object = Object.getPrototypeOf(Uint8Array.prototype);
const tag = Object.getOwnPropertyDescriptor(typedArray, Symbol.toStringTag)?.get;
const getLength = Object.getOwnPropertyDescriptor(typedArray, 'length')?.get;
const getBuffer = Object.getOwnPropertyDescriptor(typedArray, 'buffer')?.get;
const { keys } = Uint8Array.prototype;
/** Elements of an array: as many as the addon takes. */
const MAX_ELEMENTS = 2 ** 24;

const { hasOwn, getPrototypeOf, getOwnPropertyDescriptor } = Object;
const bytesPrototype: object = Uint8Array.prototype;
const bufferPrototype: object = Buffer.prototype;
/** Of other prototypes, whether what bytes say of themselves with them is what the engine knows. */
const plainPrototypes = new WeakMap<object, boolean>();
const PROBE = new Uint8Array(new ArrayBuffer(16), 2, 11);
const CLAIMS = { length: PROBE.length, buffer: PROBE.buffer, byteOffset: PROBE.byteOffset } as const;

/** Whether `key` is the engine's getter, of whatever realm: what a program puts in its place may answer differently each time. */
function isEngines(prototype: object, key: keyof typeof CLAIMS): boolean {
  for (let at: object | null = prototype; at !== null; at = getPrototypeOf(at)) {
    const property = getOwnPropertyDescriptor(at, key);
    if (property === undefined) continue;
    const { get } = property;
    if (get === undefined || !Function.prototype.toString.call(get).includes('[native code]')) return false;
    return get.call(PROBE) === CLAIMS[key];
  }
  return false;
}

function isPlainPrototype(prototype: object | null): boolean {
  if (prototype === null) return false;
  if (prototype === bytesPrototype || prototype === bufferPrototype) return true;
  let isPlain = plainPrototypes.get(prototype);
  if (isPlain === undefined) {
    isPlain =
      isEngines(prototype, 'length') && isEngines(prototype, 'buffer') && isEngines(prototype, 'byteOffset');
    plainPrototypes.set(prototype, isPlain);
  }
  return isPlain;
}

/** The length that the engine knows, whatever property hides it. */
export function lengthOf(view: Uint8Array): number {
  return getLength?.call(view) as number;
}

/** The memory of `view`, if it is of one thread; likewise. @throws PeerlaneError `invalid-argument` */
export function ownBufferOf(view: Uint8Array, name: string): ArrayBufferLike {
  const buffer = getBuffer?.call(view) as ArrayBufferLike;
  if (buffer instanceof SharedArrayBuffer) {
    throw new PeerlaneError('invalid-argument', `${name} lies in shared memory`);
  }
  return buffer;
}

/** Whether `value` is a Uint8Array, of whatever realm. */
export function isUint8Array(value: unknown): value is Uint8Array {
  return tag?.call(value) === 'Uint8Array';
}

/** A view has no length any more once its memory was handed to another thread, or its buffer shrank below it. */
function isGone(view: Uint8Array): boolean {
  if (lengthOf(view) > 0) return false;
  try {
    keys.call(view);
    return false;
  } catch {
    return true;
  }
}

/**
 * `value` if it is bytes, of `length` if that is given.
 * @throws PeerlaneError `code`; `invalid-argument` if its memory is gone (detached, or cut off by a resize)
 */
export function checkBytes(
  value: Uint8Array,
  name: string,
  length?: number,
  code: ErrorCode = 'invalid-argument',
): Uint8Array {
  if (!isUint8Array(value)) throw new PeerlaneError(code, `${name} is not a Uint8Array`);
  if (hasOwn(value, 'length') || !isPlainPrototype(getPrototypeOf(value)))
    throw new PeerlaneError(code, `the length of ${name} is not its own`);
  if (isGone(value)) throw new PeerlaneError('invalid-argument', `the memory of ${name} is gone`);
  if (length !== undefined && lengthOf(value) !== length) {
    throw new PeerlaneError(code, `${name} has ${lengthOf(value)} bytes, not ${length}`);
  }
  return value;
}

/**
 * As `checkBytes`; the bytes must not lie in shared memory either, where another thread could change them between a
 * check and their use.
 * @throws PeerlaneError `code`; `invalid-argument` for memory that is gone or shared
 */
export function checkOwnBytes(
  value: Uint8Array,
  name: string,
  length?: number,
  code: ErrorCode = 'invalid-argument',
): Uint8Array {
  checkBytes(value, name, length, code);
  ownBufferOf(value, name);
  if (hasOwn(value, 'buffer') || hasOwn(value, 'byteOffset')) {
    throw new PeerlaneError(code, `the buffer of ${name} is not its own`);
  }
  return value;
}

/** @throws PeerlaneError `invalid-argument` if `value` is no object; callers in JavaScript leave options out */
export function checkObject(value: object, name: string): void {
  if (typeof value !== 'object' || value === null) {
    throw new PeerlaneError('invalid-argument', `${name} is not an object`);
  }
}

/** A copy of `value`, whose elements no longer change. @throws PeerlaneError `invalid-argument` if it is no array of objects */
export function checkObjects<T extends object>(value: readonly T[], name: string): readonly T[] {
  if (!Array.isArray(value)) throw new PeerlaneError('invalid-argument', `${name} is not an array`);
  if (value.length > MAX_ELEMENTS) {
    throw new PeerlaneError('invalid-argument', `${name} has over ${MAX_ELEMENTS} elements`);
  }
  const elements: T[] = [];
  for (let i = 0; i < value.length; i++) {
    const element = value[i];
    checkObject(element, `an element of ${name}`);
    elements.push(element);
  }
  return elements;
}

/** For an error message; an object may not have a string. */
export function numberOrType(value: unknown): string {
  return typeof value === 'number' ? String(value) : typeof value;
}
