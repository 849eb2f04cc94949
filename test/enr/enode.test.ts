import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex, toBareHex } from '../../src/base/bytes.ts';
import { publicKeyOf } from '../../src/crypto/index.ts';
import {
  compressPublicKey,
  endpointsOfRecord,
  enodeOfRecord,
  formatEnode,
  parseEnode,
  signRecord,
} from '../../src/enr/index.ts';
import { codeOf } from '../support/errors.ts';
import { runs } from '../support/runs.ts';
import { errorOf } from './errors.ts';

// The key and the forms of go-ethereum's p2p/enode/urlv4_test.go.
const KEY =
  '1dd9d65c4552b5eb43d5ad55a2ee3f56c6cbc1c64a5c8d659f51fcd51bace24351232b8d7821617d2b29b54b81cdefb9b3e9c37d7fd5f63270bcc9e1a6f6a439';
const publicKey = fromHex(KEY);

/** Of 127.0.0.1, as systems have read them for long, and others that end as these do. */
const OLD_FORMS = [
  ...['0x7f000001', '0X7F000001', '0x7f.1', '127.1', '2130706433', '0177.0.0.1', '017700000001'],
  ...['0x7f.0.0.0x1', '127.0.0.0x1', '127.0.0.0x', '0x7f.1.', '127.0.0.1.', 'host.1', 'host.0xa', 'host.09'],
];

