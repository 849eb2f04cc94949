import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../src/base/bytes.ts';
import { publicKeyOf } from '../../src/crypto/index.ts';
import { hashOf, MAX_CHILDREN } from '../../src/dnsdisc/entry.ts';
import {
  formatTreeUrl,
  formatZone,
  MAX_TREE_ENTRIES,
  parseTreeUrl,
  readTree,
  signTree,
  type Tree,
  treeFromJson,
  treeTexts,
  treeToJson,
} from '../../src/dnsdisc/index.ts';
import { formatRoot, signRoot } from '../../src/dnsdisc/root.ts';
import { MAX_DEPTH } from '../../src/dnsdisc/subtree.ts';
import { checkTreeSize, MAX_TREE_LENGTH } from '../../src/dnsdisc/tree.ts';
import { compressPublicKey, parseRecord, signRecord } from '../../src/enr/index.ts';
import { MAX_RECORD_SIZE } from '../../src/enr/record.ts';
import { MAX_NODE_SET_NODES } from '../../src/server/node-set.ts';
import { codeOf } from '../support/errors.ts';
import { runs } from '../support/runs.ts';
import { key, record, records, tree } from './trees.ts';
import { SECRET_KEY, SIGNER_URL, ZONE } from './vectors.ts';

const EMPTY = 'enrtree-branch:';

function reread(tree: Tree, change: (texts: Map<string, string>) => void = () => undefined): Tree {
  const texts = treeTexts(tree);
  change(texts);
  return readTree(tree.url, (name) => {
    const text = texts.get(name);
    return text === undefined ? undefined : [text];
  });
}

describe('the example of EIP-1459', () => {
  const { publicKey, domain } = parseTreeUrl(SIGNER_URL);
  const textsOfExample = new Map(
    Object.entries(ZONE).map(([name, text]) => [name === '@' ? domain : `${name}.${domain}`, text]),
  );
  const enrs = Object.values(ZONE).filter((text) => text.startsWith('enr:'));

  it('is verified as a whole', () => {
    const read = readTree({ publicKey, domain }, (name) => [textsOfExample.get(name) ?? '']);
    expect(read.records.map(String).sort()).toEqual([...enrs].sort());
    expect(read.links.map(formatTreeUrl)).toEqual([ZONE.C7HRFPF3BLGF3YR4DY5KX3SMBE]);
    expect([read.root.seq, read.ignored]).toEqual([1n, []]);
  });

  it('comes out when it is made from its records and its link, byte for byte', () => {
    const made = signTree(
      {
        domain,
        seq: 1n,
        records: enrs.map(parseRecord),
        links: [parseTreeUrl(ZONE.C7HRFPF3BLGF3YR4DY5KX3SMBE)],
      },
      fromHex(SECRET_KEY),
    );
    expect(treeTexts(made)).toEqual(textsOfExample);
    expect(formatTreeUrl(made.url)).toBe(SIGNER_URL);
  });
});

