import { expect, it } from 'vitest';
import { checkNatOptions, type NatOptions } from '../../../src/server/nat/options.ts';
import { codeOf } from '../../support/errors.ts';

const STUN = { host: '127.0.0.1', port: 3478 };

const refusal = (message: RegExp): unknown =>
  expect.objectContaining({ code: 'invalid-argument', message: expect.stringMatching(message) });

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

it.each([
  ...['', 'a b/\n', 'a\0b', '-a', 'a..b', '0.0.0.0', '255.255.255.255', '224.0.0.1', '240.0.0.1'],
  ...['256.1.1.1', '1.2.3', '0x7f000001', '1.2.3.4.', '::1', '[::1]', '1.2.3.4:3478', 'a'.repeat(254)],
  ...[undefined, null, 1, ['a'], {}],
])('refuses %j as the host of a STUN server, and names the option', (host) => {
  const options = { nat: 'stun', stunServer: { ...STUN, host } } as NatOptions;
  expect(() => checkNatOptions(options, undefined, '0.0.0.0')).toThrow(
    refusal(/^stunServer\.host is neither/),
  );
});

it.each(['127.0.0.1', '8.8.8.8', 'localhost', 'stun.example.org', 'stun.example.org.', 'a_b-c.d'])(
  'takes %s as the host of a STUN server',
  (host) => {
    const { nat } = checkNatOptions({ nat: 'stun', stunServer: { ...STUN, host } }, undefined, '0.0.0.0');
    expect(nat.stunServer).toEqual({ ...STUN, host });
  },
);

it('says what nat takes when it is given nothing, and names it when its address is none', () => {
  const refused =
    (nat: unknown): unknown =>
    () =>
      checkNatOptions({ nat } as NatOptions, undefined, '0.0.0.0');
  for (const nat of [{}, { extip: undefined }, null, '', 'extip']) {
    expect(refused(nat), JSON.stringify(nat)).toThrow(
      refusal(/^nat is neither one of none, any, pcp, pmp, upnp, stun nor \{ extip \}, with the IP address/),
    );
  }
  for (const extip of [null, '', '0.0.0.0', 'localhost', 1]) {
    expect(refused({ extip }), String(extip)).toThrow(
      refusal(/^nat\.extip is not the IP address of a host$/),
    );
  }
  expect(refused({ extip: '2001:4860::1' })).toThrow(refusal(/^nat\.extip: nobody reaches 0\.0\.0\.0/));
});
