import { describe, expect, it } from 'vitest';
import { mayRelay } from '../../src/kad/index.ts';

const [HERE, LAN, LINK, SPECIAL, OUT] = ['127.0.0.1', '10.1.1.1', '169.254.7.7', '100.64.0.9', '8.8.4.4'];
const ALL = [HERE, LAN, LINK, SPECIAL, OUT];

describe('a node', () => {
  it.each([
    [HERE, ALL],
    ['::1', ALL],
    [LAN, [LAN, LINK, SPECIAL, OUT]],
    ['fd00::1', [LAN, LINK, SPECIAL, OUT]],
    [LINK, [LAN, LINK, SPECIAL, OUT]],
    [SPECIAL, [SPECIAL, OUT]],
    [OUT, [OUT]],
    ['2606:4700::1', [OUT]],
  ])('at %s may name nodes at %j', (from, named) => {
    expect(ALL.filter((ip) => mayRelay(from, ip))).toEqual(named);
    const six = [
      ['::1', HERE],
      ['fd00::5', LAN],
      ['2001:db8::1', SPECIAL],
      ['2a00::1', OUT],
    ] as const;
    for (const [ip, like] of six) expect(mayRelay(from, ip)).toBe(named.includes(like));
  });

  it.each(['0.0.0.0', '255.255.255.255', '224.0.0.1', 'ff02::1', '::', 'example.org', ''])(
    'may name none at %s, where no host is',
    (ip) => {
      for (const from of [...ALL, '::1']) expect(mayRelay(from, ip)).toBe(false);
    },
  );

  it('that is nowhere may name those that are reached from everywhere', () => {
    expect(ALL.filter((ip) => mayRelay('', ip))).toEqual([OUT]);
  });
});