describe('a tree that was made', () => {
  it.each([0, 1, 2, 13, 14, 15, 169, 170, 300])('of %i records is read back', (count) => {
    const links = count % 2 === 0 ? [] : [tree({ domain: 'other.test' }).url];
    const made = tree({ count, links, seq: 2n ** 64n - 1n });
    const read = reread(made);
    expect(read.records.map(String).sort()).toEqual(records(count).map(String).sort());
    expect(read.links).toEqual(links);
    expect(read.entries).toEqual(new Map([...made.entries].filter(([hash]) => read.entries.has(hash))));
    expect(read.entries.size).toBe(made.entries.size);
  });

  it('has no branch of more than 13 names, and no entry of more than 512 bytes', () => {
    for (const text of tree({ count: 300 }).entries.values()) {
      expect(text.length).toBeLessThan(512);
      if (text.startsWith(EMPTY)) expect(text.split(',').length).toBeLessThanOrEqual(MAX_CHILDREN);
    }
  });

  it('follows from its content, in whatever order it comes and however often', () => {
    const content = { domain: 'nodes.test', seq: 1n, records: records(30) };
    const url = tree({ domain: 'other.test' }).url;
    const one = signTree({ ...content, links: [url] }, key(1));
    const other = signTree(
      { ...content, records: [...content.records].reverse().concat(record(3)), links: [url, url] },
      key(1),
    );
    expect(treeTexts(other)).toEqual(treeTexts(one));
  });

  it('holds the newest record of each node', () => {
    const [old, fresh] = [1n, 2n].map((seq) => signRecord(key(5), { seq, entries: { tcp: 1 } }));
    if (old === undefined || fresh === undefined) throw new Error('there are two');
    for (const both of [
      [old, fresh],
      [fresh, old],
    ]) {
      expect(signTree({ domain: 'n', seq: 1n, records: both }, key(1)).records).toEqual([fresh]);
    }
  });

  it('without any content has an empty branch on both sides', () => {
    const { root, entries } = tree({ count: 0 });
    expect([...entries]).toEqual([[hashOf(EMPTY), EMPTY]]);
    expect([root.recordsHash, root.linksHash]).toEqual([hashOf(EMPTY), hashOf(EMPTY)]);
  });

  const good = { domain: 'n', seq: 1n, records: [] };
  it.each([
    ['no content', undefined],
    ['a number as sequence number', { ...good, seq: 1 }],
    ['a negative sequence number', { ...good, seq: -1n }],
    ['a sequence number of 2^64', { ...good, seq: 2n ** 64n }],
    ['texts as records', { ...good, records: ['enr:'] }],
    ['links that are no array', { ...good, links: 'x' }],
  ])('is not made of %s', (_, content) => {
    expect(codeOf(() => signTree(content as never, key(1)))).toBe('invalid-argument');
  });

  it('needs a domain and a key', () => {
    expect(codeOf(() => signTree({ ...good, domain: 'a b' }, key(1)))).toBe('invalid-tree-url');
    expect(codeOf(() => signTree(good, new Uint8Array(32)))).toBe('invalid-secret-key');
  });
});

describe('a tree that is read', () => {
  const made = tree({ count: 20 });
  const nameOf = (text: string): string => `${hashOf(text)}.nodes.test`;
  const leaf = nameOf(record(3).toString());

  it('is refused when something is missing or wrong', () => {
    expect(codeOf(() => reread(made, (texts) => texts.delete(leaf)))).toBe('invalid-tree');
    expect(codeOf(() => reread(made, (texts) => texts.set(leaf, record(4).toString())))).toBe('invalid-tree');
    expect(codeOf(() => reread(made, (texts) => texts.delete('nodes.test')))).toBe('invalid-tree');
    const forged = tree({ count: 20, signer: 5 });
    expect(codeOf(() => reread(made, (texts) => texts.set('nodes.test', formatRoot(forged.root))))).toBe(
      'invalid-tree',
    );
  });

  it('may hold what is of no use', () => {
    const texts = [
      'enrtree-future:1',
      `enr:${'A'.repeat(500)}`,
      `enrtree://${'A'.repeat(53)}@n`,
      record(1).toString(),
    ];
    const branch = `enrtree-branch:${texts.map(hashOf).join(',')}`;
    const root = signRoot(
      { recordsHash: hashOf(branch), linksHash: hashOf(branch), seq: 1n },
      key(1_000_000),
    );
    const read = readTree(made.url, (name) => {
      if (name === 'nodes.test') return ['v=spf1', formatRoot(root)];
      return [branch, ...texts].filter((text) => nameOf(text) === name);
    });
    expect(read.records.map(String)).toEqual([record(1).toString()]);
    // Three of each subtree, and the record among the links.
    expect(read.ignored.map(({ code }) => code).sort()).toEqual(
      ['invalid-tree', 'invalid-record', 'invalid-tree-url']
        .flatMap((code) => [code, code])
        .concat('invalid-tree')
        .sort(),
    );
  });

  it('is read once, however often its branches name the same', () => {
    // Ten levels in which each branch names the one below thirteen times are thirteen to the tenth leaves.
    const texts = new Map<string, string>();
    const add = (text: string): string => {
      texts.set(nameOf(text), text);
      return hashOf(text);
    };
    let hash = add(record(0).toString());
    for (let i = 0; i < 10; i++) hash = add(`enrtree-branch:${Array(13).fill(hash).join(',')}`);
    const root = signRoot({ recordsHash: hash, linksHash: add(EMPTY), seq: 1n }, key(1_000_000));
    texts.set('nodes.test', formatRoot(root));
    let asked = 0;
    const read = readTree(made.url, (name) => {
      asked++;
      return [texts.get(name) ?? ''];
    });
    expect([read.records.length, asked]).toEqual([1, 13]);
  });

  it('is refused when it is too deep', () => {
    const texts = new Map<string, string>();
    let hash = hashOf(record(0).toString());
    texts.set(nameOf(record(0).toString()), record(0).toString());
    for (let i = 0; i <= MAX_DEPTH; i++) {
      const branch = `enrtree-branch:${hash}`;
      hash = hashOf(branch);
      texts.set(nameOf(branch), branch);
    }
    texts.set(nameOf(EMPTY), EMPTY);
    const root = signRoot({ recordsHash: hash, linksHash: hashOf(EMPTY), seq: 1n }, key(1_000_000));
    texts.set('nodes.test', formatRoot(root));
    expect(codeOf(() => readTree(made.url, (name) => [texts.get(name) ?? '']))).toBe('invalid-tree');
  });
});

