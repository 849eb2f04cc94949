import { lookup } from 'node:dns/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { DnsResolver, lookupHost } from '../../src/io/dns.ts';
import { DnsServer, stringsOf, type TxtAnswer } from '../support/dns-server.ts';
import { codeOf, rejectionOf } from '../support/errors.ts';

async function serve(answer: (name: string) => TxtAnswer): Promise<DnsServer> {
  const server = await DnsServer.listen(answer);
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server;
}

async function ask(answer: TxtAnswer, timeoutMs = 5_000): Promise<string[]> {
  const server = await serve(() => answer);
  return new DnsResolver({ servers: [server.address], timeoutMs }).resolveTxt('name.test');
}

describe('the TXT records of a name', () => {
  it('come each as one text, whatever its strings', async () => {
    expect(await ask([['a'], ['b', 'c', '', 'd'], ['']])).toEqual(['a', 'bcd', '']);
  });

  it('come over TCP when they are too long for a packet', async () => {
    const long = 'x'.repeat(2_000);
    const server = await serve(() => [stringsOf(long), ['y']]);
    const resolver = new DnsResolver({ servers: [server.address] });
    expect(await resolver.resolveTxt('name.test')).toEqual([long, 'y']);
    expect(server.asked.map(({ over }) => over)).toEqual(['udp', 'tcp']);
  });

  it('are none where there is no such name, or nothing at it', async () => {
    expect(await ask('no such name')).toEqual([]);
    expect(await ask([])).toEqual([]);
  });

  it('that cannot be had are an error', async () => {
    expect(await rejectionOf(ask('server failure'))).toBe('lookup-failed');
    expect(await rejectionOf(ask('silence', 300))).toBe('lookup-timeout');
    const { address } = await DnsServer.listen(() => 'silence').then(async (server) => {
      const { address } = server;
      await server[Symbol.asyncDispose]();
      return { address };
    });
    expect(await rejectionOf(new DnsResolver({ servers: [address] }).resolveTxt('name.test'))).toBe(
      'lookup-failed',
    );
    expect(await rejectionOf(new DnsResolver({ servers: [address] }).resolveTxt('a..b'))).toBe(
      'lookup-failed',
    );
  });

  it('are asked for again when a packet is lost', async () => {
    let lost = 0;
    const server = await serve(() => (lost++ === 0 ? 'silence' : [['there']]));
    const resolver = new DnsResolver({ servers: [server.address], timeoutMs: 3_000 });
    expect(await resolver.resolveTxt('name.test')).toEqual(['there']);
  });

  it('are not waited for any more when the signal aborts, and others are', async () => {
    const abort = new AbortController();
    const server = await serve((name) => {
      if (name === 'b.test') return [['b']];
      abort.abort();
      return 'silence';
    });
    const resolver = new DnsResolver({ servers: [server.address] });
    const [a, b] = [resolver.resolveTxt('a.test', abort.signal), resolver.resolveTxt('b.test')];
    expect(await rejectionOf(a)).toBe('aborted');
    expect(await b).toEqual(['b']);
    expect(await rejectionOf(resolver.resolveTxt('a.test', abort.signal))).toBe('aborted');
  });
});

it.each([
  { servers: [] },
  { servers: ['example.org'] },
  { servers: ['127.0.0.1:x'] },
  { servers: ['127.0.0.1:0'] },
  { servers: ['[::1]:0'] },
  { servers: ['[::1]x:0'] },
  { servers: ['127.0.0.1:65536'] },
  { servers: 'x' },
  { servers: [7] },
  { timeoutMs: 0 },
  { timeoutMs: Number.NaN },
])('a resolver is not made of %j', (options) => {
  expect(codeOf(() => new DnsResolver(options as never))).toBe('invalid-argument');
});

describe('the address of a host', () => {
  it('is IPv4 if it has one, or the one that is preferred', async () => {
    const all = (await lookup('localhost', { all: true, order: 'ipv4first' })).map(({ address }) => address);
    expect(await lookupHost('localhost')).toBe(all[0]);
    const isIpv6 = (ip: string) => ip.includes(':');
    expect(await lookupHost('localhost', undefined, isIpv6)).toBe(all.find(isIpv6) ?? all[0]);
  });

  it('is its own for an address, whichever is preferred', async () => {
    for (const ip of ['127.0.0.1', '::1']) {
      expect(await lookupHost(ip)).toBe(ip);
      expect(await lookupHost(ip, undefined, () => false)).toBe(ip);
    }
  });

  it('cannot be had of what is no name', async () => {
    expect(await rejectionOf(lookupHost('no.such.invalid'))).toBe('lookup-failed');
  });
});