describe('an enode URL', () => {
  it.each([
    ['127.0.0.1:52150', { host: '127.0.0.1', tcpPort: 52150, udpPort: 52150 }],
    ['valid.:3', { host: 'valid.', tcpPort: 3, udpPort: 3 }],
    ['Node_1.Example.org:30303', { host: 'Node_1.Example.org', tcpPort: 30303, udpPort: 30303 }],
    // The last label is no number: no system takes it for an address.
    ['1.2.3.0xg:3', { host: '1.2.3.0xg', tcpPort: 3, udpPort: 3 }],
    ['127.0.0.1.nip:3', { host: '127.0.0.1.nip', tcpPort: 3, udpPort: 3 }],
    ['[::]:52150', { host: '::', tcpPort: 52150, udpPort: 52150 }],
    [
      '[2001:db8:3c4d:15::abcd:ef12]:52150',
      { host: '2001:db8:3c4d:15::abcd:ef12', tcpPort: 52150, udpPort: 52150 },
    ],
    ['127.0.0.1:52150?discport=22334', { host: '127.0.0.1', tcpPort: 52150, udpPort: 22334 }],
    ['127.0.0.1:30303?discport=0', { host: '127.0.0.1', tcpPort: 30303, udpPort: 0 }],
  ])('names where a node is: %s', (location, expected) => {
    const url = `enode://${KEY}@${location}`;
    const parsed = parseEnode(url);
    expect(parsed).toEqual({ publicKey, ...expected });
    expect(formatEnode(parsed)).toBe(url);
  });

  it.each([
    ['[2001:DB8::0:1]:1', '[2001:db8::1]:1'],
    ['[::ffff:10.0.0.1]:1', '10.0.0.1:1'],
    ['10.0.0.1:1?discport=1', '10.0.0.1:1'],
    ['10.0.0.1:00001?other=2', '10.0.0.1:1'],
  ])('has one form: %s is %s', (location, canonical) => {
    expect(formatEnode(parseEnode(`enode://${KEY.toUpperCase()}@${location}`))).toBe(
      `enode://${KEY}@${canonical}`,
    );
  });

  it.each([
    ['', /starts with "enode:\/\/"/],
    [KEY, /starts with "enode:\/\/"/],
    ['http://foobar', /starts with "enode:\/\/"/],
    [`ENODE://${KEY}@1.2.3.4:1`, /starts with "enode:\/\/"/],
    ['enode://01010101@123.124.125.126:3', /not 128 hexadecimal digits/],
    [`enode://0x${KEY.slice(2)}@1.2.3.4:1`, /not 128 hexadecimal digits/],
    [`enode://${KEY}0@1.2.3.4:1`, /not 128 hexadecimal digits/],
    [`enode://${'0'.repeat(128)}@1.2.3.4:1`, /not a point/],
    [`enode://${KEY.slice(0, 127)}8@1.2.3.4:1`, /not a point/],
    [`enode://${'f'.repeat(128)}@1.2.3.4:1`, /not a point/],
    [`enode://${KEY}`, /expected "@host:port"/],
    [`enode://${KEY}@1.2.3.4:1@1.2.3.4:1`, /expected "@host:port"/],
    [`enode://${KEY}@1.2.3.4`, /expected "host:port"/],
    [`enode://${KEY}@::1:30303`, /in brackets/],
    [`enode://${KEY}@[::1]`, /expected "host:port"/],
    [`enode://${KEY}@[::1%eth0]:1`, /not an IPv6 address/],
    [`enode://${KEY}@[127.0.0.1]:1`, /not an IPv6 address/],
    [`enode://${KEY}@:1`, /not a host name/],
    [`enode://${KEY}@a..b:1`, /not a host name/],
    [`enode://${KEY}@a b:1`, /not a host name/],
    [`enode://${KEY}@${'a'.repeat(254)}:1`, /not a host name/],
    [`enode://${KEY}@1.2.3:1`, /not an IPv4 address/],
    [`enode://${KEY}@1.2.3.256:1`, /not an IPv4 address/],
    ...OLD_FORMS.map((host): [string, RegExp] => [`enode://${KEY}@${host}:1`, /not an IPv4 address/]),
    [`enode://${KEY}@127.0.0.1:foo`, /^the port/],
    [`enode://${KEY}@127.0.0.1:`, /^the port/],
    [`enode://${KEY}@127.0.0.1:65536`, /^the port/],
    [`enode://${KEY}@127.0.0.1:-1`, /^the port/],
    [`enode://${KEY}@127.0.0.1:1/path`, /^the port/],
    [`enode://${KEY}@127.0.0.1:3?discport=foo`, /^the discport/],
    [`enode://${KEY}@127.0.0.1:3?discport=1&discport=2`, /twice/],
    [`enode://${KEY}@127.0.0.1:3?${'x'.repeat(500)}`, /longer than/],
  ])('is refused with what is wrong: %s', (url, message) => {
    const error = errorOf(() => parseEnode(url));
    expect(error.code).toBe('invalid-enode');
    expect(error.message).toMatch(message);
  });

  it('comes back from its text', () => {
    const key = fc
      .uint8Array({ minLength: 32, maxLength: 32 })
      .map((bytes) => bytes.with(0, 1))
      .map((secretKey) => publicKeyOf(secretKey));
    const host = fc.oneof(fc.ipV4(), fc.constantFrom('::1', '2001:db8::1', 'localhost', 'a.example'));
    const port = fc.integer({ min: 0, max: 65_535 });
    fc.assert(
      fc.property(fc.record({ publicKey: key, host, tcpPort: port, udpPort: port }), (enode) => {
        expect(parseEnode(formatEnode(enode))).toEqual(enode);
      }),
      { numRuns: runs(50) },
    );
  });

  it('of what is no text is an invalid-enode', () => {
    expect(codeOf(() => parseEnode(undefined as never))).toBe('invalid-enode');
  });

  it.each([
    [undefined],
    [{}],
    [{ publicKey: new Uint8Array(63), host: '::1', tcpPort: 1, udpPort: 1 }],
    [{ publicKey: new Uint8Array(64), tcpPort: 1, udpPort: 1 }],
    [{ publicKey: new Uint8Array(64), host: '::1', tcpPort: 65_536, udpPort: 1 }],
    [{ publicKey: new Uint8Array(64), host: '::1', tcpPort: 1 }],
  ])('is not made of %j', (parts) => {
    expect(codeOf(() => formatEnode(parts as never))).toBe('invalid-enode');
  });

  it.each(['x', undefined, new Uint8Array(63)])('has no compressed key of %s', (key) => {
    expect(codeOf(() => compressPublicKey(key as never))).toBe('invalid-public-key');
  });

  it('of any text is a value or an invalid-enode', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('enode://', KEY, '@', ':', '[', ']', '?discport=', '::1', '1.2.3.4', '30303', '.'),
    );
    const text = fc.array(piece, { maxLength: 9 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(
        fc.oneof(
          text,
          text.map((rest) => `enode://${KEY}@${rest}`),
        ),
        (url) => {
          let again: string;
          try {
            again = formatEnode(parseEnode(url));
          } catch (error) {
            expect(error).toMatchObject({ code: 'invalid-enode' });
            return;
          }
          expect(formatEnode(parseEnode(again))).toBe(again);
        },
      ),
      { numRuns: runs(300) },
    );
  });
});

