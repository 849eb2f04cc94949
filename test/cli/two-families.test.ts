/** Commands that listen on an address of each family, or send from one of each. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseEnode, parseRecord } from '../../src/enr/index.ts';
import { bindUdp } from '../../src/io/udp.ts';
import { SMALL_CHAIN } from '../interop/chains.ts';
import { bootnode, ownNode, ownNode5 } from './bootnode.ts';
import { Cli, eventsOf, InnerCli, run, temporaryDirectory } from './cli.ts';

const SMALL = join(SMALL_CHAIN.genesis, '..');
const EACH = ['--listen', '127.0.0.1:0', '--listen', '[::1]:0'] as const;
const IPV6 = { host: '::1', port: 0 };

describe('a node on an address of each family', () => {
  it('`listen` answers by both, and says so first', async () => {
    const { cli, enode, enr } = await bootnode(...EACH);
    const enodes = cli.events[0]?.enodes;
    expect(enodes).toEqual([enode, expect.stringMatching(/@\[::1\]:0\?discport=\d+$/)]);
    const [four, six] = (enodes as string[]).map((one) => parseEnode(one));
    expect(parseRecord(enr).entries()).toMatchObject({
      ...{ ip: '127.0.0.1', udp: four?.udpPort, ip6: '::1', udp6: six?.udpPort },
    });
    for (const listen of [IPV6, { ...IPV6, host: '127.0.0.1' }]) {
      const [v4, v5] = [await ownNode({ listen }), await ownNode5({ listen })];
      expect((await v4.requestRecord(enr)).toString()).toBe(enr);
      expect((await v5.requestRecord(enr)).toString()).toBe(enr);
    }
  });

  it('`listen` says it in words', async () => {
    const cli = new Cli(['listen', ...EACH]);
    const text = await cli.text(/^version/m);
    expect(text).toMatch(/^enode {4}\S*@127\.0\.0\.1:\S*\nenode {4}\S*@\[::1\]:\S*\nenr {6}enr:/);
  });

  it('`serve` takes peers by both', async () => {
    const args = ['--extip', '127.0.0.1', '--nat', 'none', '--bootnode', (await bootnode(...EACH)).enr];
    const cli = new InnerCli(['serve', '--chain', SMALL, ...EACH, '--json', ...args]);
    const { enodes } = await cli.event(({ event }) => event === 'listening');
    expect((enodes as string[]).map((one) => parseEnode(one).host)).toEqual(['127.0.0.1', '::1']);
    for (const enode of enodes as string[]) {
      const { stdout } = await run('dial', enode, '--json');
      expect(eventsOf(stdout)[0]).not.toMatchObject({ event: 'error' });
      const node = enode.includes('[') ? IPV6 : { ...IPV6, host: '127.0.0.1' };
      expect((await (await ownNode({ listen: node })).ping(enode)).seenAs?.ip).toBe(node.host);
    }
    const joined = await cli.event(({ event }) => event === 'peer-connected');
    expect(joined.enode).toMatch(/^enode:/);
  });

  it.each([
    ['--extip', '203.0.113.7', '--extip', '2001:db8::7'],
    ['--nat', 'extip:203.0.113.7,2001:db8::7'],
    ['--nat', 'extip:2001:db8::7,203.0.113.7', '--extip', '203.0.113.7', '--extip', '2001:db8::7'],
  ])('is told of its addresses by %s %s', async (...args) => {
    for (const listen of [EACH, ['--listen', '[::]:0']]) {
      const { enr } = await bootnode(...listen, ...args);
      expect(parseRecord(enr).entries()).toMatchObject({ ip: '203.0.113.7', ip6: '2001:db8::7' });
    }
  });

  it.each([['listen'], ['serve', '--chain', SMALL]])(
    '%s has none of its ports when one is taken',
    async (...command) => {
      const nothing = { message: () => undefined, failed: () => undefined };
      await using taken = await bindUdp(IPV6, nothing);
      const listen = ['--listen', '127.0.0.1:0', '--listen', `[::1]:${taken.port}`];
      const { status, stdout } = await run(...command, ...listen, '--json');
      expect([status, eventsOf(stdout)]).toEqual([1, [expect.objectContaining({ code: 'port-in-use' })]]);
    },
  );
});

it('`ping`, `lookup` and `crawl` send from an address of each family', async () => {
  const six = await ownNode({ listen: IPV6 });
  const four = await ownNode({ bootnodes: [] });
  for (const { record } of [four, six]) {
    const { status, stdout } = await run('ping', record.toString(), '--count', '1', ...EACH, '--json');
    expect([status, eventsOf(stdout)[0]?.event]).toEqual([0, 'pong']);
  }
  const { enr } = await bootnode(...EACH, '--v4');
  const bootnodes = [
    '--bootnode',
    enr,
    '--bootnode',
    four.record.toString(),
    '--bootnode',
    six.record.toString(),
  ];
  const found = await run('lookup', ...bootnodes, ...EACH, '--json');
  expect(eventsOf(found.stdout).at(-1)).toMatchObject({ event: 'summary', answered: 3 });
  const file = join(await temporaryDirectory(), 'nodes.json');
  const args = ['--idle', '2s', '--timeout', '20s', '--json'];
  const crawled = await run('crawl', file, ...bootnodes, ...EACH, ...args);
  expect(eventsOf(crawled.stdout).at(-1)).toMatchObject({ event: 'summary', nodes: 3 });
});

it.each([['listen'], ['serve', '--chain', SMALL], ['ping', `enode://${'11'.repeat(64)}@127.0.0.1:1`]])(
  '%s refuses two addresses of one family, and three',
  async (...command) => {
    for (const more of ['127.0.0.2:0', '[::2]:0']) {
      const { status, stdout } = await run(...command, ...EACH, '--listen', more, '--json');
      expect(status).toBe(1);
      expect(eventsOf(stdout)).toEqual([
        {
          ...{ event: 'error', code: 'invalid-argument' },
          message: '--listen has two addresses of one family: it takes one of IPv4 and one of IPv6',
        },
      ]);
    }
  },
);

it('`topic advertise` and `topic search` use both where a node to begin with has an address of each', async () => {
  const { enr } = await bootnode(...EACH);
  const advertise = ['topic', 'advertise', 'both', '--bootnode', enr, '--json'];
  const cli = new InnerCli([...advertise, '--extip', '127.0.0.1', '--extip', '::1']);
  const { enr: own } = await cli.event(({ event }) => event === 'advertising');
  expect(parseRecord(String(own)).entries()).toMatchObject({ ip: '127.0.0.1', ip6: '::1' });
  const deaf = await run(...advertise, '--listen', '127.0.0.1:0', '--extip', '::1');
  expect([deaf.status, eventsOf(deaf.stdout)]).toEqual([
    1,
    [
      {
        event: 'error',
        code: 'invalid-argument',
        message: '--extip[0]: nobody reaches 127.0.0.1, where the node listens, at ::1',
      },
    ],
  ]);
  const six = new InnerCli(['topic', 'advertise', 'six', '--bootnode', enr, '--listen', '[::1]:0', '--json']);
  await six.event(({ event }) => event === 'admitted');
  const found = await run('topic', 'search', 'six', '--bootnode', enr, '--json');
  expect(eventsOf(found.stdout).at(-1)).toMatchObject({ event: 'summary', found: 1 });
});
