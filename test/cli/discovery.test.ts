import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { toBareHex, toHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { formatEnode, nodeIdOf, signRecord } from '../../src/enr/index.ts';
import { compareDistance } from '../../src/kad/index.ts';
import { recordSender } from '../support/scripted-node.ts';
import { bootnode, enodeOf, ofKind, ownNode, silentNode } from './bootnode.ts';
import { Cli, eventsOf, run, runProcess, temporaryDirectory } from './cli.ts';

const KEY = randomBytes(32);
const PUBLIC_KEY = publicKeyOf(KEY);
const ERROR = { event: 'error', message: expect.any(String) };

async function keyFile(): Promise<string> {
  const path = join(await temporaryDirectory(), 'nodekey');
  await writeFile(path, toBareHex(KEY));
  return path;
}

describe('ping', () => {
  it('prints times, where the node sees us, and the number of its record', async () => {
    const { enode } = await bootnode();
    const { status, stdout, stderr } = await runProcess(
      'ping',
      enode,
      '--count',
      '3',
      '--interval',
      '0.1',
      '--json',
    );
    expect([status, stderr]).toEqual([0, '']);
    const pong = {
      ...{ event: 'pong', version: 'v4', rttMs: expect.any(Number), enrSeq: expect.stringMatching(/^\d+$/) },
      seenAs: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    };
    expect(eventsOf(stdout)).toEqual([
      ...[1, 2, 3].map((number) => ({ ...pong, number })),
      {
        ...{ event: 'summary', version: 'v4', sent: 3, received: 3, lossPercent: 0 },
        ...{ minMs: expect.any(Number), avgMs: expect.any(Number), maxMs: expect.any(Number) },
      },
    ]);
  });

  it('prints it in words, and takes a record', async () => {
    const { enr } = await bootnode();
    const { status, stdout } = await run('ping', enr, '--count', '1', '--listen', '127.0.0.1:0');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^pong 1: [\d.]+ ms, it sees us at 127\.0\.0\.1:\d+, its record has seq \d+$/m);
    expect(stdout).toMatch(/^1 sent, 1 answered, 0 % lost; min .* ms, avg .* ms, max .* ms$/m);
  });

  it('gives its own proof to the node, which then answers further questions', async () => {
    const node = await ownNode();
    expect((await run('ping', enodeOf(node), '--count', '1')).status).toBe(0);
    await expect.poll(() => node.stats().proofs).toBe(1);
  });

  it('takes the name of a host', async () => {
    const node = await ownNode();
    expect((await run('ping', enodeOf(node, 'localhost'), '--count', '1')).status).toBe(0);
  });

  it('reaches a node on IPv6', async () => {
    const node = await ownNode({ listen: { host: '::1', port: 0 } });
    const { status, stdout } = await run('ping', enodeOf(node, '::1'), '--count', '1', '--json');
    expect(status).toBe(0);
    expect(eventsOf(stdout)[0]).toMatchObject({ seenAs: expect.stringMatching(/^\[::1\]:\d+$/) });
  });

  it('reaches a node of both families by the one that it sends from', async () => {
    const key = generateSecretKey(systemEnv);
    const node = await ownNode({ key, listen: { host: '::1', port: 0 } });
    const entries = { ip: '192.0.2.1', udp: 9, ip6: '::1', udp6: node.port };
    const record = signRecord(key, { seq: 1n, entries }).toString();
    for (const listen of ['[::1]:0', '[0::1]:0']) {
      const { status, stdout } = await run('ping', record, '--count', '1', '--listen', listen, '--json');
      expect(status).toBe(0);
      expect(eventsOf(stdout)[0]).toMatchObject({ seenAs: expect.stringMatching(/^\[::1\]:\d+$/) });
    }
  });

  it('fails when nothing was answered, with the summary before it', async () => {
    const { status, stdout } = await runProcess('ping', await silentNode(), '--count', '1', '--json');
    expect(status).toBe(1);
    expect(eventsOf(stdout)).toEqual([
      { event: 'no-pong', version: 'v4', number: 1 },
      { event: 'summary', version: 'v4', sent: 1, received: 0, lossPercent: 100 },
      { ...ERROR, code: 'request-timeout' },
    ]);
  });

  it('counts a Ping that is under way when the time is over', async () => {
    const { status, stdout } = await run('ping', await silentNode(), '--timeout', '0.4', '--json');
    expect(status).toBe(1);
    expect(eventsOf(stdout)).toEqual([
      { event: 'summary', version: 'v4', sent: 1, received: 0, lossPercent: 100 },
      { ...ERROR, code: 'request-timeout' },
    ]);
  });

  it('ends with what it has, at Ctrl-C and when the time is over', async () => {
    const node = await ownNode();
    const cli = new Cli(['ping', enodeOf(node), '--count', '1000', '--json']);
    const late = run('ping', enodeOf(node), '--count', '1000', '--json', '--timeout', '1.5');
    await cli.event(({ event }) => event === 'pong');
    cli.kill('SIGINT');
    const [{ status, stdout }, timed] = await Promise.all([cli.done, late]);
    expect(status).toBe(130);
    expect(eventsOf(stdout).slice(-2)).toEqual([
      expect.objectContaining({ event: 'summary', received: 1 }),
      { ...ERROR, code: 'aborted' },
    ]);
    expect(timed.status).toBe(0);
    expect(eventsOf(timed.stdout).at(-1)).toMatchObject({ event: 'summary' });
  });
});

