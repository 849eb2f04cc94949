import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fromHex } from '../../src/base/bytes.ts';
import { parseRecord, signRecord } from '../../src/enr/index.ts';
import { encode, text as rlpText } from '../../src/rlp/index.ts';
import { eventsOf, MAIN, type Result, run, runProcess, temporaryDirectory } from './cli.ts';

// EIP-778, "Test Vectors": key, record and node id.
const SECRET_KEY = 'b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291';
const EXAMPLE =
  'enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZuOh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCCdl8';
const NODE_ID = '0xa448f24c6d18e575453db13171562b71999873db5b286df957af199ec94617f7';
const PUBLIC_KEY =
  'ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd31387574077f301b421bc84df7266c44e9e6d569fc56be00812904767bf5ccd1fc7f';
const ENODE = `enode://${PUBLIC_KEY}@127.0.0.1:0?discport=30303`;
/** The record with one bit of its port changed. */
const FORGED = `${EXAMPLE.slice(0, -1)}4`;

async function file(content: string, name = 'file'): Promise<string> {
  const path = join(await temporaryDirectory(), name);
  await writeFile(path, content);
  return path;
}

function piped(
  input: string,
  ...args: readonly string[]
): Pick<Result, 'stdout' | 'stderr'> & { status: number | null } {
  return spawnSync(process.execPath, [MAIN, ...args], { input, encoding: 'utf8' });
}