it('a tree that nobody could read is not made', () => {
  const entries = new Map(Array.from({ length: MAX_TREE_ENTRIES }, (_, i) => [`${i}`, 'x']));
  checkTreeSize(entries);
  expect(() => checkTreeSize(entries.set('more', 'x'))).toThrow(/300001 entries/);
  checkTreeSize(new Map([['a', 'x'.repeat(MAX_TREE_LENGTH)]]));
  const sign = () => checkTreeSize(new Map([['a', 'x'.repeat(MAX_TREE_LENGTH + 1)]]));
  expect(codeOf(sign)).toBe('invalid-argument');
});

it('a tree that is made may have as many records as a node set has nodes', () => {
  // 13 names a branch, and the branch of no links.
  let [level, entries] = [MAX_NODE_SET_NODES, MAX_NODE_SET_NODES + 1];
  while (level > 1) {
    level = Math.ceil(level / MAX_CHILDREN);
    entries += level;
  }
  expect(entries).toBeLessThanOrEqual(MAX_TREE_ENTRIES);
  const longest = 4 + Math.ceil((MAX_RECORD_SIZE * 4) / 3);
  const branch = 15 + 27 * MAX_CHILDREN;
  expect(MAX_NODE_SET_NODES * longest + (entries - MAX_NODE_SET_NODES) * branch).toBeLessThanOrEqual(
    MAX_TREE_LENGTH,
  );
});

