import { describe, expect, it } from 'vitest';
import { networksOf } from '../../../src/kad/ip-limits.ts';
import {
  blockOf,
  hasLimits,
  LOCAL_NETWORK,
  NO_NETWORK,
  networkOf,
} from '../../../src/server/node-db/network.ts';

describe('addresses are', () => {
  it.each([
    ['8.8.8.1', '8.8.8.255', { network: true, block: true }],
    ['8.8.8.1', '8.8.9.1', { network: false, block: true }],
    ['8.8.255.255', '8.9.0.0', { network: false, block: false }],
    ['2a01:4f8:1::1', '2a01:4f8:1:ffff::2', { network: true, block: true }],
    ['2a01:4f8:1::1', '2a01:4f8:2::1', { network: false, block: true }],
    ['2a01:4f8:ffff::1', '2a01:4f9::1', { network: false, block: false }],
    ['::ffff:8.8.8.1', '8.8.8.2', { network: true, block: true }],
    // The same digits, of different kinds of networks.
    ['42.1.4.248', '2a01:4f8::1', { network: false, block: false }],
    ['0.1.0.1', '::1:0:0:0:1', { network: false, block: false }],
  ])('of one network, or one block: %s and %s', (a, b, same) => {
    const [x, y] = [networkOf(a), networkOf(b)];
    expect({ network: x === y, block: blockOf(x) === blockOf(y) }).toEqual(same);
  });

  it.each(['8.8.8.1', '255.255.255.255', '0.0.0.1', '2a01:4f8:1::1', 'ffff:ffff:ffff:ffff::', '100.64.0.1'])(
    'of a network whose number is exact: %s',
    (ip) => {
      const network = networkOf(ip);
      expect([hasLimits(network), Number.isSafeInteger(network)]).toEqual([true, true]);
      expect(networksOf(ip)).toBeDefined();
    },
  );

  it.each(['127.0.0.1', '127.9.9.9', '10.1.2.3', '172.16.0.1', '192.168.1.1', '::1', 'fe80::1', 'fd00::1'])(
    'of this host or its LAN, which is one network without limits, as in the table: %s',
    (ip) => {
      expect([networkOf(ip), hasLimits(networkOf(ip)), blockOf(networkOf(ip))]).toEqual([
        LOCAL_NETWORK,
        false,
        LOCAL_NETWORK,
      ]);
      expect(networksOf(ip)).toBeUndefined();
    },
  );

  it('nowhere when there is none', () => {
    expect([networkOf(undefined), hasLimits(networkOf(undefined)), blockOf(NO_NETWORK)]).toEqual([
      NO_NETWORK,
      false,
      NO_NETWORK,
    ]);
  });
});