describe('enr show', () => {
  it('decodes and verifies a record', async () => {
    const [plain, json] = await Promise.all([
      runProcess('enr', 'show', EXAMPLE),
      run('enr', 'show', EXAMPLE, '--json'),
    ]);
    expect([plain.status, plain.stderr, json.status, json.stderr]).toEqual([0, '', 0, '']);
    expect(plain.stdout).toMatch(/^valid +yes/m);
    expect(plain.stdout).toMatch(new RegExp(`^node id +${NODE_ID}$`, 'm'));
    expect(plain.stdout).toMatch(/^seq +1$/m);
    expect(plain.stdout).toMatch(/^size +134 of 300 bytes$/m);
    expect(plain.stdout).toContain(ENODE);
    expect(plain.stdout).toMatch(/^ {2}ip +127\.0\.0\.1$/m);
    expect(plain.stdout).toMatch(/^ {2}udp +30303$/m);
    expect(eventsOf(json.stdout)).toEqual([
      {
        event: 'record',
        enr: EXAMPLE,
        valid: true,
        nodeId: NODE_ID,
        publicKey: `0x${PUBLIC_KEY}`,
        seq: '1',
        size: 134,
        enode: ENODE,
        entries: [
          { key: 'id', value: 'v4', raw: '0x827634' },
          { key: 'ip', value: '127.0.0.1', raw: '0x847f000001' },
          {
            key: 'secp256k1',
            value: expect.stringMatching(/^0x03ca63/),
            raw: expect.stringMatching(/^0xa103ca/),
          },
          { key: 'udp', value: 30303, raw: '0x82765f' },
        ],
        notes: [],
      },
    ]);
  });

  it('shows entries that nobody here knows, and nothing that a terminal would obey', async () => {
    const others = new Map([
      ['client', encode(rlpText(99), 'peerlane\u001b[31m')],
      ['quic', fromHex('822710')],
      ['z', fromHex('c6c20102826162')],
    ]);
    const entries = { eth: { hash: fromHex('aef1f653'), next: 1_681_338_455n }, ip: '1.2.3.4', tcp: 0 };
    const record = signRecord(fromHex(SECRET_KEY), { seq: 2n ** 64n - 1n, entries, others }).toString();
    const { stdout } = await run('enr', 'show', record);
    expect(stdout).toMatch(/^seq +18446744073709551615$/m);
    expect(stdout).toMatch(/^ {2}eth +fork hash 0xaef1f653, next fork 1681338455$/m);
    expect(stdout).toMatch(/^ {2}quic +0x2710$/m);
    expect(stdout).toMatch(/^ {2}z +\[\["0x01","0x02"\],"0x6162"\]$/m);
    expect(stdout).toMatch(/^note +tcp is 0, which is no port$/m);
    expect(stdout).not.toContain('\u001b');
    const [event] = eventsOf((await run('enr', 'show', record, '--json')).stdout);
    expect(event?.entries).toContainEqual({
      key: 'eth',
      value: { hash: '0xaef1f653', next: '1681338455' },
      raw: '0xcbca84aef1f6538464373057',
    });
    expect(event?.entries).toContainEqual({
      key: 'z',
      value: [['0x01', '0x02'], '0x6162'],
      raw: '0xc6c20102826162',
    });
  });

  it('shows what can be read of a forged record, says so, and fails', async () => {
    const [plain, json] = await Promise.all([
      run('enr', 'show', FORGED),
      runProcess('enr', 'show', FORGED, '--json'),
    ]);
    expect(plain.status).toBe(1);
    expect(plain.stdout).toMatch(/^valid +no: the signature was not made by the key/m);
    expect(plain.stdout).toMatch(/^ {2}ip +127\.0\.0\.1$/m);
    expect(plain.stderr).toMatch(/^error: the signature was not made .* \(invalid-record\)\n$/);
    const events = eventsOf(json.stdout);
    expect(events.map(({ event }) => event)).toEqual(['record', 'error']);
    expect(events[0]).toMatchObject({ valid: false, seq: '1', problem: expect.stringMatching(/signature/) });
    expect(events[1]).toMatchObject({ code: 'invalid-record' });
  });

  it('takes enode URLs', async () => {
    const { status, stdout } = await run(
      'enr',
      'show',
      `enode://${PUBLIC_KEY}@Node.example:1?discport=0`,
      '--json',
    );
    expect(status).toBe(0);
    expect(eventsOf(stdout)).toEqual([
      {
        event: 'enode',
        enode: `enode://${PUBLIC_KEY}@Node.example:1?discport=0`,
        valid: true,
        nodeId: NODE_ID,
        publicKey: `0x${PUBLIC_KEY}`,
        host: 'Node.example',
        tcp: 1,
        udp: 0,
      },
    ]);
    const wrong = await run('enr', 'show', 'enode://12@1.2.3.4:1');
    expect([wrong.status, wrong.stderr]).toEqual([
      1,
      'error: the node key is not 128 hexadecimal digits (invalid-enode)\n',
    ]);
  });

  it('takes a file or the standard input, with one or more, and goes on behind a wrong one', async () => {
    const lines = `\n ${EXAMPLE}\r\nnonsense\n${ENODE}\n`;
    const fromFile = await run('enr', 'show', await file(lines), '--json');
    const fromInput = piped(lines, 'enr', 'show', '-', '--json');
    expect([fromInput.status, fromInput.stdout]).toEqual([1, fromFile.stdout]);
    const events = eventsOf(fromFile.stdout);
    expect(events.map(({ event, valid }) => [event, valid])).toEqual([
      ['record', true],
      ['record', false],
      ['enode', true],
      ['error', undefined],
    ]);
    expect(events[3]?.message).toBe('1 of 3 are not valid');
    expect(piped(EXAMPLE, 'enr', 'show', '-').status).toBe(0);
  });

  it('passes over lines that begin with #, as `dns sync` prints them', async () => {
    const lines = await file(`# entries: 1 of 2\n${EXAMPLE}\n # 1 record\n`);
    const { status, stdout } = await run('enr', 'show', lines, '--json');
    expect([status, eventsOf(stdout).map(({ event }) => event)]).toEqual([0, ['record']]);
    const none = await run('enr', 'show', await file('# 0 records\n'));
    expect([none.status, none.stderr]).toEqual([1, 'error: there is no record in it (invalid-record)\n']);
  });

  it.each([
    [
      'is missing',
      async () => join(await temporaryDirectory(), 'none'),
      /it does not exist \(file-unreadable\)/,
    ],
    ['is a directory', temporaryDirectory, /it is a directory \(file-unreadable\)/],
    [
      'is too large',
      () => file(EXAMPLE.repeat(10_000)),
      /it is larger than 1048576 bytes \(file-unreadable\)/,
    ],
    ['holds too much', () => file('x\n'.repeat(10_001)), /at most 10000 records.* \(invalid-record\)/],
    ['is empty', () => file('\n \n'), /there is no record in it \(invalid-record\)/],
  ])('says so when the file %s', async (_, prepare, message) => {
    const { status, stdout, stderr } = await run('enr', 'show', await prepare());
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(message);
  });
});

