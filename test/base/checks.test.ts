import { describe, expect, it } from 'vitest';
import { checkNames } from '../../src/base/checks.ts';
import { systemEnv } from '../../src/base/env.ts';
import { MemoryKv } from '../../src/base/kv.ts';
import { generateSecretKey, publicKeyOf } from '../../src/crypto/index.ts';
import { DnsClient } from '../../src/dnsdisc/index.ts';
import { formatEnode } from '../../src/enr/index.ts';
import { ethDiscovery, ethProtocols } from '../../src/eth/index.ts';
import { DnsResolver } from '../../src/io/dns.ts';
import type { Protocol } from '../../src/p2p/index.ts';
import { Crawler, Discv4Service, NodeDatabase, parseNodeSet, Server } from '../../src/server/index.ts';
import { Downloader } from '../../src/sync/index.ts';
import { codeOf, rejectionOf } from '../support/errors.ts';

const NAMES = { maxPeers: true, dialRatio: true, env: true };
const messageOf = (options: object): string => {
  try {
    checkNames('the options', options, NAMES);
    return '';
  } catch (error) {
    return String((error as Error).message);
  }
};

describe('names of options', () => {
  it('a misspelt one is refused, and the one that was meant is named', () => {
    expect(messageOf({ maxPeers: 5, env: undefined })).toBe('');
    expect(messageOf({ maxPeer: 5 })).toBe('the options: there is no "maxPeer"; did you mean "maxPeers"?');
    expect(messageOf({ maxpeers: 5 })).toContain('did you mean "maxPeers"?');
    expect(messageOf({ dail_ratio: 5 })).toContain('did you mean "dialRatio"?');
    expect(messageOf({ colour: 5 })).toBe(
      'the options: there is no "colour"; there are maxPeers, dialRatio, env',
    );
    expect(messageOf({ foo: 5 })).toContain('there are maxPeers');
    expect(messageOf({ en: 5 })).toContain('did you mean "env"?');
    expect(messageOf({ dialLimit: 5 })).toContain('did you mean "dialRatio"?');
    expect(messageOf({ maxPeersInAll: 5 })).toContain('did you mean "maxPeers"?');
    expect(messageOf({ maximum: 5 })).toContain('there are maxPeers');
    expect(messageOf({ '': 5 })).toContain('there are maxPeers');
    expect(messageOf({ toString: 5 })).toContain('there is no "toString"');
    expect(messageOf(new Proxy({}, { ownKeys: () => [5 as never] }))).toContain('cannot be read');
  });

  it('are checked by whatever takes options', async () => {
    const key = generateSecretKey(systemEnv);
    const listen = { host: '127.0.0.1', port: 0 };
    const echo: Protocol = { name: 'echo', version: 1, length: 1, handler: async () => undefined };
    const wrong: readonly ((more: object) => unknown)[] = [
      (more) => new Server({ key, protocols: [], ...more }),
      (more) => new Server({ key, protocols: [echo], discovery: { ...more } }),
      (more) => new Server({ key, protocols: [{ ...echo, ...more }] }),
      (more) => new Server({ key, protocols: [echo], listen: { ...listen, ...more } }),
      (more) => new Discv4Service({ key, listen, ...more }),
      (more) => new Discv4Service({ key, listen: { ...listen, ...more } }),
      (more) => new Discv4Service({ key, listen, limits: { ...more } }),
      (more) => new DnsClient({ resolver: new DnsResolver(), ...more }),
      (more) => new DnsResolver({ ...more }),
      (more) => new Crawler({ service: new Discv4Service({ key, listen }), set: new Map(), ...more }),
      (more) => new Downloader({ store: {} as never, ...more }),
      (more) => ethProtocols({ network: {} as never, chain: {} as never, ...more }),
      (more) => ethDiscovery({ network: {} as never, chain: {} as never, ...more }),
    ];
    for (const make of wrong) {
      expect(codeOf(() => make({ unheardOf: 5 }))).toBe('invalid-argument');
      expect(() => make({ unheardOf: 5 })).toThrow(/no "unheardOf"/);
    }
    const server = new Server({ key, protocols: [echo] });
    const service = new Discv4Service({ key, listen });
    const publicKey = publicKeyOf(generateSecretKey(systemEnv));
    const node = formatEnode({ publicKey, host: '127.0.0.1', tcpPort: 9, udpPort: 9 });
    const later: readonly ((more: object) => Promise<unknown>)[] = [
      (more) => server.dial(node, more),
      (more) => service.ping(node, more),
      (more) => service.requestRecord(node, more),
      (more) => service.resolve(publicKey, more),
      (more) => service.random(more).next(),
      (more) => parseNodeSet('{}', more),
    ];
    for (const call of later) {
      await expect((async () => await call({ sginal: undefined }))()).rejects.toThrow(
        'did you mean "signal"?',
      );
    }
    const opened = NodeDatabase.over(new MemoryKv(), { unheardOf: 5 } as never);
    expect(await rejectionOf(opened)).toBe('invalid-argument');
  });
});
