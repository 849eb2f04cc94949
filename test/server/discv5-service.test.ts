import { describe, expect, it } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { MAX_TALK_RESPONSE } from '../../src/discv5/index.ts';
import { nodeIdOf, signRecord } from '../../src/enr/index.ts';
import { MAX_UNANSWERED } from '../../src/kad/index.ts';
import { MAX_CALLS } from '../../src/server/discovery-calls.ts';
import { Discv4Service } from '../../src/server/discv4-service.ts';
import type { Discv5ServiceEvent, Discv5ServiceOptions } from '../../src/server/discv5-options.ts';
import { Discv5Service } from '../../src/server/discv5-service.ts';
import { SharedUdp } from '../../src/server/shared-udp.ts';
import { MAX_TALKS_OF_ONE } from '../../src/server/talk.ts';
import { EventQueue } from '../interop/event-queue.ts';
import { codeOf, rejectionOf } from '../support/errors.ts';
import { within } from '../support/within.ts';

const HOST = '127.0.0.1';
const newKey = () => generateSecretKey(systemEnv);

async function started(options: Partial<Discv5ServiceOptions> = {}): Promise<Discv5Service> {
  const service = new Discv5Service({ key: newKey(), listen: { host: HOST, port: 0 }, ...options });
  await service.start();
  return service;
}

const text = (record: { toString(): string }) => record.toString();