describe('a record as an enode', () => {
  const secretKey = fromHex('b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291');
  const enodeOf = (entries: object): string | undefined => {
    const enode = enodeOfRecord(signRecord(secretKey, { seq: 1n, entries }));
    return enode && formatEnode(enode).replace(toBareHex(enode.publicKey), 'KEY');
  };

  it('takes the IPv4 endpoint first', () => {
    const both = { ip: '1.2.3.4', ip6: '2001:db8::1', tcp: 30303, udp: 30301, tcp6: 40404 };
    expect(enodeOf(both)).toBe('enode://KEY@1.2.3.4:30303?discport=30301');
  });

  it('applies tcp and udp to IPv6 unless tcp6 and udp6 are there', () => {
    expect(enodeOf({ ip6: '2001:db8::1', tcp: 1, udp: 2 })).toBe('enode://KEY@[2001:db8::1]:1?discport=2');
    expect(enodeOf({ ip6: '2001:db8::1', tcp: 1, udp: 2, tcp6: 3, udp6: 3 })).toBe(
      'enode://KEY@[2001:db8::1]:3',
    );
  });

  it('takes the IPv6 endpoint first when only that one is reached from everywhere, as behind a NAT', () => {
    const both = { ip: '192.168.1.2', tcp: 30303, udp: 30301, ip6: '2606:4700::1', tcp6: 40404, udp6: 40405 };
    expect(enodeOf(both)).toBe('enode://KEY@[2606:4700::1]:40404?discport=40405');
    expect(endpointsOfRecord(signRecord(secretKey, { seq: 1n, entries: both }))).toEqual([
      { host: '2606:4700::1', tcpPort: 40404, udpPort: 40405 },
      { host: '192.168.1.2', tcpPort: 30303, udpPort: 30301 },
    ]);
    expect(enodeOf({ ...both, ip6: 'fd00::1' })).toMatch(/@192\.168\.1\.2:/);
  });

  it('has the IPv4 address of an ip6 entry that holds one', () => {
    expect(enodeOf({ ip6: '::ffff:1.2.3.4', tcp: 1, udp: 1 })).toBe('enode://KEY@1.2.3.4:1');
  });

  it('has the ports that the record names, and 0 for those it does not', () => {
    expect(enodeOf({ ip: '1.2.3.4' })).toBe('enode://KEY@1.2.3.4:0');
    expect(enodeOf({ ip: '1.2.3.4', tcp: 30303 })).toBe('enode://KEY@1.2.3.4:30303?discport=0');
    expect(enodeOf({ ip: '1.2.3.4', udp: 30303 })).toBe('enode://KEY@1.2.3.4:0?discport=30303');
  });

  it.each([
    { ip: '0.0.0.0' },
    { ip: '224.0.0.1' },
    { ip6: '::' },
    { ip6: 'ff02::1' },
    { ip: '239.1.1.1', ip6: '::ffff:0.0.0.0' },
  ])('is nothing at an address where no node can be: %j', (entries) => {
    expect(enodeOf({ ...entries, tcp: 1, udp: 1 })).toBeUndefined();
    expect(enodeOf({ ip6: '2001:db8::1', ...entries, ip: '1.2.3.4', tcp: 1, udp: 1 })).toMatch(
      /@1\.2\.3\.4:1$/,
    );
  });

  it('is nothing without an address', () => {
    expect(enodeOf({ tcp: 1 })).toBeUndefined();
  });
});
