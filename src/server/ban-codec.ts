/** How bans are kept on the disk: one behind another, each with its length and a checksum, by which those behind damage are found again. */
import { concatBytes } from '../base/bytes.ts';

/** Whom a ban is about: a node by the hex of its 64-byte public key, or an address (IPv6: its /64), as `banNameOf` writes it. */
export type BanKind = 'node' | 'ip';

export interface Ban {
  readonly kind: BanKind;
  readonly name: string;
  /** When it ends, in milliseconds since the Unix epoch. */
  readonly until: number;
  /** How long it was made for, in milliseconds: it never lasts longer, whatever becomes of the clock. */
  readonly durationMs: number;
  readonly reason: string;
  /** Who has made it: the user, or the policy, whose bans do not hold for static and trusted nodes. */
  readonly by: 'user' | 'policy';
}

/** Thirty days. */
export const MAX_BAN_MS: number = 30 * 24 * 60 * 60_000;
/** Characters; what is longer is cut. */
export const MAX_BAN_REASON_LENGTH = 128;

/** When a ban ends, for people to read. */
export function endOfBan({ until }: Pick<Ban, 'until'>): string {
  return new Date(until).toISOString();
}

const KINDS: readonly BanKind[] = ['node', 'ip'];
/** Beside the kind. */
const BY_POLICY = 0x80;
const MAX_NAME_LENGTH = 128;
const LENGTH_SIZE = 2;
/** Kind, `until`, `durationMs`, length of the name. */
const HEAD_SIZE = 1 + 8 + 8 + 1;
const CHECK_SIZE = 4;
/** None is longer: a name of 255 bytes, and a reason of 128 characters of three. */
const MAX_BAN_SIZE = 1024;

export function encodeBans(bans: Iterable<Ban>): Uint8Array {
  return concatBytes(...Array.from(bans, encodeBan));
}

function encodeBan({ kind, name, until, durationMs, reason, by }: Ban): Uint8Array {
  const text = Buffer.from(name + reason, 'utf8');
  const bytes = new Uint8Array(LENGTH_SIZE + HEAD_SIZE + text.length + CHECK_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, bytes.length - LENGTH_SIZE);
  view.setUint8(2, KINDS.indexOf(kind) | (by === 'policy' ? BY_POLICY : 0));
  view.setBigUint64(3, BigInt(Math.max(0, Math.ceil(until))));
  view.setBigUint64(11, BigInt(Math.ceil(durationMs)));
  view.setUint8(19, Buffer.byteLength(name, 'utf8'));
  bytes.set(text, LENGTH_SIZE + HEAD_SIZE);
  view.setUint32(bytes.length - CHECK_SIZE, checksum(bytes.subarray(0, -CHECK_SIZE)));
  return bytes;
}

export interface DecodedBans {
  readonly bans: readonly Ban[];
  /** Places that were damaged: of one ban, or more that stand side by side, or the end where the value was cut. */
  readonly damaged: number;
}

/** Reads what can be read of any bytes: wherever a ban is whole. */
export function decodeBans(bytes: Uint8Array): DecodedBans {
  const bans: Ban[] = [];
  let damaged = 0;
  let isLost = false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length; ) {
    const end = at + LENGTH_SIZE <= bytes.length ? at + LENGTH_SIZE + view.getUint16(at) : bytes.length + 1;
    const isPossible = end <= bytes.length && end - at <= MAX_BAN_SIZE;
    const ban = isPossible ? decodeBan(bytes.subarray(at, end)) : undefined;
    if (ban !== undefined) bans.push(ban);
    else if (!isLost) damaged++;
    isLost = ban === undefined;
    at = isLost ? at + 1 : end;
  }
  return { bans, damaged };
}

function decodeBan(bytes: Uint8Array): Ban | undefined {
  if (bytes.length < LENGTH_SIZE + HEAD_SIZE + CHECK_SIZE) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(bytes.length - CHECK_SIZE) !== checksum(bytes.subarray(0, -CHECK_SIZE)))
    return undefined;
  const kind = KINDS[view.getUint8(2) & ~BY_POLICY];
  const by = (view.getUint8(2) & BY_POLICY) === 0 ? 'user' : 'policy';
  const [until, durationMs] = [Number(view.getBigUint64(3)), Number(view.getBigUint64(11))];
  const nameEnd = LENGTH_SIZE + HEAD_SIZE + view.getUint8(19);
  if (kind === undefined || nameEnd > bytes.length - CHECK_SIZE) return undefined;
  if (!Number.isSafeInteger(until) || durationMs < 1 || durationMs > MAX_BAN_MS) return undefined;
  const textOf = (start: number, end: number) => Buffer.from(bytes.subarray(start, end)).toString('utf8');
  const name = textOf(LENGTH_SIZE + HEAD_SIZE, nameEnd);
  const reason = textOf(nameEnd, bytes.length - CHECK_SIZE).slice(0, MAX_BAN_REASON_LENGTH);
  if (name === '' || name.length > MAX_NAME_LENGTH) return undefined;
  return { kind, name, until, durationMs, reason, by };
}

/** FNV-1a of 32 bits: against damage, which nobody makes on purpose. */
function checksum(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}
