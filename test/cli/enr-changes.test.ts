import { RLP } from '@ethereumjs/rlp';
import { InvalidArgumentError } from 'commander';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex } from '../../src/base/bytes.ts';
import { type Changes, change } from '../../src/cli/enr-changes.ts';
import { runs } from '../support/runs.ts';

const changesOf = (...texts: readonly string[]): Changes => {
  let changes: Changes | undefined;
  for (const text of texts) changes = change(text, changes);
  return changes ?? change('');
};

describe('a change of a record', () => {
  it.each([
    ['ip=1.2.3.4', { ip: '1.2.3.4' }],
    ['ip6=2001:db8::1', { ip6: '2001:db8::1' }],
    ['tcp=30303', { tcp: 30303 }],
    ['udp6=0', { udp6: 0 }],
    ['eth=0xAEF1F653', { eth: { hash: fromHex('aef1f653'), next: 0n } }],
    ['eth=aef1f653/18446744073709551615', { eth: { hash: fromHex('aef1f653'), next: 2n ** 64n - 1n } }],
    ['snap=true', { snap: true }],
    ['ng=1', { ng: 1, 'topic-discovery': 1 }],
    ['topic-discovery=2', { ng: 2, 'topic-discovery': 2 }],
    ['ip=', { ip: undefined }],
    ['snap=', { snap: undefined }],
    ['topic-discovery=', { ng: undefined, 'topic-discovery': undefined }],
  ])('%s sets entries with a type', (text, entries) => {
    expect(change(text)).toEqual({ entries, others: new Map() });
  });

  it.each([
    ['client=peerlane/1.0', RLP.encode('peerlane/1.0')],
    ['x=a=b', RLP.encode('a=b')],
    ['x=0x', RLP.encode(new Uint8Array())],
    ['x=0x05', Uint8Array.of(5)],
    ['x=0x0102', fromHex('820102')],
    ['x=rlp:0xc20102', fromHex('c20102')],
    ['x=', undefined],
  ])('%s sets an entry without one', (text, value) => {
    const { entries, others } = change(text);
    expect([entries, [...others.values()]]).toEqual([{}, [value]]);
  });

  it('comes after those before it, and wins over them', () => {
    const { entries, others } = changesOf('tcp=1', 'x=y', 'udp=2', 'tcp=3', 'x=z');
    expect(entries).toEqual({ tcp: 3, udp: 2 });
    expect([...others]).toEqual([['x', RLP.encode('z')]]);
  });

  it.each([
    ['', /KEY=VALUE/],
    ['tcp', /KEY=VALUE/],
    ['=5', /KEY=VALUE/],
    ['id=v4', /follows from the key/],
    ['secp256k1=', /follows from the key/],
    ['k\u00e9y=1', /ASCII/],
    ['a b=1', /ASCII/],
    ['ip=::1', /IPv4/],
    ['ip6=1.2.3.4', /IPv6/],
    ['tcp=65536', /port/],
    ['tcp=0x10', /port/],
    ['eth=aef1f6', /fork id/],
    ['eth=aef1f653/18446744073709551616', /fork id/],
    ['eth=aef1f653/', /fork id/],
    ['snap=false', /"true"/],
    ['ng=4294967296', /version/],
    ['ng=one', /version/],
    ['x=0x1', /hexadecimal/],
    ['x=0xzz', /hexadecimal/],
    ['x=rlp:c0', /0x/],
    ['x=rlp:0xc1', /not RLP/],
    ['x=rlp:0xc0c0', /not RLP/],
  ])('is refused with what was expected: %s', (text, message) => {
    expect(() => change(text)).toThrow(InvalidArgumentError);
    expect(() => change(text)).toThrow(message);
  });

  it('of any text is one or an InvalidArgumentError', () => {
    const key = fc.constantFrom('ip', 'tcp', 'eth', 'snap', 'ng', 'x', 'id', '__proto__', 'constructor', '');
    const value = fc.oneof(
      fc.string(),
      fc.constantFrom('rlp:0x', '0x', '1.2.3.4', 'rlp:0xc0', '99999999999999999999'),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.tuple(key, value).map((parts) => parts.join('=')),
        ),
        (text) => {
          try {
            const { entries, others } = change(text);
            expect(Object.keys(entries).length + others.size).toBeGreaterThan(0);
          } catch (error) {
            expect(error).toBeInstanceOf(InvalidArgumentError);
          }
        },
      ),
      { numRuns: runs(500) },
    );
  });
});