describe('a service of discovery v5', () => {
  it('pings, asks for records and nodes, and talks', async () => {
    const [a, b] = [await started(), await started()];
    await within([a, b], async () => {
      const pong = await a.ping(text(b.record));
      expect(pong).toMatchObject({ enrSeq: b.record.seq, seenAs: { ip: HOST, udpPort: a.port } });
      expect((await a.requestRecord(text(b.record))).encoded).toEqual(b.record.encoded);
      expect((await a.findNode(text(b.record), [0]))[0]?.nodeId).toEqual(b.id);
      b.serveTalk('echo', (request, from) => {
        expect([toBareHex(from.id), from.ip, from.port]).toEqual([toBareHex(a.id), HOST, a.port]);
        return request;
      });
      b.serveTalk(Uint8Array.of(0xff), async () => await Promise.resolve(undefined));
      expect(await a.talk(text(b.record), 'echo', Uint8Array.of(1, 2, 3))).toEqual(Uint8Array.of(1, 2, 3));
      expect(await a.talk(text(b.record), Uint8Array.of(0xff), Uint8Array.of(1))).toEqual(new Uint8Array());
      expect(await a.talk(text(b.record), 'unknown', new Uint8Array())).toEqual(new Uint8Array());
    });
  });

  it('takes a record as a node, and requests as long as it says', async () => {
    const [a, b] = [await started(), await started({ bootnodes: [] })];
    await within([a, b], async () => {
      expect(await a.ping(b.record)).toMatchObject({ enrSeq: b.record.seq });
      expect((await a.findNode(b.record, [0]))[0]?.nodeId).toEqual(b.id);
      const nowhere = signRecord(newKey(), { seq: 1n, entries: {} });
      await expect(a.ping(nowhere)).rejects.toThrow('names no UDP endpoint');
    });
  });

  it.each([
    [1, 0x7f, 1_177],
    [1, 0x80, 1_176],
    [55, 1, 1_176],
    [56, 1, 1_175],
    [255, 1, 1_175],
    [256, 1, 1_174],
  ])(
    'talks in a protocol with a name of %i bytes of %i, and %i with the request',
    async (length, byte, most) => {
      // By RLP a single byte below 0x80 stands for itself; else one says how long the name is, and more do from 56 bytes on, and from 256.
      const prefix = length > 1 || byte >= 0x80 ? 1 + Number(length > 55) + Number(length > 255) : 0;
      expect(most).toBe(MAX_TALK_RESPONSE - prefix);
      const [a, b] = [await started(), await started({ bootnodes: [] })];
      await within([a, b], async () => {
        const name = new Uint8Array(length).fill(byte);
        b.serveTalk(name, (request) => request);
        const longest = new Uint8Array(most - length).fill(1);
        expect(await a.talk(b.record, name, longest)).toEqual(longest);
        const longer = a.talk(b.record, name, new Uint8Array(longest.length + 1));
        await expect(longer).rejects.toThrow('the message is 1194 bytes long');
      });
    },
  );

  it('refuses another place than that of the service with which it shares a record', async () => {
    const [key, listen] = [newKey(), new SharedUdp({ host: '0.0.0.0', port: 0 })];
    const externalIp = '93.184.216.34';
    const v4 = new Discv4Service({ key, listen, externalIp, tcpPort: 30303 });
    await v4.start();
    const other = { externalIp: '203.0.113.5' };
    await within([v4], async () => {
      const second = (options: Partial<Discv5ServiceOptions>) => started({ key, listen, ...options });
      await expect(second(other)).rejects.toThrow('externalIp is not that of the other service');
      await expect(second({ tcpPort: 30304 })).rejects.toThrow('tcpPort is not that of the other service');
      const [v5, stranger] = [await second({ externalIp }), await second({ key: newKey(), ...other })];
      await within([v5, stranger], async () => {
        expect(v5.record.entries()).toMatchObject({ ip: externalIp, tcp: 30303 });
        expect(stranger.record.get('ip')).toBe(other.externalIp);
      });
    });
  });

  it('finds nodes from one bootnode, and resolves an id', async () => {
    const added = new EventQueue<string>();
    const onEvent = (event: Discv5ServiceEvent) => {
      if (event.kind === 'node-added') added.push(toBareHex(event.node.id));
    };
    const boot = await started({ onEvent });
    const others: Discv5Service[] = [];
    for (let i = 0; i < 8; i++) {
      const other = await started({ bootnodes: [text(boot.record)] });
      others.push(other);
      await added.next('the node', (id) => id === toBareHex(other.id));
    }
    const last = await started({ bootnodes: [text(boot.record)] });
    await within([boot, last, ...others], async () => {
      const found = await last.findClosest(boot.id);
      expect(found.map(({ id }) => toBareHex(id))).toContain(toBareHex(boot.id));
      for (const { id, record } of others) expect((await last.resolve(id))?.encoded).toEqual(record.encoded);
      expect(await last.resolve(nodeIdOf(new Uint8Array(64)))).toBeUndefined();
      const met = new Set<string>();
      for await (const { id } of last.random()) {
        met.add(toBareHex(id));
        if (met.size === others.length) break;
      }
    });
  });

  it('shares no socket with another one of its key, which would have all packets', async () => {
    const [key, listen] = [newKey(), new SharedUdp({ host: HOST, port: 0 })];
    const [v4, v5] = [new Discv4Service({ key, listen }), new Discv5Service({ key, listen })];
    await Promise.all([v4.start(), v5.start()]);
    const [other4, other5] = [
      new Discv4Service({ key: newKey(), listen }),
      new Discv5Service({ key, listen }),
    ];
    await within([v4, v5, other4, other5], async () => {
      await expect(other4.start()).rejects.toThrow('listen is used by discovery v4 already');
      await expect(other5.start()).rejects.toThrow(
        `listen is used by discovery v5 of 0x${toBareHex(v5.id)} already`,
      );
      await v5.close();
      await other5.start();
    });
  });

  it('says what a request was when it was asked, also where it waited for a turn', async () => {
    const [a, b] = [await started(), await started({ bootnodes: [] })];
    await within([a, b], async () => {
      b.serveTalk('echo', (request) => request);
      const request = Uint8Array.of(1);
      const answers = Array.from({ length: MAX_CALLS + 1 }, () => a.talk(b.record, 'echo', request));
      request.fill(2);
      expect(await answers.at(-1)).toEqual(Uint8Array.of(1));
      await Promise.allSettled(answers);
    });
  });

  it('resolves its own id to its own record, and asks nobody', async () => {
    const [a, b] = [await started(), await started({ bootnodes: [] })];
    await within([a, b], async () => {
      await a.ping(b.record);
      const { sent } = a.stats();
      expect((await a.resolve(a.id))?.encoded).toEqual(a.record.encoded);
      expect(a.stats().sent).toEqual(sent);
    });
  });

  it('keeps its id when a caller writes to what it was told', async () => {
    const [node, asker] = [await started(), await started({ bootnodes: [] })];
    await within([node, asker], async () => {
      const record = node.record;
      node.id.fill(0);
      node.publicKey.fill(0);
      await asker.ping(record);
      expect(node.record.encoded).toEqual(record.encoded);
    });
  });

  it.each<[object, string]>([
    [{ topics: { e: 1 } }, 'e must be an integer from 60000'],
    [{ topics: { es: 1 } }, 'there is no "es"'],
    [{ limits: { known: { perSecond: 1, burst: 1, bursts: 2 } } }, 'did you mean "burst"?'],
    [{ tcpPort: null }, 'tcpPort is neither a port nor an array of them'],
    [{ tcpPort: {} }, 'tcpPort is neither a port nor an array of them'],
    [{ tcpPort: [1, 2] }, 'tcpPort has 2 ports, and listen 1 addresses'],
  ])('refuses %o', (options, message) => {
    const make = () =>
      new Discv5Service({ key: newKey(), listen: { host: HOST, port: 0 }, ...(options as object) });
    expect(codeOf(make)).toBe('invalid-argument');
    expect(make).toThrow(message);
  });

  it('takes what is undefined for the default', () => {
    const unsaid = { topics: { e: undefined }, limits: { known: undefined }, tcpPort: undefined };
    const make = () =>
      new Discv5Service({ key: newKey(), listen: { host: HOST, port: 0 }, ...(unsaid as object) });
    expect(codeOf(make)).toBe('none');
  });

  it('shares a socket with version 4, whichever starts or ends first', async () => {
    const key = newKey();
    const listen = new SharedUdp({ host: HOST, port: 0 });
    const [v4, v5] = [new Discv4Service({ key, listen }), new Discv5Service({ key, listen })];
    await v4.start();
    await v5.start();
    const [far4, far5] = [
      new Discv4Service({ key: newKey(), listen: { host: HOST, port: 0 } }),
      await started(),
    ];
    await far4.start();
    await within([v4, v5, far4, far5], async () => {
      expect([v4.port, listen.port]).toEqual([v5.port, v5.port]);
      await far4.ping(text(v4.record));
      await far5.ping(text(v5.record));
      await v4.ping(text(far4.record));
      await v5.ping(text(far5.record));
      await v4.close();
      await far5.ping(text(v5.record));
      expect(v4.stats().dropped.foreign).toBe(0);
      await v5.close();
      const again = await started({ listen: new SharedUdp({ host: HOST, port: listen.port }) });
      await again.close();
    });
  });

  it('sends no more than a few packets to where others say that somebody is, when it is told that they do', async () => {
    const [a, gone] = [await started(), await started()];
    const record = text(gone.record);
    await gone.close();
    await within([a], async () => {
      // Each is sent once more.
      for (let i = 0; i < MAX_UNANSWERED / 2; i++)
        expect(await rejectionOf(a.ping(record, { named: true }))).toBe('request-timeout');
      await expect(a.ping(record, { named: true })).rejects.toMatchObject({
        code: 'request-withheld',
        message: expect.stringContaining('the Ping is not sent'),
      });
      await expect(a.requestRecord(record)).rejects.toMatchObject({
        code: 'request-withheld',
        message: expect.stringContaining('the FindNode is not sent'),
      });
      expect(await rejectionOf(a.ping(record))).toBe('request-timeout');
      expect(await rejectionOf(a.ping(record, JSON.parse('{"named":1}')))).toBe('invalid-argument');
    });
  });

  it('answers a handler that fails, or has too much, with nothing, and tells', async () => {
    const events = new EventQueue<Discv5ServiceEvent>();
    const [a, b] = [await started(), await started({ onEvent: (event) => events.push(event) })];
    await within([a, b], async () => {
      b.serveTalk('bad', () => {
        throw new Error('no');
      });
      b.serveTalk('long', () => new Uint8Array(2_000));
      for (const protocol of ['bad', 'long']) {
        expect(await a.talk(text(b.record), protocol, new Uint8Array())).toEqual(new Uint8Array());
        await events.next(
          'the failure',
          (event) => event.kind === 'talk-failed' && event.protocol === protocol,
        );
      }
    });
  });

  it('has only so many answers under way for one node', async () => {
    const [a, b] = [await started(), await started()];
    await within([a, b], async () => {
      const waiting: ((answer: Uint8Array) => void)[] = [];
      b.serveTalk('slow', async () => await new Promise<Uint8Array>((resolve) => waiting.push(resolve)));
      await a.ping(text(b.record));
      const asked = Array.from({ length: MAX_TALKS_OF_ONE + 3 }, () =>
        rejectionOf(a.talk(text(b.record), 'slow', new Uint8Array())),
      );
      expect(await Promise.all(asked)).toHaveLength(MAX_TALKS_OF_ONE + 3);
      expect(waiting).toHaveLength(MAX_TALKS_OF_ONE);
      expect(b.stats().dropped.talk).toBe(3);
      expect(b.metrics().discoveryV5?.dropped).toMatchObject({ talk: 3 });
      for (const answer of waiting) answer(Uint8Array.of(1));
    });
  });

  it('refuses what cannot be, early', async () => {
    const service = new Discv5Service({ key: newKey(), listen: { host: HOST, port: 0 } });
    const other = await started();
    await within([service, other], async () => {
      const record = text(other.record);
      expect(await rejectionOf(service.ping(record))).toBe('closed');
      // Its own record needs no question.
      expect(await rejectionOf(service.resolve(service.id))).toBe('closed');
      const aborted = { signal: AbortSignal.abort() };
      expect(await rejectionOf(other.resolve(other.id, aborted))).toBe('aborted');
      expect(await rejectionOf(other.ping(record))).toBe('invalid-argument');
      expect(await rejectionOf(service.findNode(record, [257]))).toBe('invalid-argument');
      expect(await rejectionOf(service.findNode(record, []))).toBe('invalid-argument');
      expect(codeOf(() => service.lookup(new Uint8Array(64)))).toBe('invalid-argument');
      service.serveTalk('once', () => undefined);
      expect(codeOf(() => service.serveTalk('once', () => undefined))).toBe('invalid-argument');
      const misspelt = { key: newKey(), listen: { host: HOST, port: 0 }, bootnode: [] };
      expect(() => new Discv5Service(misspelt)).toThrow('did you mean "bootnodes"');
    });
  });
});
