/** Checks of what callers hand in, before a backend sees it. */
import { type ErrorCode, PeerlaneError } from '../base/errors.ts';

// What the engine itself knows of an array: no prototype, proxy or property can pretend it.
const typedArray: object = Object.getPrototypeOf(Uint8Array.prototype);
const tag = Object.getOwnPropertyDescriptor(typedArray, Symbol.toStringTag)?.get;
const { keys } = Uint8Array.prototype;

/** Whether `value` is a Uint8Array, of whatever realm. */
export function isUint8Array(value: unknown): value is Uint8Array {
  return tag?.call(value) === 'Uint8Array';
}

/** A view has no length any more once its memory was handed to another thread, or its buffer shrank below it. */
function isGone(view: Uint8Array): boolean {
  if (view.length > 0) return false;
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
  if (isGone(value)) throw new PeerlaneError('invalid-argument', `the memory of ${name} is gone`);
  if (length !== undefined && value.length !== length) {
    throw new PeerlaneError(code, `${name} has ${value.length} bytes, not ${length}`);
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
  if (value.buffer instanceof SharedArrayBuffer) {
    throw new PeerlaneError('invalid-argument', `${name} lies in shared memory`);
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
  const elements: T[] = [...value];
  for (const element of elements) checkObject(element, `an element of ${name}`);
  return elements;
}
