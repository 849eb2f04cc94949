import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex, toBareHex } from '../../src/base/bytes.ts';
import { keccak256, publicKeyOf } from '../../src/crypto/index.ts';
import { decodeBase32, decodeBase64, encodeBase32, encodeBase64 } from '../../src/dnsdisc/encoding.ts';
import { bytesOf, hashOf, isHash, MAX_ENTRY_LENGTH, parseEntry, textOf } from '../../src/dnsdisc/entry.ts';
import { formatTreeUrl, parseTreeUrl } from '../../src/dnsdisc/index.ts';
import { decompressPublicKey } from '../../src/dnsdisc/public-key.ts';
import { formatRoot, parseRoot, rootOf, signerOf, signRoot, verifyRoot } from '../../src/dnsdisc/root.ts';
import { compressPublicKey } from '../../src/enr/index.ts';
import { codeOf } from '../support/errors.ts';
import { runs } from '../support/runs.ts';
import { key, record } from './trees.ts';
import { KEY, PUBLIC_KEY, SIGNER, SIGNER_URL, URL, ZONE } from './vectors.ts';

describe('the example of EIP-1459', () => {
  const { publicKey, domain } = parseTreeUrl(URL);

  it('is found at its domain and signed by its key', () => {
    expect([toBareHex(publicKey), domain]).toEqual([PUBLIC_KEY, 'nodes.example.org']);
    expect(formatTreeUrl({ publicKey, domain })).toBe(URL);
    const text = ZONE['@'];
    const root = parseRoot(text);
    expect(root).toMatchObject({
      recordsHash: 'JWXYDBPXYWG6FX3GMDIBFA6CJ4',
      linksHash: 'C7HRFPF3BLGF3YR4DY5KX3SMBE',
      seq: 1n,
    });
    expect(formatRoot(root)).toBe(text);
    const signer = parseTreeUrl(SIGNER_URL).publicKey;
    verifyRoot(root, signer);
    expect([signerOf(root), toBareHex(signer)]).toEqual([signer, SIGNER]);
  });

  it('names each entry by its hash', () => {
    for (const [name, text] of Object.entries(ZONE)) {
      if (name === '@') continue;
      expect(hashOf(text)).toBe(name);
      expect(textOf(['v=spf1 -all', text], name)).toBe(text);
    }
  });

  it('holds a branch, a link and records', () => {
    expect(parseEntry(ZONE.JWXYDBPXYWG6FX3GMDIBFA6CJ4)).toEqual({
      kind: 'branch',
      children: ['2XS2367YHAXJFGLZHVAWLQD4ZY', 'H4FHT4B454P6UXFD7JCYQ5PWDY', 'MHTDO6TMUBRIA2XWG5LUDACK24'],
    });
    expect(parseEntry(ZONE.C7HRFPF3BLGF3YR4DY5KX3SMBE)).toEqual({
      kind: 'link',
      url: { publicKey, domain: 'morenodes.example.org' },
    });
    for (const name of [
      '2XS2367YHAXJFGLZHVAWLQD4ZY',
      'H4FHT4B454P6UXFD7JCYQ5PWDY',
      'MHTDO6TMUBRIA2XWG5LUDACK24',
    ] as const) {
      const entry = parseEntry(ZONE[name]);
      expect(entry.kind === 'record' && entry.record.toString()).toBe(ZONE[name]);
    }
  });
});

// RFC 4648, section 10, without padding.
describe.each([
  ['', '', ''],
  ['f', 'MY', 'Zg'],
  ['fo', 'MZXQ', 'Zm8'],
  ['foo', 'MZXW6', 'Zm9v'],
  ['foob', 'MZXW6YQ', 'Zm9vYg'],
  ['fooba', 'MZXW6YTB', 'Zm9vYmE'],
  ['foobar', 'MZXW6YTBOI', 'Zm9vYmFy'],
])('the bytes of "%s"', (text, base32, base64) => {
  const bytes = new Uint8Array(Buffer.from(text));
  it('are written as RFC 4648 says, and read back', () => {
    expect([encodeBase32(bytes), encodeBase64(bytes)]).toEqual([base32, base64]);
    expect([decodeBase32(base32), decodeBase64(base64)]).toEqual([bytes, bytes]);
  });
});

