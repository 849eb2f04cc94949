import { describe, expect, it } from 'vitest';
import { dnsServer, listenAddress } from '../../src/cli/arguments.ts';
import { duration, durationText } from '../../src/cli/durations.ts';
import { formatBytes, formatDuration, formatNumber, printable } from '../../src/cli/format.ts';

describe('durations as they are typed', () => {
  it.each([
    [1_800_000, '30m'],
    [120_000, '2m'],
    [86_400_000, '1d'],
    [90_000, '90s'],
    [1_500, '1500ms'],
  ])('%d ms are %s, and back', (ms, text) => {
    expect([durationText(ms), duration(text)]).toEqual([text, ms]);
  });

  it.each([
    ['90', 90_000],
    ['0.5', 500],
    ['1h30m', 5_400_000],
    ['2.5d', 216_000_000],
    ['0', 0],
  ])('%s are %d ms: a number alone is seconds', (text, ms) => {
    expect(duration(text)).toBe(ms);
  });

  it.each(['', ' ', 's', '1h30', '-1', '1e3', '1 m', '.5', '5.', '1w', '12345678901'])(
    'are not %j',
    (text) => {
      expect(() => duration(text)).toThrow(/expected a duration such as 90s/);
    },
  );
});

it.each(['127.0.0.1', '127.0.0.1:5353', '::1', '[::1]:5353', '[::1]'])('%s may be a DNS server', (text) => {
  expect(dnsServer(text)).toBe(text);
});

describe('figures for people', () => {
  it.each([
    [0, '0.0 s'],
    [9.94, '9.9 s'],
    [9.96, '10 s'],
    [59.4, '59 s'],
    [59.6, '1 min 0 s'],
    [200, '3 min 20 s'],
    [7_500, '2 h 5 min'],
  ])('%d seconds are %s', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });

  it.each([
    [0, '0'],
    [0.254, '0.25'],
    [12.34, '12.3'],
    [1234.5, '1,235'],
    [24_000, '24,000'],
  ])('%d is %s', (value, text) => {
    expect(formatNumber(value)).toBe(text);
  });

  it.each([
    [999, '999 bytes'],
    [1000, '1.0 kB'],
    [692_883, '692.9 kB'],
    [16_076_085, '16.1 MB'],
    [2.5e9, '2.5 GB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it('text of a peer cannot move the cursor, break the line or fill the screen', () => {
    expect(printable('Geth/v1\u001b[2J\r\n\u202e\u0000')).toBe('Geth/v1\u00b7[2J\u00b7\u00b7\u00b7\u00b7');
    expect(printable('x'.repeat(1000))).toHaveLength(200);
  });
});

describe('a listen address', () => {
  it.each([
    ['127.0.0.1:30303', { host: '127.0.0.1', port: 30303 }],
    ['[::1]:0', { host: '::1', port: 0 }],
    ['localhost:1', { host: 'localhost', port: 1 }],
    [':30303', { host: '::', port: 30303 }],
  ])('%s', (text, address) => {
    expect(listenAddress(text)).toEqual(address);
  });

  it.each(['', '127.0.0.1', '::1:0', '127.0.0.1:65536', '127.0.0.1:x', '[::1]', '127.0.0.1:-1'])(
    'is not %j',
    (text) => {
      expect(() => listenAddress(text)).toThrow(/expected/);
    },
  );
});
