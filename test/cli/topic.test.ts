import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { toBareHex, toHex } from '../../src/base/bytes.ts';
import { publicKeyOf } from '../../src/crypto/index.ts';
import { topicId } from '../../src/discv5/index.ts';
import { formatEnode, parseRecord } from '../../src/enr/index.ts';
import { bootnode, ofKind, ownNode5 } from './bootnode.ts';
import { Cli, eventsOf, InnerCli, run, runProcess, temporaryDirectory } from './cli.ts';

const HERE = ['--listen', '127.0.0.1:0'] as const;
/** Who is of another network than those that are kept already waits less. */
const FAR = ['127.80.0.1', '127.90.0.1'] as const;
const ERROR = { event: 'error', message: expect.any(String) };

interface Advertiser {
  readonly cli: InnerCli;
  readonly enr: string;
}

/** Advertises until the test is over; somebody keeps it. */
async function advertiser(topic: string, bootnode: string, ...args: readonly string[]): Promise<Advertiser> {
  const here = args.includes('--listen') ? [] : HERE;
  const cli = new InnerCli(['topic', 'advertise', topic, '--bootnode', bootnode, ...here, '--json', ...args]);
  const { enr } = await cli.event(({ event }) => event === 'advertising');
  await cli.event(({ event }) => event === 'admitted');
  return { cli, enr: String(enr) };
}

/** A node that does not answer. */
async function silent(): Promise<string> {
  const node = await ownNode5();
  const text = node.record.toString();
  await node.close();
  return text;
}

describe('topic advertise', () => {
  it('says what it advertises, and who keeps it, until Ctrl-C', async () => {
    const boot = await bootnode('--stats', '0.1');
    const { cli, enr } = await advertiser('fruit', boot.enr, '--tcp-port', '30303', '--stats', '0.1');
    const topic = toHex(topicId('fruit'));
    const stats = await cli.event(({ event, active }) => event === 'stats' && Number(active) === 1);
    expect(stats).toEqual({ event: 'stats', version: 'v5', active: 1, pending: 0, table: 1, live: 1 });
    expect(cli.events[0]).toEqual({ event: 'advertising', version: 'v5', topic, enr });
    expect(parseRecord(enr).entries()).toMatchObject({ ip: '127.0.0.1', tcp: 30_303 });
    expect(ofKind('admitted', cli.events)).toEqual([
      {
        ...{ event: 'admitted', topic, nodeId: toHex(parseRecord(boot.enr).nodeId) },
        ...{ enode: boot.enode, enr: boot.enr, lifetimeMs: 900_000, active: 1, pending: 0 },
      },
    ]);
    const kept = await boot.cli.event(({ version, ads }) => version === 'v5' && Number(ads) > 0);
    expect(kept).toMatchObject({ event: 'stats', ads: 1, topics: 1 });
    cli.kill('SIGINT');
    expect(await cli.done).toMatchObject({ status: 130, stderr: '' });
  });

  it('says while nobody answers that nobody does', async () => {
    const cli = new Cli([
      'topic',
      'advertise',
      'fruit',
      '--bootnode',
      await silent(),
      ...HERE,
      '--stats',
      '0.1',
    ]);
    await cli.text(
      /0 nodes with it, 0 asked; table 0, of which 0 live; none of the nodes to begin with has answered\n/,
    );
    const boot = await bootnode();
    const other = await advertiser('fruit', boot.enr, '--stats', '0.1');
    await other.cli.event(({ event, note }) => event === 'stats' && note === undefined);
  });

  it('says it in words, and that a record without an address leads nowhere', async () => {
    const boot = await bootnode();
    const args = ['topic', 'advertise', 'fruit', '--bootnode', boot.enode, '--listen', '0.0.0.0:0'];
    const cli = new Cli([...args, '--stats', '0.1']);
    const text = await cli.text(/live\n/);
    expect(text).toMatch(
      /^topic {2}0x[0-9a-f]{64}\nenr {4}enr:.*\nnote {3}the record names no address, so nobody/,
    );
    expect(text).toMatch(/^\d+ nodes? with it, \d+ asked; table \d+, of which \d+ live$/m);
  });

  it('prints who keeps it in words', async () => {
    const boot = await bootnode();
    const cli = new Cli(['topic', 'advertise', 'fruit', '--bootnode', boot.enr, ...HERE]);
    const text = await cli.text(/^kept/m);
    expect(text).toContain(`kept for 15 min 0 s by ${boot.enode}; 1 node with it, 0 asked\n`);
  });
});

