import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toBareHex, toHex } from '../../src/base/bytes.ts';
import { isPeerlaneError } from '../../src/base/errors.ts';
import { bodyCodec, checkBody } from '../../src/eth/body.ts';
import { forkId } from '../../src/eth/fork-id.ts';
import { parseGenesis } from '../../src/eth/genesis.ts';
import { headerCodec, headerHash } from '../../src/eth/header.ts';
import { PRESETS } from '../../src/eth/presets.ts';
import { decode } from '../../src/rlp/index.ts';
import { runs } from '../support/runs.ts';
import { smallGenesis } from './testdata/small-chain.ts';

type Json = { [name: string]: unknown };

const read = (name: string): string =>
  readFileSync(new URL(`testdata/genesis/${name}.json`, import.meta.url), 'utf8');

/** Config and whatever else has to be there. */
function minimal(fields: Json = {}, config: Json = {}): Json {
  return { config: { chainId: 5, ...config }, gasLimit: 1, difficulty: 1, alloc: {}, ...fields };
}

const hashOf = (input: unknown): string => toHex(parseGenesis(input).hash);
const rootOf = (alloc: Json): string => toHex(parseGenesis(minimal({ alloc })).stateRoot);

/** The message of the error that `input` gets, which must be `genesis-invalid`. */
function problemOf(input: unknown): string {
  try {
    parseGenesis(input);
  } catch (error) {
    if (isPeerlaneError(error, 'genesis-invalid')) return error.message;
    throw error;
  }
  return 'none';
}

/** A field and what is wrong with it, or nothing. */
const PROBLEM = /^(none|.+: .+)$/s;

describe('a genesis file', () => {
  it('of the bundled chain has the hash that its blocks build on', () => {
    const genesis = parseGenesis(smallGenesis);
    expect(toHex(genesis.hash)).toBe('0x8c01c3deeab2d9f97f245cdb11939adb5d238aff15cc2b0646370f69788229e2');
    expect([genesis.chainId, genesis.networkId]).toEqual([1_337_331n, 1_337_331n]);
    expect(genesis.terminalTotalDifficulty).toBe(0n);
    expect(toBareHex(forkId(genesis.hash, genesis.schedule, 600, 6000).hash)).toBe('aef1f653');
    expect(genesis.schedule.times).toEqual([1500, 3000, 4500, 5250]);
  });

  // `geth --sepolia dumpgenesis`.
  it('of Sepolia has the hash and the forks of the preset', () => {
    const { hash, chainId, networkId, schedule, terminalTotalDifficulty } = parseGenesis(read('sepolia'));
    const preset = PRESETS.sepolia;
    expect(toHex(hash)).toBe(toHex(preset.genesisHash));
    expect({ chainId, networkId }).toEqual({ chainId: preset.chainId, networkId: preset.networkId });
    expect(terminalTotalDifficulty).toBe(17_000_000_000_000_000n);
    for (const at of [0, 1_735_371, 2_000_000]) {
      expect(forkId(hash, schedule, at, 1000 * at)).toEqual(forkId(hash, preset.schedule, at, 1000 * at));
    }
  });

  // `geth init` and `geth export` of go-ethereum 1.17.5.
  it.each([
    ['frontier', 15, '0xf3fa5b794d12d4e07028ca7a13ab64724114c141321948d905d82ab42aba2458'],
    ['london', 16, '0xae867d46dba41474f2a76975c7bd2d681c54a650d3f7c7da66469e18fe8b898e'],
    ['shanghai', 17, '0x4dfdf088bcd2e9c481ce0b0e1ed4051c85516aa848bfdfce5887874fb7f68a3f'],
    ['cancun', 20, '0x7b2a17a858d9ef368590603e619dbd38b8890c4c73813cd584ced162de330fcd'],
    ['osaka', 21, '0x02d1f15c5ed037fc7c0150b9dad564b46d8e05eb5b74491d35785798f3f9715a'],
    ['amsterdam', 23, '0xf7d961335886d91f84fd45df034420feedcfb7ad83544cdfe560f031d59fb0b4'],
  ])(
    'with the rules of %s at genesis has a header of %i fields and the hash that geth gives it',
    (name, fields, hash) => {
      const { hash: computed, header } = parseGenesis(read(name));
      expect(Object.values(header).filter((value) => value !== undefined)).toHaveLength(fields);
      expect(toHex(computed)).toBe(hash);
    },
  );

  it.each(['frontier', 'london', 'shanghai', 'osaka'])(
    'gives a header and the body that it commits to (%s)',
    (name) => {
      const genesis = parseGenesis(read(name));
      expect(headerHash(genesis.headerEncoding)).toEqual(genesis.hash);
      expect(decode(headerCodec, genesis.headerEncoding)).toEqual(genesis.header);
      expect(genesis.header.stateRoot).toEqual(genesis.stateRoot);
      checkBody(genesis.header, decode(bodyCodec, genesis.bodyEncoding));
    },
  );
});

