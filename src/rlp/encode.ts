import { EMPTY } from '../base/bytes.ts';
import type { Codec } from './codec.ts';
import { headerLength, Writer } from './writer.ts';

/**
 * The encoding of `value`, in a new array.
 * @throws PeerlaneError `invalid-argument` when the value is not one of the codec's; the message names the field
 */
export function encode<T, I>(codec: Codec<T, I>, value: NoInfer<I>): Uint8Array {
  return encodeBehind(EMPTY, codec, value);
}

/** `head` and behind it the encoding of `value`, in a new array. @throws PeerlaneError as `encode` */
export function encodeBehind<T, I>(head: Uint8Array, codec: Codec<T, I>, value: NoInfer<I>): Uint8Array {
  const writer = new Writer();
  writer.begin(head.length + codec.measure(writer, value));
  writer.writeEncoded(head);
  codec.write(writer, value);
  return writer.finish();
}

/** The list of items that are encoded already. */
export function encodeList(items: readonly Uint8Array[]): Uint8Array {
  const writer = new Writer();
  const place = writer.reserveSize();
  let size = 0;
  for (const item of items) size += item.length;
  writer.setSize(place, size);
  writer.begin(headerLength(size) + size);
  writer.writeListHeader();
  for (const item of items) writer.writeEncoded(item);
  return writer.finish();
}