describe('topic search', () => {
  it('prints those who advertise the topic, and ends', async () => {
    const boot = await bootnode();
    const [a, b, other] = await Promise.all([
      advertiser('fruit', boot.enr),
      advertiser(toHex(topicId('fruit')), boot.enr, '--listen', `${FAR[0]}:0`),
      advertiser('meat', boot.enr, '--listen', `${FAR[1]}:0`),
    ]);
    const { status, stdout, stderr } = await runProcess(
      'topic',
      'search',
      'fruit',
      '--bootnode',
      boot.enr,
      '--json',
    );
    expect([status, stderr]).toEqual([0, '']);
    const events = eventsOf(stdout);
    const found = ofKind('node', events).map(({ enr }) => enr);
    expect(found.toSorted()).toEqual([a.enr, b.enr].toSorted());
    expect(found).not.toContain(other.enr);
    expect(events.at(-1)).toEqual({
      ...{ event: 'summary', version: 'v5', topic: toHex(topicId('fruit')), found: 2 },
      ...{ sent: expect.any(Number), received: expect.any(Number), seconds: expect.any(Number) },
    });
    const one = await run('topic', 'search', 'fruit', '--bootnode', boot.enode, '--count', '1');
    expect([one.status, one.stdout]).toEqual([
      0,
      expect.stringMatching(/^enode:.*\n1 node with the topic 0x[0-9a-f]{64}; \d+ packets sent in .* s\n$/),
    ]);
  });

  it('has no failure where nobody advertises it', async () => {
    const boot = await bootnode();
    const { status, stdout } = await run('topic', 'search', 'fruit', '--bootnode', boot.enr, '--json');
    expect(status).toBe(0);
    expect(eventsOf(stdout)).toEqual([expect.objectContaining({ event: 'summary', found: 0 })]);
  });

  it('fails when nobody answers, and when the time is over', async () => {
    const nobody = await silent();
    const args = ['topic', 'search', 'fruit', '--bootnode', nobody, '--json'];
    const [none, late] = await Promise.all([runProcess(...args), run(...args, '--timeout', '0.05')]);
    expect([none.status, late.status]).toEqual([1, 1]);
    expect(eventsOf(none.stdout)).toEqual([
      expect.objectContaining({ event: 'summary', found: 0 }),
      { ...ERROR, code: 'request-timeout' },
    ]);
    expect(eventsOf(late.stdout).at(-1)).toEqual({ ...ERROR, code: 'lookup-timeout' });
  });
});

describe('topic refuses', () => {
  const key = randomBytes(32);
  const own = formatEnode({ publicKey: publicKeyOf(key), host: '127.0.0.1', tcpPort: 0, udpPort: 9 });

  it.each(['advertise', 'search'])('to %s without anybody to ask, and to ask itself', async (command) => {
    const path = join(await temporaryDirectory(), 'nodekey');
    await writeFile(path, toBareHex(key));
    const bare = await run('topic', command, 'fruit', '--json');
    expect([bare.status, eventsOf(bare.stdout)]).toEqual([
      1,
      [{ ...ERROR, code: 'invalid-argument', message: expect.stringMatching(/give a --bootnode/) }],
    ]);
    const itself = await run('topic', command, 'fruit', '--key', path, '--bootnode', own, '--json');
    expect([itself.status, eventsOf(itself.stdout)]).toEqual([
      1,
      [{ ...ERROR, code: 'invalid-argument', message: expect.stringMatching(/not itself/) }],
    ]);
  });

  it.each([
    [['advertise', ''], /1 to 256 bytes/],
    [['search', 'x'.repeat(257)], /1 to 256 bytes/],
    [['search', '0x12'], /64 hexadecimal digits behind 0x/],
    [['advertise', `0x${'g'.repeat(64)}`], /64 hexadecimal digits behind 0x/],
    [['search'], /missing required argument 'topic'/],
    [['search', 'x', '--count', '0'], /from 1 to 1000/],
    [['search', 'x', '--count', '1001'], /from 1 to 1000/],
    [['search', 'x', '--v4'], /unknown option '--v4'/],
    [['advertise', 'x', '--tcp-port', '65536'], /a port from 0 to 65535/],
  ])('%j with status 2', async (args, message) => {
    const { status, stderr } = await run('topic', ...args);
    expect([status, stderr]).toEqual([2, expect.stringMatching(message)]);
  });
});