describe('enr-request', () => {
  it('prints the record as `enr show` does', async () => {
    const { enode, enr } = await bootnode();
    const [json, text, shownJson, shown] = await Promise.all([
      runProcess('enr-request', enode, '--json'),
      run('enr-request', enode),
      run('enr', 'show', enr, '--json'),
      run('enr', 'show', enr),
    ]);
    expect([json.status, text.status]).toEqual([0, 0]);
    expect(text.stdout).toBe(shown.stdout);
    const [record] = eventsOf(shownJson.stdout);
    expect(eventsOf(json.stdout)).toEqual([{ ...record, version: 'v4' }]);
  });

  it('says that the node has sent a record which is none, as `resolve` does', async () => {
    const sender = await recordSender(Uint8Array.of(0xc0));
    const { enode } = sender;
    const message = expect.stringMatching(/^the node has answered with a record that is invalid: /);
    const commands = [
      ['enr-request', enode],
      ['resolve', enode],
      ['resolve', toHex(sender.publicKey).slice(2), '--bootnode', enode],
    ];
    for (const { status, stdout } of await Promise.all(commands.map((args) => run(...args, '--json')))) {
      expect(eventsOf(stdout)).toEqual([{ event: 'error', code: 'invalid-record', message }]);
      expect(status).toBe(1);
    }
  });

  it('fails when the node is silent, and when the time is over', async () => {
    const enode = await silentNode();
    const runs = await Promise.all([
      runProcess('enr-request', enode, '--json'),
      run('enr-request', enode, '--json', '--timeout', '0.05'),
    ]);
    for (const { status, stdout } of runs) {
      expect(status).toBe(1);
      expect(eventsOf(stdout)).toEqual([{ ...ERROR, code: 'request-timeout' }]);
    }
    // It was not even asked.
    const [silent, late] = runs.map(({ stdout }) => eventsOf(stdout)[0]?.message);
    expect(silent).toBe('no answer to the Ping that comes before ENRRequest');
    expect(late).toBe('no record has come within 50ms');
  });
});

