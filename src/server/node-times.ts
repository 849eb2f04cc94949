/** Times in files of node sets: RFC 3339, as go-ethereum writes them. */
import { invalidArgument } from '../base/checks.ts';

/** What a time looks like that has not come yet: Go's zero time. */
const NEVER = '0001-01-01T00:00:00Z';
/** The last moment that RFC 3339 has four digits for, Unix ms. */
const LAST_TIME = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
const TIME = /^(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,3})\d*)?([Zz]|[+-]\d\d:\d\d)$/;

/** Unix ms, negative for Go's zero time; `NaN` for what is no time of RFC 3339. */
export function parseTime(text: string): number {
  const [, seconds, fraction = '0', zone] = TIME.exec(text) ?? [];
  if (seconds === undefined || zone === undefined) return Number.NaN;
  return Date.parse(`${seconds}.${fraction.padEnd(3, '0')}${zone}`.toUpperCase());
}

/** RFC 3339 in UTC. @param ms Unix ms @throws PeerlaneError `invalid-argument` */
export function formatTime(ms: number | undefined): string {
  if (ms === undefined) return NEVER;
  checkTime('the time', ms);
  // Without zeros at the end, as Go writes it.
  return new Date(ms).toISOString().replace(/\.?0+Z$/, 'Z');
}

/** @throws PeerlaneError `invalid-argument` */
export function checkTime(name: string, ms: number | undefined): void {
  if (ms === undefined || (Number.isSafeInteger(ms) && ms >= 0 && ms <= LAST_TIME)) return;
  throw invalidArgument(`${name} is no time in Unix ms`);
}
