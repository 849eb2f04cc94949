/** A server that takes nodes from everywhere at once. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { toBareHex } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { formatTreeUrl, signTree, treeTexts } from '../../src/dnsdisc/index.ts';
import {
  formatEnode,
  type NodeRecord,
  nodeIdOf,
  parseEnode,
  parseRecord,
  signRecord,
} from '../../src/enr/index.ts';
import { type DiscoveryOptions, Discv4Service, NodeDatabase } from '../../src/server/index.ts';
import { EventQueue } from '../interop/event-queue.ts';
import { isKind, LOOPBACK, TestServer } from '../support/servers.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((it) => it.close()));
});

const OWN_FORK = 1;
const OTHER_FORK = 2;
const acceptsFork = (record: NodeRecord) => record.get('eth')?.hash[3] === OWN_FORK;

/** A server that dials nobody; discovery v4 finds it where it is given a bootnode. */
async function serving(fork: number, bootnode?: string): Promise<TestServer> {
  const discovery: DiscoveryOptions = {
    v4: bootnode !== undefined,
    accepts: () => false,
    recordEntries: () => ({ eth: { hash: Uint8Array.of(0, 0, 0, fork), next: 0n } }),
  };
  const bootnodes = bootnode === undefined ? [] : [bootnode];
  const server = new TestServer({ discovery, bootnodes });
  open.push(server);
  await server.start();
  return server;
}

async function bootnode(): Promise<string> {
  const service = new Discv4Service({ key: generateSecretKey(systemEnv), listen: LOOPBACK });
  open.push(service);
  await service.start();
  const { publicKey, port: udpPort } = service;
  return formatEnode({ publicKey, host: LOOPBACK.host, tcpPort: 0, udpPort });
}

/** A node list in DNS. */
function listOf(servers: readonly { readonly enr: string }[]) {
  const records = servers.map(({ enr }) => parseRecord(enr));
  const tree = signTree({ domain: 'nodes.test', seq: 1n, records }, generateSecretKey(systemEnv));
  const texts = treeTexts(tree);
  const resolveTxt = async (name: string) => [texts.get(name) ?? ''].filter((text) => text !== '');
  return { dns: [formatTreeUrl(tree.url)], resolver: { resolveTxt } };
}

/** A database in which these are. */
async function databaseOf(servers: readonly TestServer[]): Promise<NodeDatabase> {
  const database = await NodeDatabase.inMemory();
  open.push(database);
  for (const { id, enode, enr } of servers) {
    const lastPong = Math.floor(systemEnv.unixTime());
    database.update(nodeIdOf(id), { endpoint: parseEnode(enode), record: parseRecord(enr), lastPong });
  }
  return database;
}

/** How often somebody has connected, whatever came of it. */
const callsOf = ({ seen }: TestServer) =>
  seen.filter(({ kind }) => kind === 'peer-connected' || kind === 'connection-failed').length;