describe('enr new', () => {
  it('makes the record of EIP-778', async () => {
    const key = await file(SECRET_KEY);
    const { status, stdout, stderr } = await runProcess(
      ...['enr', 'new', '--key', key, '--seq', '1', '--ip', '127.0.0.1', '--udp', '30303'],
    );
    expect([status, stdout, stderr]).toEqual([0, `${EXAMPLE}\n`, '']);
  });

  it('takes options and changes, and counts from the time', async () => {
    const key = await file(SECRET_KEY);
    const options = [
      '--ip6',
      '2001:db8::1',
      '--tcp',
      '1',
      '--tcp6',
      '2',
      '--udp6',
      '3',
      '--eth',
      'aef1f653/5',
    ];
    const flags = ['--snap', '--topic-discovery', 'client=x', 'tcp=9', '--json'];
    const { stdout } = await run('enr', 'new', '--key', key, ...options, ...flags);
    const [event] = eventsOf(stdout);
    const record = parseRecord(String(event?.enr));
    const { secp256k1, ...entries } = record.entries();
    expect(entries).toEqual({
      id: 'v4',
      ip6: '2001:db8::1',
      tcp: 9,
      tcp6: 2,
      udp6: 3,
      eth: { hash: fromHex('aef1f653'), next: 5n },
      snap: true,
      ng: 1,
      'topic-discovery': 1,
    });
    expect([record.raw('client'), event?.valid, event?.seq]).toEqual([
      encode(rlpText(1), 'x'),
      true,
      record.seq.toString(),
    ]);
    expect(record.seq).toBeGreaterThan(1_700_000_000_000n);
  });

  it('refuses what does not fit into a record, and a key file that holds none', async () => {
    const large = await run('enr', 'new', '--key', await file(SECRET_KEY), `x=${'y'.repeat(250)}`);
    expect(large.status).toBe(1);
    expect(large.stderr).toMatch(/^error: the record has \d+ bytes; the limit is 300 \(invalid-record\)\n$/);
    const { status, stderr } = await run('enr', 'new', '--key', await file('secret'));
    expect(status).toBe(1);
    expect(stderr).toMatch(/64 hexadecimal digits \(key-unreadable\)\n$/);
  });
});

describe('enr set', () => {
  it('signs the changed record with the next number, and keeps what it does not know', async () => {
    const key = await file(SECRET_KEY);
    const others = new Map([['quic', fromHex('822710')]]);
    const before = signRecord(fromHex(SECRET_KEY), { seq: 41n, entries: { ip: '1.2.3.4', udp: 1 }, others });
    const source = await file(`${before}\n`);
    const { status, stdout } = await runProcess(
      'enr',
      'set',
      source,
      '--key',
      key,
      'ip=1.2.3.5',
      'udp=',
      'tcp=30303',
    );
    expect(status).toBe(0);
    const after = signRecord(fromHex(SECRET_KEY), {
      seq: 42n,
      entries: { ip: '1.2.3.5', tcp: 30303 },
      others,
    });
    expect(stdout).toBe(`${after}\n`);
    const piece = piped(`${before}`, 'enr', 'set', '-', '--key', key, 'quic=', '--json');
    expect(eventsOf(piece.stdout)).toMatchObject([{ event: 'record', valid: true, seq: '42' }]);
    expect(piece.stdout).not.toContain('quic');
  });

  it('leaves a record as it is when nothing changes', async () => {
    const { status, stdout } = await run(
      'enr',
      'set',
      EXAMPLE,
      'udp=30303',
      'x=',
      '--key',
      await file(SECRET_KEY),
    );
    expect([status, stdout]).toEqual([0, `${EXAMPLE}\n`]);
  });

  it.each<[string, string, string, RegExp]>([
    ['of another key', EXAMPLE, SECRET_KEY.replace('b', 'c'), /not of this key \(invalid-argument\)/],
    ['with a wrong signature', FORGED, SECRET_KEY, /not made by the key .* \(invalid-record\)/],
    ['that is an enode URL', ENODE, SECRET_KEY, /starts with "enr:" \(invalid-record\)/],
  ])('refuses a record %s', async (_, source, key, message) => {
    const { status, stdout, stderr } = await run('enr', 'set', source, 'udp=1', '--key', await file(key));
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(message);
  });

  it('takes one record at a time', async () => {
    const source = await file(`${EXAMPLE}\n${EXAMPLE}\n`);
    const { status, stderr } = await run('enr', 'set', source, 'udp=1', '--key', await file(SECRET_KEY));
    expect([status, stderr]).toEqual([1, 'error: expected one record, found 2 lines (invalid-record)\n']);
  });
});
