import { expect, it } from 'vitest';
import { checkNatOptions, type NatOptions } from '../../../src/server/nat/options.ts';
import { codeOf } from '../../support/errors.ts';

const STUN = { host: '127.0.0.1', port: 3478 };

it('an address is the same by either option', () => {
  const expected = { nat: { way: 'none', stunServer: undefined }, externalIp: '1.2.3.4' };
  expect(checkNatOptions({ nat: { extip: '1.2.3.4' } }, undefined, '0.0.0.0')).toEqual(expected);
  expect(checkNatOptions({ nat: { extip: '1.2.3.4' } }, '1.2.3.4', '0.0.0.0')).toEqual(expected);
  expect(checkNatOptions({}, '1.2.3.4', '0.0.0.0')).toEqual(expected);
});

it.each<[string, unknown, string | undefined, string | undefined]>([
  ['two addresses', { nat: { extip: '1.2.3.4' } }, '1.2.3.5', '0.0.0.0'],
  ['an address that is to be found out', { nat: 'upnp' }, '1.2.3.4', '0.0.0.0'],
  ['a way that is none', { nat: 'upnpp' }, undefined, '0.0.0.0'],
  ['null', { nat: null }, undefined, '0.0.0.0'],
  ['an unknown name', { nat: { extipp: '1.2.3.4' } }, undefined, '0.0.0.0'],
  ['no listener', { nat: 'any' }, undefined, undefined],
  ['no STUN server', { nat: 'stun' }, undefined, '0.0.0.0'],
  ['a STUN server for another way', { nat: 'any', stunServer: STUN }, undefined, '0.0.0.0'],
  ['port 0 of a STUN server', { nat: 'stun', stunServer: { ...STUN, port: 0 } }, undefined, '0.0.0.0'],
])('refuses %s', (_, options, externalIp, host) => {
  expect(codeOf(() => checkNatOptions(options as NatOptions, externalIp, host))).toBe('invalid-argument');
});
