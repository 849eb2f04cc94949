import { describe, expect, it } from 'vitest';
import { reachesFrom } from '../../src/server/listen-host.ts';

describe('a UDP socket', () => {
  const targets = ['8.8.8.8', '2a00::1', '::ffff:8.8.8.8'];
  const reached = (host: string) => targets.filter(reachesFrom(host));

  it('of IPv4 sends to IPv4', () => {
    for (const host of ['127.0.0.1', '0.0.0.0', '::ffff:127.0.0.1']) {
      expect(reached(host)).toEqual(['8.8.8.8', '::ffff:8.8.8.8']);
    }
  });

  it('of one IPv6 address sends to IPv6, and that of all addresses to both', () => {
    expect(reached('::1')).toEqual(['2a00::1']);
    expect(reached('::')).toEqual(targets);
  });

  it('sends to no name', () => {
    expect(reachesFrom('0.0.0.0')('localhost')).toBe(false);
  });
});