describe('a tree as JSON', () => {
  const made = tree({ count: 20, links: [tree({ domain: 'other.test' }).url] });

  it('is an object from names to texts, the root first', () => {
    const json = treeToJson(made);
    const object: unknown = JSON.parse(json);
    expect(Object.keys(Object(object))[0]).toBe('nodes.test');
    expect(object).toEqual(Object.fromEntries(treeTexts(made)));
  });

  it('is read back and verified, with and without its URL', () => {
    for (const url of [made.url, undefined]) {
      const read = treeFromJson(treeToJson(made), url);
      expect(read.url).toEqual(made.url);
      expect(read.records.map(String).sort()).toEqual(records(20).map(String).sort());
    }
    expect(codeOf(() => treeFromJson(treeToJson(made), tree({ signer: 3 }).url))).toBe('invalid-tree');
    expect(codeOf(() => treeFromJson(treeToJson(made), tree({ domain: 'x' }).url))).toBe('invalid-tree');
  });

  it('does not depend on the case of names', () => {
    const json = treeToJson(made).replaceAll('nodes.test"', 'NODES.Test."');
    expect(treeFromJson(json).url.domain).toBe('nodes.test');
  });

  it.each([
    ['cut off', treeToJson(made).slice(0, 300)],
    ['nothing', ''],
    ['an array', '[]'],
    ['null', 'null'],
    ['without a root', '{"a":"b"}'],
    ['with several roots', treeToJson(made).replace('{', `{"x": ${JSON.stringify(formatRoot(made.root))},`)],
    ['of other values', '{"nodes.test": 7}'],
    ['with a root that is none', '{"nodes.test": "enrtree-root:v1 x"}'],
  ])('is refused when it is %s', (_, json) => {
    expect(codeOf(() => treeFromJson(json))).toBe('invalid-tree');
  });

  it('changed anywhere is a tree or an invalid-tree', () => {
    const json = treeToJson(tree({ count: 2 }));
    const change = fc.tuple(fc.nat(json.length), fc.nat(5), fc.string({ unit: 'binary', maxLength: 5 }));
    fc.assert(
      fc.property(change, ([at, length, text]) => {
        const code = codeOf(() => treeFromJson(json.slice(0, at) + text + json.slice(at + length)));
        expect(['none', 'invalid-tree', 'invalid-tree-url']).toContain(code);
      }),
      { numRuns: runs(300) },
    );
  });
});

describe('a tree as a zone', () => {
  it('has one TXT record a line, split at 255 bytes', () => {
    const made = tree({ count: 14, seq: 2n ** 32n + 5n });
    const lines = formatZone(made).trimEnd().split('\n');
    expect(lines[0]).toBe(`; ${formatTreeUrl(made.url)}, seq ${2n ** 32n + 5n}`);
    expect(lines[1]).toBe('$ORIGIN nodes.test.');
    expect(lines[2]).toBe(`${'@'.padEnd(26)} 1800 IN TXT "${formatRoot(made.root)}"`);
    expect(lines.length).toBe(3 + made.entries.size);
    for (const line of lines.slice(3)) {
      const [, name = '', strings = ''] = /^(\S{26}) 604800 IN TXT (.*)$/.exec(line) ?? [];
      const parts = [...strings.matchAll(/"([^"]*)"/g)].map(([, text]) => text ?? '');
      expect(parts.join('')).toBe(made.entries.get(name));
      expect(Math.max(...parts.map(({ length }) => length))).toBeLessThanOrEqual(255);
    }
  });

  it('stands for itself with a name server', () => {
    const zone = formatZone(tree({ seq: 2n ** 32n + 5n }), {
      nameServer: 'NS.test.',
      rootTtl: 1,
      entryTtl: 2,
    });
    expect(zone).toContain(' 1 IN SOA ns.test. hostmaster.nodes.test. 5 3600 600 1209600 60\n');
    expect(zone).toContain(' 1 IN NS  ns.test.\n');
    expect(zone).toMatch(/^[A-Z2-7]{26} 2 IN TXT /m);
  });

  it('escapes what would end a string', () => {
    const text = 'enrtree-"future\\ ;\u00e9\n';
    const made = tree();
    const zone = formatZone({ ...made, entries: new Map([[hashOf(text), text]]) });
    expect(zone).toContain('"enrtree-\\"future\\\\ ;\\195\\169\\010"');
  });

  it.each([{ rootTtl: -1 }, { entryTtl: 2 ** 31 }, { rootTtl: 1.5 }])('has no TTL of %j', (options) => {
    expect(codeOf(() => formatZone(tree(), options))).toBe('invalid-argument');
  });
});

it('the key in a URL is the compressed key of who signs', () => {
  const { url } = tree({ signer: 9 });
  expect(toHex(compressPublicKey(url.publicKey))).toBe(toHex(compressPublicKey(publicKeyOf(key(9)))));
});
