/** What is the addon's own: choice of instructions, refusal of nonsense, and how it is found. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  type Backend,
  type FrameSession,
  frameBound,
  STATUS,
  snappyBound,
} from '../../src/crypto/backend.ts';
import { jsBackend } from '../../src/crypto/js.ts';
import { loadNative } from '../../src/crypto/native.ts';
import { runs } from '../support/runs.ts';
import { byteArrays } from './arbitraries.ts';
import { oracleKeccak256 } from './oracles.ts';

const file = process.env.PEERLANE_ADDON ?? join(import.meta.dirname, '../../build/Release/peerlane.node');
const loaded = loadNative();
const addons: [string, Backend][] = 'backend' in loaded ? [['the addon', loaded.backend]] : [];

const INIT = {
  aesSecret: new Uint8Array(32).fill(1),
  macSecret: new Uint8Array(32).fill(2),
  egressSeed: new Uint8Array(5).fill(3),
  ingressSeed: new Uint8Array(7).fill(4),
};

/** Prints what the addon exports as its choice, and a digest, in a process with this PEERLANE_CPU. */
function withCpu(cpu: string): { detail: string; unusable?: string; digest?: string } {
  const code = `
    const addon = require(${JSON.stringify(file)});
    const { detail, unusable, scratch } = addon;
    if (unusable === undefined) addon.keccak256([Buffer.alloc(1000, 7), Buffer.alloc(77, 8)]);
    const digest = scratch && Buffer.from(scratch.subarray(0, 32)).toString('hex');
    console.log(JSON.stringify({ detail, unusable, digest }));`;
  const child = spawnSync(process.execPath, ['-e', code], {
    encoding: 'utf8',
    env: { ...process.env, PEERLANE_CPU: cpu },
  });
  return JSON.parse(child.stdout);
}

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('loading the addon', () => {
  it('tells what works, or a reason', () => {
    expect('backend' in loaded ? loaded.backend.detail : loaded.reason).toMatch(/\w+/);
  });

  it.each(['/nonexistent/peerlane.node', import.meta.filename])('gives a reason for %s', (path) => {
    vi.stubEnv('PEERLANE_ADDON', path);
    expect(loadNative()).toEqual({ reason: expect.stringMatching(/^the addon failed to load: .+/) });
  });

  it.runIf(process.platform === 'linux' && existsSync(file))(
    'gives a reason for a library that was cut off at any place (where ELF libraries are)',
    async () => {
      const whole = await readFile(file);
      const directory = await mkdtemp(join(tmpdir(), 'peerlane-'));
      onTestFinished(() => rm(directory, { recursive: true }));
      for (const length of [0, 40, 64, 5000, whole.length >> 1, whole.length - 1]) {
        const path = join(directory, `${length}.node`);
        await writeFile(path, whole.subarray(0, length));
        vi.stubEnv('PEERLANE_ADDON', path);
        expect(loadNative()).toEqual({ reason: expect.stringContaining('is damaged: its end is missing') });
      }
    },
  );

  it.runIf(process.platform === 'linux' && existsSync(file))(
    'gives a reason for a library with a part that was never written (where ELF libraries are)',
    async () => {
      const whole = await readFile(file);
      const zeroedTail = Uint8Array.from(whole).fill(0, whole.length >> 1);
      // Of a build for debuggers the larger part is never loaded.
      const cutUnnamed = Uint8Array.from(whole.subarray(0, whole.length >> 3));
      // e_shoff, e_shnum and e_shstrndx: a library needs no sections.
      cutUnnamed.fill(0, 40, 48).fill(0, 60, 64);
      const directory = await mkdtemp(join(tmpdir(), 'peerlane-'));
      onTestFinished(() => rm(directory, { recursive: true }));
      for (const [name, bytes] of Object.entries({ zeroedTail, cutUnnamed })) {
        const path = join(directory, `${name}.node`);
        await writeFile(path, bytes);
        vi.stubEnv('PEERLANE_ADDON', path);
        expect(loadNative()).toEqual({ reason: expect.stringContaining('is damaged: its end is missing') });
      }
      const unnamed = Uint8Array.from(whole);
      unnamed.fill(0, 40, 48).fill(0, 60, 64);
      const path = join(directory, 'unnamed.node');
      await writeFile(path, unnamed);
      vi.stubEnv('PEERLANE_ADDON', path);
      expect(loadNative()).toEqual({ backend: expect.anything(), addon: expect.anything() });
    },
  );

  it('gives a reason for a module that is something else', () => {
    vi.stubEnv('PEERLANE_ADDON', createRequire(import.meta.url).resolve('snappyjs'));
    expect(loadNative()).toEqual({ reason: expect.stringContaining('is not the addon') });
  });
});