describe('base32', () => {
  it('has one form for all bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        expect(decodeBase32(encodeBase32(bytes))).toEqual(bytes);
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'ABCXYZ234567a1='), maxLength: 60 }), (text) => {
        const bytes = decodeBase32(text);
        if (bytes !== undefined) expect(encodeBase32(bytes)).toBe(text);
      }),
    );
  });

  it.each(['MZ', 'MZXW6Y', 'my', 'MY======', 'M', '1A', 'M Y'])('is not %s', (text) => {
    expect(decodeBase32(text)).toBeUndefined();
  });
});

describe('a hash', () => {
  it('has 12 to 32 bytes', () => {
    const lengths = Array.from({ length: 40 }, (_, i) => i);
    expect(lengths.filter((length) => isHash(encodeBase32(new Uint8Array(length))))).toEqual(
      lengths.filter((length) => length >= 12 && length <= 32),
    );
  });

  it('belongs to a text however much it is abbreviated, and to no other', () => {
    const text = 'enrtree-branch:';
    for (const length of [12, 16, 20, 32]) {
      const hash = encodeBase32(keccakOf(text).subarray(0, length));
      expect(textOf(['enrtree-branch:x', text], hash)).toBe(text);
      expect(codeOf(() => textOf(['enrtree-branch:x'], hash))).toBe('invalid-tree');
    }
  });
});

describe('a compressed key', () => {
  it('leads back to its point', () => {
    for (let i = 0; i < 8; i++) {
      const publicKey = publicKeyOf(key(i));
      expect(decompressPublicKey(compressPublicKey(publicKey))).toEqual(publicKey);
    }
  });

  it.each([
    ['of another form', `04${'11'.repeat(32)}`],
    // SEC 2: p is 2^256 - 2^32 - 977.
    ['above the field', `02${'ff'.repeat(32)}`],
    ['of zero', `02${'00'.repeat(32)}`],
    // 5 is the smallest x without a point: 5^3 + 7 = 132 is no square.
    ['without a point', `02${'00'.repeat(31)}05`],
    ['too short', `02${'11'.repeat(31)}`],
  ])('%s is none', (_, hex) => {
    expect(decompressPublicKey(fromHex(hex))).toBeUndefined();
  });
});

describe('the URL of a tree', () => {
  it.each([
    ['nodes.example.org.', 'nodes.example.org'],
    ['Nodes.EXAMPLE.org', 'nodes.example.org'],
    ['_x.a-b.c', '_x.a-b.c'],
    ['n', 'n'],
  ])('has one form of its domain: %s', (written, domain) => {
    const url = parseTreeUrl(`enrtree://${KEY}@${written}`);
    expect(url.domain).toBe(domain);
    expect(formatTreeUrl(url)).toBe(`enrtree://${KEY}@${domain}`);
  });

  it.each([
    `enrtree:/${KEY}@n`,
    `ENRTREE://${KEY}@n`,
    `enrtree://${KEY}`,
    `enrtree://${KEY}@`,
    `enrtree://${KEY}@a..b`,
    `enrtree://${KEY}@a b`,
    `enrtree://${KEY}@a/b`,
    `enrtree://${KEY}@${'a'.repeat(64)}`,
    `enrtree://${KEY}@${'a.'.repeat(120)}`,
    `enrtree://${KEY.toLowerCase()}@n`,
    `enrtree://${KEY.slice(0, 52)}@n`,
    // A stray bit behind the key.
    `enrtree://${KEY.slice(0, 52)}3@n`,
    `enrtree://AAAA@n`,
    `enrtree://@n`,
    '',
    'x'.repeat(100_000),
  ])('is not %s', (url) => {
    expect(codeOf(() => parseTreeUrl(url))).toBe('invalid-tree-url');
  });
});