describe('quantities of a genesis file', () => {
  it('may be numbers, or strings in decimal or hexadecimal, with leading zeros', () => {
    const expected = hashOf(minimal({ gasLimit: 4660, difficulty: 131_072, timestamp: 16, nonce: 66 }));
    const forms: Json[] = [
      { gasLimit: '4660', difficulty: '131072', timestamp: '16', nonce: '66' },
      { gasLimit: '0x1234', difficulty: '0x20000', timestamp: '0x10', nonce: '0x42' },
      { gasLimit: '0X01234', difficulty: '0131072', timestamp: '0x00010', nonce: '0x0000000000000042' },
    ];
    for (const form of forms) {
      expect(hashOf(minimal(form))).toBe(expected);
      expect(hashOf(JSON.stringify(minimal(form)))).toBe(expected);
    }
  });

  it('keep all digits of numbers that a double would round', () => {
    const text = (ttd: string, balance: string): string =>
      `{"config":{"chainId":1,"terminalTotalDifficulty":${ttd}},"gasLimit":1,"difficulty":1,"alloc":{"${'00'.repeat(20)}":{"balance":${balance}}}}`;
    const plain = parseGenesis(text('58750000000000000000001', '9007199254740993'));
    const quoted = parseGenesis(text('"58750000000000000000001"', '"0x20000000000001"'));
    expect(plain.terminalTotalDifficulty).toBe(58_750_000_000_000_000_000_001n);
    expect(plain.stateRoot).toEqual(quoted.stateRoot);
  });

  it('are not looked for within strings', () => {
    const odd = 'a "1234567890123456789" \\';
    const genesis = minimal({ [odd]: 12_345_678_901, comment: '9007199254740993, \\"9007199254740993' });
    expect(hashOf(JSON.stringify(genesis))).toBe(hashOf(minimal()));
  });

  it('default to zero or to nothing; a gas limit of zero to 4,712,388', () => {
    const { header } = parseGenesis(minimal({ gasLimit: 0 }));
    expect(header.gasLimit).toBe(4_712_388n);
    expect(header).toMatchObject({ timestamp: 0, gasUsed: 0n, number: 0, extraData: new Uint8Array(0) });
    expect([toHex(header.nonce), toHex(header.coinbase), toHex(header.mixHash)]).toEqual([
      `0x${'00'.repeat(8)}`,
      `0x${'00'.repeat(20)}`,
      `0x${'00'.repeat(32)}`,
    ]);
  });

  it('are null as if they were absent', () => {
    const nulls = {
      nonce: null,
      timestamp: null,
      extraData: null,
      mixHash: null,
      excessBlobGas: null,
      slotNumber: null,
    };
    expect(hashOf(minimal(nulls, { londonBlock: null, shanghaiTime: null }))).toBe(hashOf(minimal()));
  });
});

describe('names in a genesis file', () => {
  it('match in any case, as in mixhash', () => {
    const mixHash = `0x${'11'.repeat(32)}`;
    expect(hashOf(minimal({ mixhash: mixHash, EXTRADATA: '0x01' }))).toBe(
      hashOf(minimal({ mixHash, extraData: '0x01' })),
    );
  });

  it('that are not known are ignored', () => {
    expect(
      hashOf(minimal({ comment: ['x'] }, { clique: { period: 1 }, fooTime: 'never', eip150Hash: '0x' })),
    ).toBe(hashOf(minimal()));
  });
});

