/** Durations as they are typed, one form for all commands, and as they are shown. */
import { InvalidArgumentError, Option } from 'commander';
import { MAX_TIMER_MS } from '../base/env.ts';

const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Whole milliseconds of `24h`, `1h30m`, `2.5d` and the like; a number without a unit is seconds. */
export function duration(text: string): number {
  if (/^\d{1,10}(?:\.\d{1,6})?$/.test(text)) return Math.round(Number(text) * 1_000);
  const parts = [...text.matchAll(/(\d{1,9}(?:\.\d{1,6})?)(ms|[smhd])/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text) {
    throw new InvalidArgumentError('expected a duration such as 90s, 1h30m or 2d, or a number of seconds');
  }
  return Math.round(
    parts.reduce((sum, [, value, unit = '']) => sum + Number(value) * (UNITS_MS[unit] ?? 0), 0),
  );
}

/** A whole number of milliseconds as `duration` reads it, in the largest unit that it is a whole number of. */
export function durationText(ms: number): string {
  const units = Object.entries(UNITS_MS).toReversed();
  const [unit, size] = units.find(([, size]) => ms % size === 0) ?? ['ms', 1];
  return `${ms / size}${unit}`;
}

/** A duration that a timer can wait for, in ms. */
export function timerDuration(text: string): number {
  const ms = duration(text);
  if (ms > 0 && ms <= MAX_TIMER_MS) return ms;
  throw new InvalidArgumentError('expected a duration above zero, of at most 24 days');
}

/** An option for a duration. @param defaultMs without it the option has no default */
export function durationOption(
  flags: string,
  description: string,
  defaultMs?: number,
  read: (text: string) => number = timerDuration,
): Option {
  const option = new Option(flags, `${description} (90s, 2m; a number alone is seconds)`).argParser(read);
  return defaultMs === undefined ? option : option.default(defaultMs, durationText(defaultMs));
}