describe('resolve', () => {
  it('asks the node itself, whatever an older record says', async () => {
    const { signed: old, node } = await nodeWithRecords();
    const { status, stdout } = await runProcess('resolve', old.toString(), '--json');
    expect(status).toBe(0);
    expect(eventsOf(stdout)).toEqual([
      expect.objectContaining({ event: 'record', valid: true, enr: node.record.toString() }),
    ]);
  });

  it('finds a node by its public key, and one that has moved, through a bootnode', async () => {
    const boot = await bootnode();
    const { node } = await nodeWithRecords([boot.enode]);
    await node.ping(boot.enode);
    const { publicKey } = node;
    const moved = formatEnode({ publicKey, host: '127.0.0.1', tcpPort: 0, udpPort: 9 });
    for (const given of [toBareHex(publicKey), toHex(publicKey), moved]) {
      const { status, stdout } = await run('resolve', given, '--bootnode', boot.enode, '--json');
      expect([status, eventsOf(stdout)[0]?.enr]).toEqual([0, node.record.toString()]);
    }
  });

  it('fails for a node that nobody knows', async () => {
    const boot = await bootnode();
    const { status, stdout } = await runProcess(
      'resolve',
      toHex(PUBLIC_KEY),
      '--bootnode',
      boot.enode,
      '--json',
    );
    expect(status).toBe(1);
    expect(eventsOf(stdout)).toEqual([{ ...ERROR, code: 'request-timeout' }]);
  });

  /** A node, and a record of it that is older than its own. */
  async function nodeWithRecords(bootnodes: readonly string[] = []) {
    const node = await ownNode({ key: KEY, bootnodes });
    const signed = signRecord(KEY, { seq: 1n, entries: { ip: '127.0.0.1', udp: node.port } });
    return { node, signed };
  }
});

describe('lookup', () => {
  it('walks through a network, and ends with the closest nodes', async () => {
    const boot = await bootnode();
    const nodes = await Promise.all(Array.from({ length: 4 }, () => ownNode({ bootnodes: [boot.enode] })));
    await Promise.all(nodes.map((node) => node.requestRecord(boot.enode)));
    const target = randomBytes(64);
    const args = ['--bootnode', boot.enode, '--json'] as const;
    const { status, stdout, stderr } = await runProcess('lookup', toHex(target), ...args);
    expect([status, stderr]).toEqual([0, '']);
    const events = eventsOf(stdout);
    const met = ofKind('node', events).map(({ enode }) => enode);
    const enodes = [boot.enode, ...nodes.map((node) => enodeOf(node))];
    expect(met.toSorted()).toEqual(enodes.toSorted());
    const id = nodeIdOf(target);
    const expected = nodes.map(({ publicKey }) => nodeIdOf(publicKey));
    const nearest = expected.toSorted((a, b) => compareDistance(id, a, b)).map(toHex);
    const summary = events.at(-1) ?? { event: 'none' };
    expect(summary).toMatchObject({ event: 'summary', target: toHex(target), heardOf: 5, answered: 5 });
    const closest = summary.closest as { nodeId: string; distance: number }[];
    expect(closest).toHaveLength(5);
    expect(closest.map(({ nodeId }) => nodeId).filter((one) => nearest.includes(one))).toEqual(nearest);
    expect(closest.every(({ distance }) => distance >= 0 && distance <= 256)).toBe(true);
  });

  it('looks for a random key when it is not told what for, and begins at the node it looks for', async () => {
    // Those who look become part of the network: each has its own.
    const [{ enr }, { enode }] = await Promise.all([bootnode(), bootnode()]);
    const [random, itself] = await Promise.all([
      run('lookup', '--bootnode', enr),
      run('lookup', enode, '--json'),
    ]);
    expect(random.status).toBe(0);
    expect(random.stdout).toMatch(
      /^heard of 1 node, 1 of which answered; .*\nclosest to 0x[0-9a-f]{128}, .*\n {2}2[3-5]\d {2}enode:/m,
    );
    expect(itself.status).toBe(0);
    expect(eventsOf(itself.stdout).at(-1)).toMatchObject({ closest: [{ enode, distance: 0 }] });
  });

  it('says that a bootnode has not answered, and does not count it', async () => {
    const [silent, { enode }] = await Promise.all([silentNode(), bootnode()]);
    const { status, stdout } = await run('lookup', '--bootnode', silent, '--bootnode', enode);
    expect(status).toBe(0);
    expect(stdout).toContain(`${enode}\nno answer from ${silent}\nheard of 1 node, 1 of which answered; `);
    const alone = await run('lookup', '--bootnode', silent);
    expect(alone.status).toBe(1);
    expect(alone.stdout).toMatch(
      /^no answer from enode:.*\nheard of 0 nodes, 0 of which answered; .*\nclosest to 0x\w+: nobody\n$/,
    );
    expect(alone.stderr).toMatch(/none of the nodes to begin with has answered/);
  });

  it('tells those who answer from those that it has only heard of', async () => {
    const gone = await ownNode();
    const { record } = gone;
    const boot = await ownNode({ bootnodes: [record.toString()] });
    await gone.ping(enodeOf(boot));
    await boot.ping(record.toString());
    expect(boot.table.stats().live).toBe(1);
    await gone.close();
    const { status, stdout } = await run('lookup', '--bootnode', enodeOf(boot), '--json');
    expect(status).toBe(0);
    const events = eventsOf(stdout);
    expect(ofKind('node', events)).toHaveLength(2);
    expect(events.at(-1)).toMatchObject({ heardOf: 2, answered: 1, closest: [{ enode: enodeOf(boot) }] });
  });

  it('fails when nobody answers, and when the time is over', async () => {
    const silent = await silentNode();
    const [nobody, late] = await Promise.all([
      runProcess('lookup', '--bootnode', silent, '--json'),
      run('lookup', '--bootnode', silent, '--json', '--timeout', '0.05'),
    ]);
    expect([nobody.status, late.status]).toEqual([1, 1]);
    expect(eventsOf(nobody.stdout)).toEqual([
      { event: 'no-answer', enode: silent },
      expect.objectContaining({ event: 'summary', heardOf: 0, answered: 0, closest: [] }),
      { ...ERROR, code: 'request-timeout' },
    ]);
    expect(eventsOf(late.stdout).at(-1)).toEqual({ ...ERROR, code: 'lookup-timeout' });
  });
});

