/**
 * Whatever a caller hands to a public function of discovery, it works or fails with a PeerlaneError: no other error,
 * and none that nobody could catch.
 */
import { setMaxListeners } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { type Env, systemEnv } from '../src/base/env.ts';
import { PeerlaneError } from '../src/base/errors.ts';
import { MemoryKv } from '../src/base/kv.ts';
import { publicKeyOf } from '../src/crypto/index.ts';
import * as dnsdisc from '../src/dnsdisc/index.ts';
import * as enr from '../src/enr/index.ts';
import { PRESETS } from '../src/eth/index.ts';
import * as peerlane from '../src/index.ts';
import { kadNode } from '../src/kad/index.ts';
import { type NodeSet, nodeSetKey } from '../src/server/node-set.ts';
import { FakeDns } from './dnsdisc/trees.ts';
import { echo } from './support/servers.ts';
import { uncaughtOf } from './support/uncaught.ts';
import { variantsOf } from './support/wrong-values.ts';

const HOST = '127.0.0.1';
/** The discard service: nobody is there. */
const NOWHERE = { ip: HOST, udpPort: 9, tcpPort: 9 };
/** Not a plain object, whose functions would be exchanged: an Env that errs is no input. */
const env: Env = Object.assign(Object.create({}), systemEnv);
const key = new Uint8Array(32).fill(7);
const publicKey = publicKeyOf(key);
const otherKey = new Uint8Array(32).fill(8);
const otherPublicKey = publicKeyOf(otherKey);
const enode = { publicKey: otherPublicKey, host: HOST, tcpPort: 9, udpPort: 9 };
const url = enr.formatEnode(enode);
const entries = { ip: HOST, udp: 9, tcp: 9, eth: { hash: new Uint8Array(4), next: 0n }, snap: true } as const;
const others = new Map([['x', Uint8Array.of(1)]]);
const record = enr.signRecord(otherKey, { seq: 1n, entries });
const node = kadNode({ publicKey: otherPublicKey, ...NOWHERE, record });
const tree = dnsdisc.signTree({ domain: 'nodes.test', seq: 1n, records: [record] }, key);
const treeUrl = dnsdisc.formatTreeUrl(tree.url);
const texts = dnsdisc.treeTexts(tree);
const entryOfSet = { score: 1, firstResponse: 1, lastResponse: undefined, lastCheck: 2 };
const setOf = (): NodeSet =>
  new Map([
    [nodeSetKey(record), { node: record, ...entryOfSet }],
    ['0'.repeat(64), { node: { ...enode }, ...entryOfSet }],
  ]);
const directory = await mkdtemp(join(tmpdir(), 'peerlane-api-'));
const closing: { close(): Promise<void> }[] = [];
afterAll(async () => {
  await Promise.all(closing.map((it) => it.close()));
  await rm(directory, { recursive: true });
});

function closedLater<T extends { close(): Promise<void> }>(it: T): T {
  closing.push(it);
  return it;
}

const client = new dnsdisc.DnsClient({ resolver: new FakeDns(env, tree), env, rate: 1000 });
const resolver = new peerlane.DnsResolver({ servers: [`${HOST}:9`], timeoutMs: 10 });
const service = closedLater(new peerlane.Discv4Service({ key, listen: { host: HOST, port: 0 } }));
await service.start();
const database = closedLater(await peerlane.NodeDatabase.inMemory());
database.update(record.nodeId, { record });
const server = closedLater(
  new peerlane.Server({ key, protocols: [echo], listen: { host: HOST, port: 0 }, discovery: true }),
);
await server.start();
const { discovery } = server;
if (discovery === undefined) throw new Error('the server has no discovery');
const local = new enr.LocalRecord(otherKey, { seq: 1n });
const eth = peerlane.ethDiscovery({ network: PRESETS.sepolia, chain: { head: headOf } });

function headOf(): { number: number; timestamp: number; hash: Uint8Array; totalDifficulty: bigint } {
  return { number: 1, timestamp: 1, hash: new Uint8Array(32), totalDifficulty: 0n };
}

async function* noNodes(): AsyncGenerator<never, void, undefined> {
  // There are none.
}

const crawling = () => ({
  service: {
    publicKey,
    random: noNodes,
    requestRecord: async () => record,
    ping: async () => undefined,
  },
  ...{ set: setOf(), nodes: [node], rate: 1000, recheckMs: 1, idleMs: 1, limit: 10, env },
  ...{ onAnswer: () => undefined, reaches: () => true },
});