describe('the forks of a genesis file', () => {
  it('are those by block and by time that a fork id counts', () => {
    const { schedule } = parseGenesis(
      minimal(
        { timestamp: 1000 },
        {
          homesteadBlock: 1,
          daoForkBlock: 2,
          londonBlock: '0x3',
          mergeNetsplitBlock: 4,
          shanghaiTime: '5000',
          bpo1Time: 6000,
          bpo17Time: 7000,
          bogotaTime: 8000,
        },
      ),
    );
    expect(schedule.blocks).toEqual([1, 2, 3, 4]);
    expect([...schedule.times].sort()).toEqual([5000, 6000, 7000, 8000]);
    expect(schedule.genesisTime).toBe(1000);
  });

  it('may lie at the end of 64 bits', () => {
    const { schedule } = parseGenesis(
      JSON.stringify(minimal({}, { shanghaiTime: 'x' })).replace('"x"', '18446744073709551615'),
    );
    expect(schedule.times).toEqual([2n ** 64n - 1n]);
  });

  it('by time hold at genesis only where London does', () => {
    const { header } = parseGenesis(minimal({}, { londonBlock: 1, shanghaiTime: 0 }));
    expect([header.baseFeePerGas, header.withdrawalsRoot]).toEqual([undefined, undefined]);
  });
});

describe('the allocation of a genesis file', () => {
  const address = 'ab'.repeat(20);

  it('may name addresses with or without 0x, in any case', () => {
    const expected = rootOf({ [address]: { balance: 1 } });
    expect(rootOf({ [`0x${address}`]: { balance: '1' } })).toBe(expected);
    expect(rootOf({ [address.toUpperCase()]: { balance: '0x1' } })).toBe(expected);
  });

  it('counts accounts that hold nothing', () => {
    expect(rootOf({ [address]: { balance: 0 } })).not.toBe(rootOf({}));
  });

  it('leaves out slots that hold zero and fills up short words', () => {
    const long = { balance: 0, storage: { [`0x${'00'.repeat(31)}01`]: `0x${'00'.repeat(31)}ff` } };
    const short = { balance: 0, storage: { '0x1': '0xff', '02': '0x00', '': '' } };
    expect(rootOf({ [address]: short })).toBe(rootOf({ [address]: long }));
    expect(rootOf({ [address]: long })).not.toBe(rootOf({ [address]: { balance: 0 } }));
  });

  it('depends on nonce and code', () => {
    const roots = [{}, { nonce: '0x1' }, { code: '0x00' }, { code: '0x' }, { code: '' }].map((fields) =>
      rootOf({ [address]: { balance: 0, ...fields } }),
    );
    expect(new Set(roots).size).toBe(3);
  });
});