describe('a root', () => {
  const content = {
    recordsHash: 'TO4Q75OQ2N7DX4EOOR7X66A6OM',
    linksHash: 'TO4Q75OQ2N7DX4EOOR7X66A6OM',
    seq: 3n,
  };
  const publicKey = publicKeyOf(key(1));
  const root = signRoot(content, key(1));
  const text = formatRoot(root);

  // go-ethereum, p2p/dnsdisc/tree_test.go.
  it('of go-ethereum is read', () => {
    const theirs =
      'enrtree-root:v1 e=TO4Q75OQ2N7DX4EOOR7X66A6OM l=TO4Q75OQ2N7DX4EOOR7X66A6OM seq=3 sig=N-YY6UB9xD0hFx1Gmnt7v0RfSxch5tKyry2SRDoLx7B4GfPXagwLxQqyf7gAMvApFn_ORwZQekMWa_pXrcGCtwE';
    expect(parseRoot(theirs)).toMatchObject(content);
    expect(formatRoot(parseRoot(theirs))).toBe(theirs);
  });

  it('is signed by one key, whatever the recovery id says', () => {
    for (const id of [0, 1, 27, 255]) {
      const signature = root.signature.with(64, id);
      verifyRoot({ ...root, signature }, publicKey);
    }
    expect(codeOf(() => verifyRoot(root, publicKeyOf(key(2))))).toBe('invalid-tree');
    expect(codeOf(() => verifyRoot({ ...root, seq: 4n }, publicKey))).toBe('invalid-tree');
    expect(codeOf(() => verifyRoot({ ...root, signature: new Uint8Array(65) }, publicKey))).toBe(
      'invalid-tree',
    );
  });

  it('is found among other records, the newest first', () => {
    const newer = signRoot({ ...content, seq: 4n }, key(1));
    const forged = signRoot({ ...content, seq: 9n }, key(2));
    const texts = ['v=spf1 -all', 'enrtree-root:v1 nonsense', text, formatRoot(forged), formatRoot(newer)];
    expect(rootOf(texts, publicKey).seq).toBe(4n);
    expect(codeOf(() => rootOf(texts.slice(0, 2), publicKey))).toBe('invalid-tree');
    expect(codeOf(() => rootOf([], publicKey))).toBe('invalid-tree');
  });

  it.each([
    ['a version that is not known', text.replace('v1', 'v2')],
    ['a sequence number with a sign', text.replace('seq=3', 'seq=-3')],
    ['a sequence number with zeros in front', text.replace('seq=3', 'seq=03')],
    ['a sequence number of 2^64', text.replace('seq=3', `seq=${2n ** 64n}`)],
    ['a short hash', text.replace('e=TO4Q75OQ2N7DX4EOOR7X66A6OM', 'e=TO4Q75OQ2N7DX4EO')],
    [
      'a hash that is no base32',
      text.replace('l=TO4Q75OQ2N7DX4EOOR7X66A6OM', 'l=TO4Q75OQ2N7DX4EOOR7X66A6O1'),
    ],
    ['a short signature', text.slice(0, -1)],
    ['a long signature', `${text}A`],
    [
      'a stray bit in the signature',
      text.slice(0, -1) + String.fromCharCode(text.charCodeAt(text.length - 1) + 1),
    ],
    ['more behind it', `${text} x=1`],
    ['no signature', text.replace(/ sig=.*/, '')],
  ])('with %s is refused', (_, broken) => {
    expect(codeOf(() => parseRoot(broken))).toBe('invalid-tree');
  });

  it('of any text is a root or an invalid-tree', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        'enrtree-root:v1',
        ' ',
        'e=',
        'l=',
        'seq=',
        'sig=',
        content.linksHash,
        '7',
        text.slice(-87),
      ),
    );
    const any = fc.array(piece, { maxLength: 14 }).map((parts) => parts.join(''));
    const cut = fc.tuple(fc.nat(text.length), any).map(([at, rest]) => text.slice(0, at) + rest);
    fc.assert(
      fc.property(fc.oneof(any, cut), (candidate) => {
        let again: string;
        try {
          again = formatRoot(parseRoot(candidate));
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid-tree' });
          return;
        }
        expect(again).toBe(candidate);
      }),
      { numRuns: runs(500) },
    );
  });
});