const serving = () => ({
  ...{ key, listen: { host: HOST, port: 0 }, protocols: [echo], name: 'x', maxPeers: 2, maxPendingPeers: 2 },
  ...{
    dialRatio: 2,
    bootnodes: [url],
    staticNodes: [url],
    memoryBudget: 2 ** 21,
    onEvent: () => undefined,
    env,
  },
  ...{ discoveryPort: 0, nodeDatabase: database, externalIp: HOST },
  discovery: {
    ...{ v4: true, dns: [], resolver: { resolveTxt: async () => [] }, lookup: async () => HOST },
    ...{ accepts: () => true, recordEntries: () => entries },
  },
});

const discovering = () => ({
  ...{ key, listen: { host: HOST, port: 0 }, tcpPort: 9, record: () => enr.signRecord(key, { seq: 1n }) },
  ...{ bootnodes: [url, record.toString()], seeds: [node], limits: { ip: { perSecond: 1, burst: 1 } } },
  ...{ onEvent: () => undefined, env },
});

interface Case {
  readonly name: string;
  /** What is right. */
  readonly args: readonly unknown[];
  readonly call: (...args: never[]) => unknown;
  /** One after another, since each binds a socket. */
  readonly inTurn?: true;
  /** Variants by name that would do something else than this test is for. */
  readonly except?: RegExp;
}