describe.each(addons)('%s', (_, backend) => {
  const addon = createRequire(import.meta.url)(file) as Record<string, (...parameters: unknown[]) => unknown>;

  it('gives the same digests with every instruction set of this CPU', () => {
    const digest = Buffer.from(
      oracleKeccak256(new Uint8Array(1000).fill(7), new Uint8Array(77).fill(8)),
    ).toString('hex');
    expect(withCpu('scalar')).toEqual({ detail: expect.stringContaining('Keccak scalar'), digest });
    for (const cpu of process.arch === 'x64' ? ['bmi2', 'avx2', 'avx512vl', 'avx512'] : []) {
      const { detail, unusable, digest: actual } = withCpu(cpu);
      if (unusable === undefined) expect([detail, actual]).toEqual([expect.stringContaining(cpu), digest]);
      else expect(unusable).toContain('or this CPU lacks it');
    }
  });

  it('cannot be used with an unknown PEERLANE_CPU', () => {
    expect(withCpu('abacus').unusable).toMatch(/^PEERLANE_CPU=abacus is not one of scalar/);
  });

  it('digests parts that are longer than its scratch memory', () => {
    fc.assert(
      fc.property(byteArrays(4000, 4200), byteArrays(0, 300), (a, b) => {
        expect(Buffer.from(backend.keccak256(a, b))).toEqual(Buffer.from(oracleKeccak256(a, b)));
      }),
      { numRuns: runs(60) },
    );
  });

  it('compresses to the bytes of snappyjs where its floating-point hash rounds up', () => {
    // Words whose product with the hash's factor is within 80 of a multiple of 2^18, where rounding tells.
    const factor = 0x1e35a7bdn;
    let inverse = 1n;
    for (let i = 0; i < 5; i++) inverse = BigInt.asUintN(32, inverse * (2n - factor * inverse));
    const word = fc
      .tuple(fc.nat(0x3fff), fc.integer({ min: -80, max: 80 }))
      .map(([high, low]) => Number(BigInt.asUintN(32, (BigInt(high) * 262144n + BigInt(low)) * inverse)));
    fc.assert(
      fc.property(fc.array(word, { minLength: 4, maxLength: 60 }), fc.nat(9), (words, repeats) => {
        const once = new Uint8Array(Uint32Array.from(words).buffer);
        const bytes = Buffer.concat(
          Array.from({ length: repeats + 2 }, () => [once, once.subarray(0, 9)]).flat(),
        );
        const [a, b] = [new Uint8Array(snappyBound(bytes.length)), new Uint8Array(snappyBound(bytes.length))];
        expect(backend.snappyCompress(bytes, a)).toBe(jsBackend.snappyCompress(bytes, b));
        expect(Buffer.from(a)).toEqual(Buffer.from(b));
      }),
      { numRuns: runs(100) },
    );
  });

  it('does no more work for a session that was disposed of', () => {
    const session = backend.createFrameSession(INIT);
    session.dispose();
    session.dispose();
    session.configure(true, 5000);
    const lanes = new Uint32Array(4);
    backend.encodeMany([session], Uint32Array.of(1), [new Uint8Array(3)], new Uint8Array(200), lanes);
    expect([...lanes.subarray(0, 2)]).toEqual([STATUS.sessionFailed, 0]);
    backend.decodeMany([session], [new Uint8Array(64)], new Uint8Array(0), 0, lanes, new Uint32Array(6));
    expect([...lanes]).toEqual([STATUS.sessionFailed, 0, 0, 0]);
  });

  it('takes no session of another backend', () => {
    const foreign = jsBackend.createFrameSession(INIT);
    const encode = () =>
      backend.encodeMany(
        [foreign],
        Uint32Array.of(1),
        [new Uint8Array(3)],
        new Uint8Array(200),
        new Uint32Array(2),
      );
    expect(encode).toThrow('a frame session of another backend');
  });

  it('throws for arguments of the wrong type, and goes on working', () => {
    const junk = fc.oneof(
      fc.constantFrom(
        undefined,
        null,
        true,
        0,
        -1,
        2 ** 40,
        Number.NaN,
        '',
        {},
        [],
        () => 0,
        new Float64Array(9),
      ),
      fc.constantFrom(
        Symbol('x'),
        10n,
        new DataView(new ArrayBuffer(8)),
        new ArrayBuffer(40),
        new Uint16Array(8),
      ),
      fc.constantFrom(
        new Uint8Array(32),
        new Uint8Array(500),
        new Uint32Array(50),
        [new Uint8Array(9)],
        [0],
        [{}],
      ),
    );
    const names = Object.keys(addon).filter((name) => typeof addon[name] === 'function');
    expect(names.length).toBeGreaterThan(10);
    // Slots that exist would be freed under their owners.
    const calls = names.filter((name) => name !== 'freeSession');
    fc.assert(
      fc.property(fc.constantFrom(...calls), fc.array(junk, { maxLength: 8 }), (name, parameters) => {
        try {
          addon[name]?.(...parameters);
        } catch (error) {
          expect(error instanceof TypeError || error instanceof RangeError).toBe(true);
        }
      }),
      { numRuns: runs(3000) },
    );
    const readScratchOnly = [
      ...['publicKeyOfScratch', 'signOfScratch', 'recoverOfScratch', 'ecdhOfScratch'],
      ...['sharedPointOfScratch', 'verifyOfScratch', 'decompressOfScratch'],
    ];
    for (const name of names.filter((name) => !readScratchOnly.includes(name))) {
      expect(() => addon[name]?.({}), name).toThrow();
    }
    expect(() => addon.freeSession?.(1e9)).toThrow(TypeError);
    expect(backend.keccak256(new Uint8Array(3))).toEqual(oracleKeccak256(new Uint8Array(3)));
  });

  it('refuses output that is too short before any session changes', () => {
    const session = backend.createFrameSession(INIT);
    const payload = new Uint8Array(40);
    const encode = (length: number) => {
      const out = new Uint8Array(length);
      backend.encodeMany([session], Uint32Array.of(9), [payload], out, new Uint32Array(2));
      return out;
    };
    const bound = frameBound(payload.length, false);
    expect(() => encode(bound - 1)).toThrow(
      expect.objectContaining({ code: 'invalid-argument', cause: expect.any(RangeError) }),
    );
    const fresh = new Uint8Array(bound);
    const other = backend.createFrameSession(INIT);
    backend.encodeMany([other], Uint32Array.of(9), [payload], fresh, new Uint32Array(2));
    expect(encode(bound)).toEqual(fresh);
  });

  it('refuses memory that a getter in the array detaches; a call within the getter has lanes of its own', () => {
    const encode = (sessions: FrameSession[], payloads: Uint8Array[]) => {
      const out = new Uint8Array(10_000);
      const lanes = new Uint32Array(2 * payloads.length);
      backend.encodeMany(sessions, new Uint32Array(payloads.length), payloads, out, lanes);
      return Buffer.from(out.subarray(0, lanes.at(-1))).toString('hex');
    };
    const [outer, inner, untouched] = [1, 2, 3].map(() => backend.createFrameSession(INIT));
    if (outer === undefined || inner === undefined || untouched === undefined) throw new Error('no sessions');
    const small = new Uint8Array(16);
    const first = new Uint8Array(4096).fill(5);
    const within: string[] = [];
    const payloads = (detach: boolean): Uint8Array[] =>
      Object.defineProperty([first, small], 1, {
        get: () => {
          if (detach) structuredClone(first, { transfer: [first.buffer] });
          within.push(encode([inner, inner, inner], [small, small, small]));
          return small;
        },
      });
    const frames = encode([outer, outer], payloads(false));
    expect(frames).toBe(encode([untouched, untouched], [first, small]));
    expect(() => encode([outer, outer], payloads(true))).toThrow(
      expect.objectContaining({ code: 'invalid-argument', message: 'the memory is detached' }),
    );
    expect(within.map(({ length }) => length)).toEqual([3 * 2 * 80, 3 * 2 * 80]);
    expect(encode([outer], [small])).toBe(encode([untouched], [small]));
  });
});