describe('a wrong genesis file', () => {
  const account = (fields: unknown) => minimal({ alloc: { ['0x'.padEnd(42, '1')]: fields } });
  const path = `alloc.${'0x'.padEnd(42, '1')}`;

  it.each<[unknown, string]>([
    ['{', 'genesis: not JSON'],
    ['[]', 'genesis: not an object'],
    ['null', 'genesis: not an object'],
    [undefined, 'genesis: not an object'],
    [{}, 'config: missing'],
    [{ config: 1 }, 'config: not an object'],
    [{ ...minimal(), config: {} }, 'config.chainId: missing'],
    [{ ...minimal(), gasLimit: undefined }, 'gasLimit: missing'],
    [{ ...minimal(), difficulty: null }, 'difficulty: missing'],
    [{ ...minimal(), alloc: undefined }, 'alloc: missing'],
    [minimal({ alloc: [] }), 'alloc: not an object'],
    [minimal({}, { shanghaiTime: 'soon' }), 'config.shanghaiTime: not a number'],
    [minimal({}, { bpo3Time: true }), 'config.bpo3Time: not a number'],
    [minimal({}, { londonBlock: 1.5 }), 'config.londonBlock: not a whole number'],
    [minimal({}, { londonBlock: -1 }), 'config.londonBlock: negative'],
    [minimal({}, { cancunTime: `0x1${'0'.repeat(16)}` }), 'config.cancunTime: more than 64 bits'],
    [
      minimal({}, { enableUBTAtGenesis: true }),
      'config.enableUBTAtGenesis: a genesis with another tree is not supported',
    ],
    [minimal({}, { enableUBTAtGenesis: 1 }), 'config.enableUBTAtGenesis: neither true nor false'],
    [
      minimal({}, { londonBlock: 0, cancunTime: 0 }),
      'config.shanghaiTime: not active at genesis, while cancunTime is',
    ],
    [minimal({ difficulty: 2 ** 60 }), 'difficulty: rounded: give it as a string'],
    [minimal({ difficulty: '0x' }), 'difficulty: not a number'],
    [minimal({ difficulty: '1e3' }), 'difficulty: not a number'],
    [minimal({ difficulty: '9'.repeat(100_000) }), 'difficulty: not a number'],
    [minimal({ timestamp: '0x20000000000000' }), 'timestamp: more than 53 bits'],
    [minimal({ extraData: '0x123' }), 'extraData: not a hexadecimal string of whole bytes'],
    [minimal({ extraData: `0x${'00'.repeat(102_401)}` }), 'extraData: more than 102400 bytes'],
    [minimal({ mixHash: '0x1234' }), 'mixHash: 2 bytes, 32 expected'],
    [minimal({ coinbase: 7 }), 'coinbase: not a hexadecimal string of whole bytes'],
    [minimal({ number: 1 }), 'number: a genesis block has number 0'],
    [minimal({ excessBlobGas: 1 }), 'excessBlobGas: set, but Cancun is not active at genesis'],
    [account(7), `${path}: not an object`],
    [account({}), `${path}.balance: missing`],
    [account({ balance: `0x1${'0'.repeat(64)}` }), `${path}.balance: more than 256 bits`],
    [account({ balance: 0, nonce: [] }), `${path}.nonce: not a number`],
    [account({ balance: 0, code: 'PUSH1' }), `${path}.code: not a hexadecimal string of whole bytes`],
    [
      account({ balance: 0, storage: { x: '0x' } }),
      `${path}.storage.x: not a hexadecimal string of at most 32 bytes`,
    ],
    [
      account({ balance: 0, storage: { '1': 1 } }),
      `${path}.storage.1: not a hexadecimal string of at most 32 bytes`,
    ],
    [account({ balance: 0, storage: { '0x1': '1', '01': '1' } }), `${path}.storage.01: listed twice`],
    [
      minimal({ alloc: { ['z'.repeat(5000)]: {} } }),
      `alloc.${'z'.repeat(80)}...: not a hexadecimal string of whole bytes`,
    ],
    [minimal({ alloc: { '0x12': { balance: 1 } } }), 'alloc.0x12: 1 bytes, 20 expected'],
    [
      minimal({ alloc: { [`0x${'a'.repeat(40)}`]: { balance: 1 }, ['A'.repeat(40)]: { balance: 1 } } }),
      `alloc.${'A'.repeat(40)}: listed twice`,
    ],
  ])('is refused with the field named (%#)', (input, problem) => {
    expect(problemOf(input)).toBe(problem);
  });

  it('names the field in the details of the error too', () => {
    expect(() => parseGenesis(minimal({}, { shanghaiTime: 'soon' }))).toThrow(
      expect.objectContaining({ details: { field: 'config.shanghaiTime' } }),
    );
  });

  it('never gives anything but a typed error, whatever is put into a field', () => {
    const anything = fc.oneof(
      fc.jsonValue(),
      fc.string(),
      fc.constantFrom('0x', '-1', '0x0', 1e300, '__proto__'),
    );
    const names = [
      'config',
      'nonce',
      'timestamp',
      'extraData',
      'gasLimit',
      'difficulty',
      'mixHash',
      'coinbase',
      'alloc',
      'baseFeePerGas',
      'number',
      'parentHash',
    ];
    const configNames = [
      'chainId',
      'londonBlock',
      'shanghaiTime',
      'cancunTime',
      'pragueTime',
      'bpo1Time',
      'terminalTotalDifficulty',
      'amsterdamTime',
    ];
    const mutation = fc.record({
      fields: fc.dictionary(fc.constantFrom(...names), anything, { maxKeys: 2 }),
      config: fc.dictionary(fc.constantFrom(...configNames), anything, { maxKeys: 2 }),
      alloc: fc.dictionary(fc.oneof(fc.string(), fc.constant('0x'.padEnd(42, '7'))), anything, {
        maxKeys: 2,
      }),
    });
    fc.assert(
      fc.property(mutation, ({ fields, config, alloc }) => {
        const base: Json = JSON.parse(read('osaka'));
        const file = { ...base, config: { ...Object(base.config), ...config }, alloc, ...fields };
        expect(problemOf(file)).toMatch(PROBLEM);
        expect(problemOf(JSON.stringify(file))).toMatch(PROBLEM);
      }),
      { numRuns: runs(500) },
    );
  });

  it('never gives anything but a typed error, whatever happens to its text', () => {
    fc.assert(
      fc.property(fc.nat(smallGenesis.length - 1), fc.nat(8), fc.string({ maxLength: 4 }), (at, cut, put) => {
        const text = smallGenesis.slice(0, at) + put + smallGenesis.slice(at + cut);
        expect(problemOf(text)).toMatch(PROBLEM);
      }),
      { numRuns: runs(200) },
    );
  });
});