const casesOf = (signal: AbortSignal, options = { signal }): readonly Case[] => [
  // peerlane/enr
  { name: 'endpointsOfRecord', args: [record], call: enr.endpointsOfRecord },
  { name: 'enodeOfRecord', args: [record], call: enr.enodeOfRecord },
  { name: 'formatEnode', args: [enode], call: enr.formatEnode },
  { name: 'parseEnode', args: [url], call: enr.parseEnode },
  { name: 'compressPublicKey', args: [publicKey], call: enr.compressPublicKey },
  { name: 'isPublicKey', args: [publicKey], call: enr.isPublicKey },
  { name: 'nodeIdOf', args: [publicKey], call: enr.nodeIdOf },
  { name: 'inspectRecord', args: [record.toString()], call: enr.inspectRecord },
  { name: 'firstSeq', args: [1, 1n], call: enr.firstSeq },
  {
    name: 'LocalRecord',
    args: [key, { seq: 1n, entries, others }],
    call: (...args: ConstructorParameters<typeof enr.LocalRecord>) => new enr.LocalRecord(...args).record,
  },
  { name: 'LocalRecord.from', args: [otherKey, record], call: (a, b) => enr.LocalRecord.from(a, b).record },
  { name: 'LocalRecord.update', args: [entries, others], call: (a, b) => local.update(a, b) },
  { name: 'LocalRecord.subscribe', args: [() => undefined], call: (run) => local.subscribe(run)() },
  { name: 'decodeRecord', args: [record.encoded], call: enr.decodeRecord },
  {
    name: 'NodeRecord',
    args: [record.encoded, 1n, otherPublicKey],
    call: (...args: ConstructorParameters<typeof enr.NodeRecord>) => {
      const made = new enr.NodeRecord(...args);
      return [made.nodeId, made.entries(), made.keys(), made.toString()];
    },
  },
  { name: 'NodeRecord.get', args: ['eth'], call: (name) => record.get(name) },
  { name: 'NodeRecord.raw', args: ['eth'], call: (name) => record.raw(name) },
  { name: 'parseRecord', args: [record.toString()], call: enr.parseRecord },
  { name: 'signRecord', args: [key, { seq: 1n, entries, others }], call: enr.signRecord },
  { name: 'hasTopicDiscovery', args: [record], call: enr.hasTopicDiscovery },
  { name: 'topicDiscoveryEntries', args: [1], call: enr.topicDiscoveryEntries },
  // peerlane/dnsdisc
  {
    name: 'DnsClient',
    args: [
      {
        ...{ resolver: { resolveTxt: async () => [] }, env, timeoutMs: 1, rate: 1000, cacheSize: 1 },
        onProblem: () => undefined,
      },
    ],
    call: (made) => new dnsdisc.DnsClient(made).sync(treeUrl, options),
  },
  { name: 'DnsClient.records', args: [[treeUrl], options], call: (a, b) => client.records(a, b).next() },
  {
    name: 'DnsClient.sync',
    args: [treeUrl, { ...options, minSeq: 1n, onProgress: () => undefined }],
    call: (a, b) => client.sync(a, b),
  },
  {
    name: 'treeFromJson',
    args: [dnsdisc.treeToJson(tree), { ...tree.url }],
    call: dnsdisc.treeFromJson,
  },
  { name: 'treeToJson', args: [tree], call: dnsdisc.treeToJson },
  {
    name: 'readTree',
    args: [{ ...tree.url }, (name: string) => [texts.get(name) ?? '']],
    call: dnsdisc.readTree,
  },
  {
    name: 'signTree',
    args: [{ domain: 'nodes.test', seq: 1n, records: [record], links: [{ ...tree.url }] }, key],
    call: dnsdisc.signTree,
  },
  { name: 'treeTexts', args: [tree], call: dnsdisc.treeTexts },
  { name: 'canonicalDomain', args: ['nodes.test'], call: dnsdisc.canonicalDomain },
  { name: 'formatTreeUrl', args: [{ ...tree.url }], call: dnsdisc.formatTreeUrl },
  { name: 'parseTreeUrl', args: [treeUrl], call: dnsdisc.parseTreeUrl },
  {
    name: 'formatZone',
    args: [tree, { rootTtl: 1, entryTtl: 1, nameServer: 'ns.test' }],
    call: dnsdisc.formatZone,
  },
  // peerlane
  {
    name: 'DnsResolver',
    args: [{ servers: [HOST], timeoutMs: 1 }],
    call: (made) => new peerlane.DnsResolver(made),
  },
  { name: 'DnsResolver.resolveTxt', args: ['x', signal], call: (a, b) => resolver.resolveTxt(a, b) },
  {
    name: 'ethDiscovery',
    args: [
      {
        network: {
          ...{ networkId: 1, genesisHash: new Uint8Array(32) },
          schedule: { blocks: [1], times: [2n], genesisTime: 0 },
        },
        chain: { head: headOf },
      },
    ],
    call: (made) => {
      const { accepts, recordEntries } = peerlane.ethDiscovery(made);
      return [accepts(record), recordEntries()];
    },
  },
  { name: 'ethDiscovery().accepts', args: [{ get: () => entries.eth }], call: (of) => eth.accepts(of) },
  { name: 'Crawler', args: [crawling()], call: (made) => new peerlane.Crawler(made).run(signal) },
  {
    name: 'Crawler.run',
    args: [signal],
    call: (signal) => new peerlane.Crawler(crawling()).run(signal),
  },
  {
    name: 'Discovery',
    args: [{ resolver: new FakeDns(env), env }],
    call: (made) => new peerlane.Discovery(made),
  },
  { name: 'Discovery.lookup', args: [publicKey, options], call: (a, b) => discovery.lookup(a, b).next() },
  { name: 'Discovery.random', args: [options], call: (a) => discovery.random(a).next() },
  { name: 'Discovery.resolve', args: [otherPublicKey, options], call: (a, b) => discovery.resolve(a, b) },
  { name: 'Discovery.ping', args: [{ ...node }, options], call: (a, b) => discovery.ping(a, b) },
  { name: 'Discovery.nodes', args: [options], call: (a) => discovery.nodes(a).next() },
  {
    ...{ name: 'Discv4Service', inTurn: true },
    args: [discovering()],
    call: async (made) => {
      const it = closedLater(new peerlane.Discv4Service(made));
      await it.start();
      await it.close();
    },
  },
  { name: 'TableView.get', args: [node.id], call: (a) => service.table.get(a) },
  { name: 'TableView.has', args: [node.id], call: (a) => service.table.has(a) },
  { name: 'TableView.isLive', args: [node.id], call: (a) => service.table.isLive(a) },
  {
    name: 'TableView.closest',
    args: [node.id, 16, { onlyLive: false, accepts: () => true }],
    call: (a, b, c) => service.table.closest(a, b, c),
  },
  { name: 'Discv4Service.addBootnode', args: [{ ...node }], call: (a) => service.addBootnode(a) },
  { name: 'Discv4Service.ping', args: [{ ...node }, options], call: (a, b) => service.ping(a, b) },
  { name: 'Discv4Service.ping by URL', args: [url, options], call: (a, b) => service.ping(a, b) },
  {
    name: 'Discv4Service.requestRecord',
    args: [{ ...node }, options],
    call: (a, b) => service.requestRecord(a, b),
  },
  {
    name: 'Discv4Service.findNode',
    args: [{ ...node }, publicKey, options],
    call: (a, b, c) => service.findNode(a, b, c),
  },
  { name: 'Discv4Service.lookup', args: [publicKey, options], call: (a, b) => service.lookup(a, b).next() },
  {
    name: 'Discv4Service.findClosest',
    args: [publicKey, options],
    call: (a, b) => service.findClosest(a, b),
  },
  { name: 'Discv4Service.random', args: [options], call: (a) => service.random(a).next() },
  { name: 'Discv4Service.resolve', args: [otherPublicKey, options], call: (a, b) => service.resolve(a, b) },
  { name: 'formatNodeSet', args: [setOf()], call: peerlane.formatNodeSet },
  { name: 'parseNodeSet', args: ['{}', { ...options, env }], call: peerlane.parseNodeSet },
  {
    ...{ name: 'NodeDatabase.open', inTurn: true },
    args: [join(directory, 'nodes'), { maxNodes: 1, onEvent: () => undefined, env, ...options }],
    call: async (path, made) => closedLater(await peerlane.NodeDatabase.open(path, made)).close(),
    // It would be made.
    except: /^0: 'x'/,
  },
  {
    name: 'NodeDatabase.inMemory',
    args: [{ maxNodes: 1, onEvent: () => undefined, env, ...options }],
    call: async (made) => closedLater(await peerlane.NodeDatabase.inMemory(made)).close(),
  },
  {
    name: 'NodeDatabase.over',
    args: [new MemoryKv(), { maxNodes: 1, onEvent: () => undefined, env, ...options }],
    call: async (kv, made) => closedLater(await peerlane.NodeDatabase.over(kv, made)).close(),
  },
  {
    name: 'NodeDatabase.update',
    args: [
      record.nodeId,
      {
        ...{ record, endpoint: { ...enode }, lastPong: 1, failed: true, client: 'x' },
        ...{ dial: { at: 1, error: 'dial-failed' }, forkId: { ...entries.eth } },
      },
    ],
    call: (a, b) => database.update(a, b),
  },
  { name: 'NodeDatabase.get', args: [record.nodeId], call: (a) => database.get(a) },
  { name: 'NodeDatabase.localSeq', args: [record.nodeId], call: (a) => database.localSeq(a) },
  {
    name: 'NodeDatabase.storeLocalSeq',
    args: [record.nodeId, 1n],
    call: (a, b) => database.storeLocalSeq(a, b),
  },
  { name: 'NodeDatabase.remove', args: [record.nodeId], call: (a) => database.remove(a) },
  { name: 'NodeDatabase.seeds', args: [1, 1000, options], call: (a, b, c) => database.seeds(a, b, c) },
  { name: 'NodeDatabase.nodes', args: [options], call: (a) => database.nodes(a).next() },
  {
    ...{ name: 'Server', inTurn: true },
    args: [serving()],
    call: async (made) => {
      const it = closedLater(new peerlane.Server(made));
      await it.start();
      await it.close();
    },
  },
  { name: 'Server.addPeer', args: [url], call: (a) => server.addPeer(a) },
  { name: 'Server.removePeer', args: [url], call: (a) => server.removePeer(a) },
  { name: 'Server.dial', args: [url, options], call: (a, b) => server.dial(a, b) },
];