describe('an entry', () => {
  const reasonOf = (text: string): string | undefined => {
    const entry = parseEntry(text);
    return entry.kind === 'ignored' ? entry.reason.code : undefined;
  };

  it('may be an empty branch', () => {
    expect(parseEntry('enrtree-branch:')).toEqual({ kind: 'branch', children: [] });
  });

  it('of an unknown type is ignored', () => {
    expect(reasonOf('enrtree-future:something')).toBe('invalid-tree');
    expect(reasonOf('')).toBe('invalid-tree');
  });

  it.each([
    ['a branch with a name that is no hash', 'enrtree-branch:AAAA', 'invalid-tree'],
    ['a branch with a gap', 'enrtree-branch:TO4Q75OQ2N7DX4EOOR7X66A6OM,', 'invalid-tree'],
    [
      'a branch that is far too long',
      `enrtree-branch:${Array(100).fill('TO4Q75OQ2N7DX4EOOR7X66A6OM').join(',')}`,
      'invalid-tree',
    ],
    ['a link without a key', 'enrtree://nodes.example.org', 'invalid-tree-url'],
    ['a record that is none', 'enr:AAAA', 'invalid-record'],
    ['a record of more than 300 bytes', `enr:${'A'.repeat(500)}`, 'invalid-record'],
  ])('is ignored when it is %s', (_, text, code) => {
    expect(reasonOf(text)).toBe(code);
  });

  it('is not ignored when it is long, up to a limit', () => {
    const count = Math.floor((MAX_ENTRY_LENGTH - 'enrtree-branch:'.length + 1) / 27);
    const list = Array(count).fill('TO4Q75OQ2N7DX4EOOR7X66A6OM').join(',');
    expect(parseEntry(`enrtree-branch:${list}`).kind).toBe('branch');
  });

  it('of any text is read or ignored', () => {
    const enr = record(0).toString();
    const piece = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('enr:', 'enrtree://', 'enrtree-branch:', ',', '@', KEY, 'n', hashOf('x'), enr.slice(4)),
    );
    const any = fc.array(piece, { maxLength: 9 }).map((parts) => parts.join(''));
    const changed = fc.tuple(fc.nat(enr.length), any).map(([at, rest]) => enr.slice(0, at) + rest);
    fc.assert(
      fc.property(fc.oneof(any, changed), (text) => {
        const entry = parseEntry(text);
        if (entry.kind === 'ignored') expect(entry.reason.name).toBe('PeerlaneError');
        if (entry.kind === 'record') expect(entry.record.toString()).toBe(text);
      }),
      { numRuns: runs(500) },
    );
  });
});

function keccakOf(text: string): Uint8Array {
  return keccak256(new TextEncoder().encode(text));
}

describe('the text of an entry', () => {
  const text = 'future:caf\u00e9 \u20ac';

  it('may be given in UTF-8, or one character a byte, as resolvers do', () => {
    const hash = hashOf(text);
    for (const given of [text, Buffer.from(text).toString('latin1')]) {
      expect(textOf(['x', given], hash)).toBe(text);
      expect(bytesOf(given, hash)).toEqual(Uint8Array.from(Buffer.from(text)));
    }
    expect(codeOf(() => textOf(['future:caf\u00e9'], hash))).toBe('invalid-tree');
  });

  it('may be no UTF-8: then it has one character for each byte', () => {
    const bytes = Uint8Array.of(...Buffer.from('future:'), 0xff, 0xfe, 0x80);
    const hash = encodeBase32(keccak256(bytes).subarray(0, 16));
    const raw = Buffer.from(bytes).toString('latin1');
    expect(textOf([raw], hash)).toBe(raw);
    expect(bytesOf(raw, hash)).toEqual(bytes);
    expect(bytesOf(raw, 'no hash')).toBeUndefined();
  });

  it('is the one that was signed, whatever is given', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (given) => {
        const hash = hashOf(given);
        const latin1 = Buffer.from(given).toString('latin1');
        expect(textOf([latin1], hash)).toBe(Buffer.from(given).toString());
        expect(textOf([given], hash)).toBe(Buffer.from(given).toString());
      }),
      { numRuns: runs(300) },
    );
  });
});