describe('a bootnode whose name cannot be looked up', () => {
  const nameless = (enode: string) => enode.replace('127.0.0.1', 'no.such.invalid');
  const failed = (part: string) => ({
    ...{ event: 'discovery-failed', part, code: 'lookup-failed' },
    message: expect.stringMatching(/^the host of enode:.* cannot be looked up: .*no\.such\.invalid/),
  });
  const nobody = {
    ...{ event: 'error', code: 'lookup-failed' },
    message: expect.stringMatching(/^nobody to ask: the host of enode:/),
  };

  it('is told of, and the others are asked', async () => {
    const boot = await bootnode();
    const [silent, file] = [nameless(await silentNode()), join(await temporaryDirectory(), 'nodes.json')];
    const node = await ownNode({ bootnodes: [boot.enode] });
    await node.ping(boot.enode);
    const args = ['--bootnode', silent, '--bootnode', boot.enode] as const;
    for (const command of [
      ['lookup'],
      ['lookup', boot.enode],
      ['resolve', toHex(node.publicKey)],
      ['crawl', file, '--idle', '0.2'],
    ]) {
      const { status, stdout } = await run(...command, ...args, '--json');
      expect([command[0], status]).toEqual([command[0], 0]);
      expect(ofKind('discovery-failed', eventsOf(stdout))).toEqual([failed('bootnode')]);
    }
    const text = await run('lookup', ...args);
    expect(text.stdout).toMatch(/^discovery \(bootnode\) failed: the host of .* \(lookup-failed\)$/m);
  });

  it('makes a command fail that has nobody else to ask', async () => {
    const silent = nameless(await silentNode());
    const file = join(await temporaryDirectory(), 'nodes.json');
    for (const command of [['lookup'], ['resolve', toHex(PUBLIC_KEY)], ['crawl', file]]) {
      const { status, stdout } = await run(...command, '--bootnode', silent, '--json');
      expect(status).toBe(1);
      expect(eventsOf(stdout)).toEqual([failed('bootnode'), nobody]);
    }
  });

  it('is as any other node that is looked for: bootnodes may know where it is', async () => {
    const boot = await bootnode();
    const node = await ownNode({ bootnodes: [boot.enode] });
    await node.ping(boot.enode);
    const named = nameless(enodeOf(node));
    for (const command of ['resolve', 'lookup']) {
      const found = await run(command, named, '--bootnode', boot.enode, '--json');
      expect([command, found.status]).toEqual([command, 0]);
      expect(eventsOf(found.stdout)[0]).toEqual(failed('node'));
      if (command === 'resolve')
        expect(eventsOf(found.stdout)[1]).toMatchObject({ enr: node.record.toString() });
      const alone = await run(command, named, '--json');
      expect([alone.status, eventsOf(alone.stdout)]).toEqual([1, [failed('node'), nobody]]);
    }
  });
});

