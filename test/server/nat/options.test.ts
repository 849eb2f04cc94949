import { expect, it } from 'vitest';
import { checkNatOptions, type NatOptions } from '../../../src/server/nat/options.ts';
import { codeOf } from '../../support/errors.ts';

const HERE = ['0.0.0.0'];
const BOTH = ['127.0.0.1', '::1'];
const STUN = { host: '127.0.0.1', port: 3478 };

const refusal = (message: RegExp): unknown =>
  expect.objectContaining({ code: 'invalid-argument', message: expect.stringMatching(message) });

it('an address is the same by either option', () => {
  const expected = { nat: { way: 'none', stunServer: undefined }, externalIps: ['1.2.3.4'] };
  expect(checkNatOptions({ nat: { extip: '1.2.3.4' } }, undefined, HERE)).toEqual(expected);
  expect(checkNatOptions({ nat: { extip: '1.2.3.4' } }, '1.2.3.4', HERE)).toEqual(expected);
  expect(checkNatOptions({}, '1.2.3.4', HERE)).toEqual(expected);
});

it('there may be an address of each family, the same by either option in any order', () => {
  const [a, b] = ['1.2.3.4', '2001:db8::7'];
  const expected = { nat: { way: 'none', stunServer: undefined }, externalIps: [a, b] };
  expect(checkNatOptions({ nat: { extip: [a, '2001:DB8::0:7'] } }, [b, a], BOTH)).toEqual(expected);
  expect(checkNatOptions({}, [a, b], ['::'])).toEqual(expected);
  expect(() => checkNatOptions({ nat: { extip: [a, b] } }, [b], BOTH)).toThrow(
    refusal(/^externalIp is 2001:db8::7, and nat says 1\.2\.3\.4 and 2001:db8::7$/),
  );
});

it.each<[string, unknown, string | readonly string[] | undefined, readonly string[]]>([
  ['another address', { nat: { extip: '1.2.3.4' } }, '1.2.3.5', HERE],
  ['an address that is to be found out', { nat: 'upnp' }, '1.2.3.4', HERE],
  ['a way that is none', { nat: 'upnpp' }, undefined, HERE],
  ['null', { nat: null }, undefined, HERE],
  ['an unknown name', { nat: { extipp: '1.2.3.4' } }, undefined, HERE],
  ['no listener', { nat: 'any' }, undefined, []],
  ['no STUN server', { nat: 'stun' }, undefined, HERE],
  ['a STUN server for another way', { nat: 'any', stunServer: STUN }, undefined, HERE],
  ['port 0 of a STUN server', { nat: 'stun', stunServer: { ...STUN, port: 0 } }, undefined, HERE],
  ['another address beside', { nat: { extip: ['1.2.3.4', '::7'] } }, '1.2.3.4', BOTH],
  ['two addresses of a family', { nat: { extip: ['1.2.3.4', '1.2.3.5'] } }, undefined, BOTH],
  ['no address', {}, [], BOTH],
  ['an address that no family reaches', {}, ['1.2.3.4', '2001:db8::7'], HERE],
])('refuses %s', (_, options, externalIp, hosts) => {
  expect(codeOf(() => checkNatOptions(options as NatOptions, externalIp, hosts))).toBe('invalid-argument');
});

it.each([
  ...['', 'a b/\n', 'a\0b', '-a', 'a..b', '0.0.0.0', '255.255.255.255', '224.0.0.1', '240.0.0.1'],
  ...['256.1.1.1', '1.2.3', '0x7f000001', '1.2.3.4.', '::1', '[::1]', '1.2.3.4:3478', 'a'.repeat(254)],
  ...[undefined, null, 1, ['a'], {}],
])('refuses %j as the host of a STUN server, and names the option', (host) => {
  const options = { nat: 'stun', stunServer: { ...STUN, host } } as NatOptions;
  expect(() => checkNatOptions(options, undefined, HERE)).toThrow(refusal(/^stunServer\.host is neither/));
});

it.each(['127.0.0.1', '8.8.8.8', 'localhost', 'stun.example.org', 'stun.example.org.', 'a_b-c.d'])(
  'takes %s as the host of a STUN server',
  (host) => {
    const { nat } = checkNatOptions({ nat: 'stun', stunServer: { ...STUN, host } }, undefined, HERE);
    expect(nat.stunServer).toEqual({ ...STUN, host });
  },
);

it('says what nat takes when it is given nothing, and names it when its address is none', () => {
  const refused =
    (nat: unknown): unknown =>
    () =>
      checkNatOptions({ nat } as NatOptions, undefined, HERE);
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
