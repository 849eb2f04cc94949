/** Figures for people. */

/** `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`. @param seconds not negative */
export function formatDuration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Three digits for small figures, groups of three for large ones: `0.25`, `12.5`, `1,234`. */
export function formatNumber(value: number): string {
  if (Number.isInteger(value)) return value.toLocaleString('en-US');
  const digits = value < 1 ? 2 : value < 100 ? 1 : 0;
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** At most three digits after the point, for JSON. */
export function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}

/** `1 node`, `12 nodes`. @param plural where it is more than an added s */
export function formatCount(count: number, singular: string, plural = `${singular}s`): string {
  return `${formatNumber(count)} ${count === 1 ? singular : plural}`;
}

/** `812 bytes`, `3.4 kB`, `1.2 MB`: powers of 1,000. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${Math.round(bytes)} bytes`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  if (bytes < 1e9) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

/** Text of a peer, made safe for a terminal and one line: no control characters, at most `limit` characters. */
export function printable(text: string, limit = 200): string {
  const clean = text.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu, '\u00b7');
  return clean.length > limit ? `${clean.slice(0, limit - 1)}\u2026` : clean;
}

/** A number where JSON readers keep it exact, else its digits. */
export function jsonInteger(value: bigint): number | string {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString();
}