describe('commands that ask refuse', () => {
  const key = toBareHex(PUBLIC_KEY);
  const good = `enode://${key}@127.0.0.1:30303`;
  const noUdp = signRecord(KEY, { seq: 1n, entries: { ip: '127.0.0.1', tcp: 30303 } }).toString();

  it.each<[string, readonly string[], string, RegExp]>([
    ['text that is no node', ['ping', 'node'], 'invalid-enode', /starts with "enode:/],
    ['a port that is none', ['ping', `enode://${key}@127.0.0.1:65536`], 'invalid-enode', /port/],
    ['a host that is none', ['ping', `enode://${key}@1.2.3:1`], 'invalid-enode', /IPv4/],
    ['an address of no host', ['ping', `enode://${key}@0.0.0.0:1`], 'invalid-argument', /address/],
    ['a node without a UDP port', ['ping', `${good}?discport=0`], 'invalid-argument', /UDP port/],
    ['a record without a UDP port', ['enr-request', noUdp], 'invalid-argument', /UDP endpoint/],
    ['a record that is damaged', ['enr-request', `${noUdp.slice(0, -2)}AA`], 'invalid-record', /./],
    [
      'a name that does not resolve',
      ['ping', `enode://${key}@no.such.invalid:1`],
      'lookup-failed',
      /no\.such/,
    ],
    [
      'a target that is a node id',
      ['lookup', 'ab'.repeat(32), '--bootnode', good],
      'invalid-argument',
      /node id/,
    ],
    ['a target that is none', ['lookup', '0x12', '--bootnode', good], 'invalid-argument', /128 hexadecimal/],
    ['a target with nobody to ask', ['lookup', key], 'invalid-argument', /--bootnode/],
    ['a node with nobody to ask', ['resolve', key], 'invalid-argument', /--bootnode/],
    [
      'a key that is no point',
      ['resolve', 'ff'.repeat(64), '--bootnode', good],
      'invalid-argument',
      /secp256k1/,
    ],
    [
      'another family of addresses than its own',
      ['ping', `enode://${key}@[::1]:1`, '--listen', '127.0.0.1:0'],
      'invalid-argument',
      /no way to ::1/,
    ],
    ['a key file that is not there', ['ping', good, '--key', '/no/such/file'], 'key-unreadable', /not exist/],
    [
      'to send from a foreign host',
      ['ping', good, '--listen', 'no.such.invalid:0'],
      'listen-failed',
      /no\.such/,
    ],
  ])('%s', async (_, args, code, message) => {
    const { status, stdout, stderr } = await run(...args, '--json');
    expect([status, stderr]).toEqual([1, '']);
    expect(eventsOf(stdout)).toEqual([{ event: 'error', code, message: expect.stringMatching(message) }]);
  });

  it('to ask themselves', async () => {
    const path = await keyFile();
    for (const command of ['ping', 'enr-request', 'resolve', 'lookup']) {
      const { status, stdout } = await run(command, good, '--key', path, '--json');
      expect(status).toBe(1);
      expect(eventsOf(stdout)).toEqual([
        { event: 'error', code: 'invalid-argument', message: expect.stringMatching(/itself/) },
      ]);
    }
  });

  it.each([
    [['ping', good, '--count', '0'], /from 1 to 10000/],
    [['ping', good, '--count', '10001'], /from 1 to 10000/],
    [['ping', good, '--interval', '0.01'], /at least 100ms/],
    [['ping', good, '--listen', '127.0.0.1:65536'], /a port from 0 to 65535/],
    [['lookup', '--timeout', '-1'], /expected a duration such as .*, or a number of seconds/],
    [['listen', '--extip', '0.0.0.0'], /the IP address of a host/],
    [['listen', '--extip', 'host'], /the IP address of a host/],
    [['listen', '--listen', '127.0.0.1'], /expected HOST:PORT/],
    [['listen', '--stats', '0'], /expected a duration above zero/],
  ])('%j with status 2', async (args, message) => {
    const { status, stderr } = await run(...args);
    expect([status, stderr]).toEqual([2, expect.stringMatching(message)]);
  });
});