/** What ended in another way than by success or with a PeerlaneError. */
const found: string[] = [];
/** Calls that are under way. */
const late: Promise<unknown>[] = [];

function note(name: string, error: unknown): void {
  if (!(error instanceof PeerlaneError)) {
    found.push(`${name}: ${String(error)}`);
    return;
  }
  // Of options each has to be named, unless all of them cannot be read.
  const option =
    /^(?:Server|Discv4Service|DnsClient|Crawler|ethDiscovery) 0\.(\w+)(?:\[\d+\])?: /.exec(name)?.[1] ?? '';
  const { code, message } = error;
  const isNamed =
    !code.startsWith('invalid-') || message.includes(option) || message.includes('cannot be read');
  if (!isNamed || message === '') found.push(`${name} is told: ${message}`);
}

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

async function tryAll({ name: of, args, call, except, inTurn }: Case): Promise<void> {
  for (const [i, good] of args.entries()) {
    for (const { name: what, value } of variantsOf(good, String(i))) {
      if (except?.test(what)) continue;
      const name = `${of} ${what}`;
      try {
        const result = Reflect.apply(call, undefined, args.with(i, value));
        const ended = Promise.resolve(result).catch((error: unknown) => note(name, error));
        late.push(ended);
        if (inTurn === true) await ended;
      } catch (error) {
        note(name, error);
      }
    }
  }
}

it.each(casesOf(new AbortController().signal).map(({ name }) => name))('%s', async (name) => {
  const stop = new AbortController();
  // One signal ends hundreds of calls here.
  setMaxListeners(0, stop.signal);
  const one = casesOf(stop.signal).find((it) => it.name === name);
  if (one === undefined) throw new Error('there is no such case');
  const uncaught = await uncaughtOf(async () => {
    await tryAll(one);
    for (let turns = 0; turns < 5; turns++) await turn();
    stop.abort();
    for (let turns = 0; turns < 5; turns++) await turn();
  });
  expect(found.splice(0)).toEqual([]);
  expect(uncaught).toEqual([]);
});

it('what nobody has stopped ends with all that it came from', async () => {
  await Promise.all(closing.map((it) => it.close()));
  await Promise.all(late);
  expect(found).toEqual([]);
});

it('goes over all that is public', () => {
  const named = new Set(casesOf(new AbortController().signal).map(({ name }) => name.split('.')[0]));
  const missing = [...Object.entries(enr), ...Object.entries(dnsdisc)]
    .filter(([name, value]) => typeof value === 'function' && !named.has(name))
    .map(([name]) => name);
  expect(missing).toEqual([]);
});