describe('a server with v4, DNS, a node database and static nodes', () => {
  it('is connected to the nodes of all of them, once to each, and to none of another fork', async () => {
    const boot = await bootnode();
    const [v4, both, other] = [
      await serving(OWN_FORK, boot),
      await serving(OWN_FORK, boot),
      await serving(OTHER_FORK, boot),
    ];
    const [dns, stored, fixed, kept, otherListed, otherStored] = [
      await serving(OWN_FORK),
      await serving(OWN_FORK),
      await serving(OWN_FORK),
      await serving(OWN_FORK),
      await serving(OTHER_FORK),
      await serving(OTHER_FORK),
    ];
    const wanted = [v4, dns, stored, fixed, both, kept];
    const searcher = new TestServer({
      ...{ listen: undefined, maxPeers: 60, bootnodes: [boot], staticNodes: [fixed.enode, kept.enode] },
      nodeDatabase: await databaseOf([stored, both, kept, other, otherStored]),
      discovery: { ...listOf([dns, both, kept, other, otherListed]), accepts: acceptsFork },
    });
    open.push(searcher);
    await searcher.start();
    await Promise.all(wanted.map((server) => server.until(isKind('peer-connected'))));

    // Here each node comes once, and those that are connected too; by then the others have come, if they do.
    const given = new Set<string>();
    for await (const { publicKey } of searcher.discovery?.nodes() ?? []) {
      given.add(toBareHex(publicKey));
      if (given.size === wanted.length) break;
    }
    const wantedKeys = wanted.map(({ id }) => toBareHex(id)).sort();
    expect([...given].sort()).toEqual(wantedKeys);
    expect(searcher.peers.map(({ info }) => toBareHex(info.id)).sort()).toEqual(wantedKeys);
    expect(wanted.map(callsOf)).toEqual(wanted.map(() => 1));
    expect([other, otherListed, otherStored].map(callsOf)).toEqual([0, 0, 0]);
    expect(searcher.seen.map(({ kind }) => kind)).not.toContain('dial-failed');
  });
});

describe('a server that knows nodes only where netDeny lets it dial nobody', () => {
  it('says so', async () => {
    const database = await databaseOf([]);
    const records = Array.from({ length: 8 }, (_, i) => {
      const entries = { ip: `10.0.0.${i + 1}`, udp: 1, tcp: 1 };
      return signRecord(generateSecretKey(systemEnv), { seq: 1n, entries });
    });
    for (const record of records) {
      const { publicKey } = record;
      const endpoint = parseEnode(formatEnode({ publicKey, host: '10.0.0.1', tcpPort: 1, udpPort: 1 }));
      database.update(nodeIdOf(publicKey), { endpoint, record, lastPong: Math.floor(systemEnv.unixTime()) });
    }
    const server = new TestServer({
      ...{ listen: undefined, netDeny: ['10.0.0.0/8'], nodeDatabase: database },
      discovery: { v4: false },
    });
    open.push(server);
    await server.start();
    const findings = () => server.diagnose().findings.map(({ kind, count }) => [kind, count]);
    await vi.waitFor(() => expect(findings()).toEqual([['restricted', 8]]));
    const [first] = records;
    expect(server.log(String(first))).toMatchObject([{ kind: 'passed-over', code: 'address-refused' }]);
  });
});

describe('a server that knows a node list in DNS alone', () => {
  it('does not take nodes of the list that are not there for nodes that v4 has found', async () => {
    const gone = Array.from({ length: 8 }, (_, i) => {
      const entries = { ip: LOOPBACK.host, udp: 1 + i, tcp: 1 + i };
      return { enr: signRecord(generateSecretKey(systemEnv), { seq: 1n, entries }).toString() };
    });
    const server = new TestServer({ listen: undefined, maxPeers: 1, discovery: listOf(gone) });
    open.push(server);
    await server.start();
    const sources: string[] = [];
    for await (const { source } of server.discovery?.nodes() ?? []) {
      sources.push(source);
      if (sources.length === 5) break;
    }
    expect(new Set(sources)).toEqual(new Set(['dns']));
  });

  it('comes into the tables of those that the list names', async () => {
    const added = new EventQueue<string>();
    const listed = new Discv4Service({
      ...{ key: generateSecretKey(systemEnv), listen: LOOPBACK },
      // The discard service: it is found, and nobody answers its dial.
      tcpPort: 9,
      onEvent: (event) => {
        if (event.kind === 'node-added') added.push(toBareHex(event.node.publicKey));
      },
    });
    open.push(listed);
    await listed.start();
    const beginner = new TestServer({ discovery: listOf([{ enr: listed.record.toString() }]) });
    open.push(beginner);
    await beginner.start();
    const id = toBareHex(beginner.id);
    await added.next('the beginner', (key) => key === id);
    expect(beginner.discovery?.table.entries().map(({ publicKey }) => publicKey)).toEqual([listed.publicKey]);
  });
});
