// Discovery v5 nodes of ChainSafe in a process of their own. Takes the orders of `devp2p-peer discover5` but those that only
// go-ethereum can carry out, and reports in the same lines.
import { randomBytes } from 'node:crypto';
import dgram from 'node:dgram';
import { EventEmitter, once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { Discv5 } from '@chainsafe/discv5';
import { decodePacket, encodePacket } from '@chainsafe/discv5/packet';
import { getSocketAddressOnENR, ipFromBytes, multiaddrFromSocketAddress } from '@chainsafe/discv5/util';
import { ENR, SignableENR } from '@chainsafe/enr';
import { RLP } from '@ethereumjs/rlp';

/** A request that could not be sent is never answered to whoever made it. */
const ANSWER_MS = 8_000;
/** How long random nodes are waited for, and between two lookups of them. */
const RANDOM_MS = 10_000;
const RANDOM_PAUSE_MS = 100;
const LOOPBACK_6 = '::1';
const DATAGRAM_BYTES = 1_280;

const report = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const hex = (bytes) => Buffer.from(bytes).toString('hex');
const bytes = (text) => Uint8Array.from(Buffer.from(text, 'hex'));
const isLoopback = (ip) => ip.startsWith('127.') || ip === LOOPBACK_6;
const octetsOf = (ip) =>
  ip === LOOPBACK_6 ? Uint8Array.of(...Array(15).fill(0), 1) : Uint8Array.from(ip.split('.'), Number);

/** One socket for each family of the node, each on loopback, on a port that may change. */
class MovingTransport extends EventEmitter {
  bindAddrs = [];
  ipMode;
  #id;
  #sockets = new Map();

  /** `bound`: sockets by family, 4 or 6. */
  constructor(id, bound) {
    super();
    this.#id = id;
    this.ipMode = { ip4: bound.has(4), ip6: bound.has(6) };
    for (const [family, socket] of bound) this.#listen(family, socket);
  }

  async start() {
    // The sockets listen already.
  }

  async stop() {
    for (const socket of this.#sockets.values()) socket.close();
  }

  /** @throws Error when the address leads out of loopback */
  async send(to, toId, packet) {
    const { family, host, port } = to.toOptions();
    if (!isLoopback(host)) throw new Error(`${host} is not on loopback`);
    this.#sockets.get(family)?.send(encodePacket(toId, packet), port, host, () => undefined);
  }

  getContactableAddr(enr) {
    return getSocketAddressOnENR(enr, this.ipMode);
  }

  async move(family, port) {
    const old = this.#sockets.get(family);
    this.#listen(family, await open(old.address().address, port));
    old.close();
  }

  portOf(family) {
    return this.#sockets.get(family)?.address().port;
  }

  #listen(family, socket) {
    this.#sockets.set(family, socket);
    const { address, port } = socket.address();
    const local = { ip: ipFromBytes(octetsOf(address)), port };
    this.bindAddrs = [...this.bindAddrs.filter((addr) => addr.toOptions().family !== family)];
    this.bindAddrs.push(multiaddrFromSocketAddress(local));
    socket.on('error', () => undefined);
    socket.on('message', (data, from) => {
      const source = multiaddrFromSocketAddress({ ip: ipFromBytes(octetsOf(from.address)), port: from.port });
      let packet;
      try {
        packet = decodePacket(this.#id, data);
      } catch (error) {
        this.emit('decodeError', error, source);
        return;
      }
      this.emit('packet', source, packet);
    });
  }
}

async function open(ip, port) {
  if (!isLoopback(ip)) throw new Error(`not a loopback address: ${ip}`);
  const socket = dgram.createSocket({
    type: ip === LOOPBACK_6 ? 'udp6' : 'udp4',
    recvBufferSize: 256 * DATAGRAM_BYTES,
  });
  socket.bind(port, ip);
  await once(socket, 'listening');
  return socket;
}

const nodes = new Map();
let next = 0;

/** Changes entries of a record: RLP in hexadecimal, or null to take one out. */
function setEntries(enr, entries = {}) {
  for (const [name, value] of Object.entries(entries)) {
    if (value === null) enr.delete(name);
    else enr.set(name, RLP.decode(bytes(value)));
  }
}

const describe = (enr) => ({ id: enr.nodeId, seq: Number(enr.seq), enr: enr.encodeTxt() });
const describeNode = ({ index, discv5 }) => ({ index, ...describe(discv5.enr) });

async function startOne({
  key,
  ip = '127.0.0.1',
  ip6 = false,
  port = 0,
  bootnodes = [],
  entries,
  hidden = false,
  ...rest
}) {
  const privateKey = key === undefined ? Uint8Array.from(randomBytes(32)) : bytes(key);
  const bound = new Map([[ip === LOOPBACK_6 ? 6 : 4, await open(ip, port)]]);
  if (ip6) bound.set(6, await open(LOOPBACK_6, 0));
  const enr = SignableENR.createV4(privateKey);
  const transport = new MovingTransport(enr.nodeId, bound);
  if (transport.ipMode.ip4 && !hidden) {
    enr.ip = ip;
    enr.udp = transport.portOf(4);
  }
  if (transport.ipMode.ip6 && !hidden) {
    enr.ip6 = LOOPBACK_6;
    enr.udp6 = transport.portOf(6);
  }
  setEntries(enr, entries);
  const { pingMs, responseMs, talk = ['echo'] } = rest;
  const discv5 = Discv5.create({
    enr,
    privateKey: { type: 'secp256k1', raw: privateKey },
    // The transport has its sockets already.
    bindAddrs: {},
    transport,
    config: {
      ...(pingMs === undefined ? {} : { pingInterval: pingMs }),
      ...(responseMs === undefined ? {} : { requestTimeout: responseMs }),
    },
  });
  await discv5.start();
  const node = { index: next++, discv5, transport };
  nodes.set(node.index, node);
  discv5.on('talkReqReceived', (from, _enr, { id, protocol, request }) => {
    const name = Buffer.from(protocol).toString();
    if (!talk.includes(name)) {
      void discv5.sendTalkResp(from, id, new Uint8Array());
      return;
    }
    const { family, host, port } = from.socketAddr.toOptions();
    const endpoint = family === 6 ? `[${host}]:${port}` : `${host}:${port}`;
    report({ event: 'talk', node: node.index, protocol: name, from: from.nodeId, endpoint });
    void discv5.sendTalkResp(from, id, request);
  });
  for (const bootnode of bootnodes) discv5.addEnr(recordOf(bootnode));
  return describeNode(node);
}

function recordOf(text) {
  const enr = ENR.decodeTxt(text);
  for (const ip of [enr.ip, enr.ip6]) {
    if (ip !== undefined && !isLoopback(ip) && ip !== '0:0:0:0:0:0:0:1')
      throw new Error(`${ip} is not on loopback`);
  }
  return enr;
}

function endpointOf({ ip, port }) {
  return ip.type === 6
    ? `[${hex(ip.octets) === `${'0'.repeat(31)}1` ? LOOPBACK_6 : hex(ip.octets)}]:${port}`
    : `${[...ip.octets].join('.')}:${port}`;
}

async function resolve(discv5, enr) {
  try {
    const [newest] = await discv5.sendFindNode(enr, [0]);
    if (newest !== undefined) return newest;
  } catch {
    // It may be where the network says that it is.
  }
  const found = (await discv5.findNode(enr.nodeId)).find(({ nodeId }) => nodeId === enr.nodeId);
  return found !== undefined && found.seq > enr.seq ? found : enr;
}

async function random(discv5, wanted) {
  const found = new Map();
  const end = AbortSignal.timeout(RANDOM_MS);
  while (found.size < wanted && !end.aborted) {
    for (const enr of await discv5.findRandomNode()) found.set(enr.nodeId, enr);
    await pause(RANDOM_PAUSE_MS);
  }
  return [...found.values()].slice(0, wanted);
}

const orders = {
  async start({ count = 1, ...options }) {
    const started = [];
    for (let i = 0; i < count; i++) started.push(await startOne(options));
    return { nodes: started };
  },
  async nodes() {
    return { nodes: [...nodes.values()].map(describeNode) };
  },
  async usage() {
    const { user, system } = process.cpuUsage();
    return { cpuSeconds: (user + system) / 1e6 };
  },
  async ping({ discv5 }, { record }) {
    const { enrSeq, addr } = await discv5.sendPing(recordOf(record));
    return { to: endpointOf(addr), seq: Number(enrSeq) };
  },
  async findNode({ discv5 }, { record, distances }) {
    return { nodes: (await discv5.sendFindNode(recordOf(record), distances)).map(describe) };
  },
  async resolve({ discv5 }, { record }) {
    return { node: describe(await resolve(discv5, recordOf(record))) };
  },
  async lookup({ discv5 }, { target }) {
    return { nodes: (await discv5.findNode(target)).map(describe) };
  },
  async random({ discv5 }, { count }) {
    return { nodes: (await random(discv5, count)).map(describe) };
  },
  async table({ discv5 }) {
    return { nodes: discv5.kadValues().map(describe) };
  },
  async talk({ discv5 }, { record, protocol, data }) {
    return { data: hex(await discv5.sendTalkReq(recordOf(record), bytes(data), protocol)) };
  },
  async update(node, { entries }) {
    setEntries(node.discv5.enr, entries);
    return { node: describeNode(node) };
  },
  async move(node, { port = 0, silent = false }) {
    const { discv5, transport } = node;
    const family = transport.ipMode.ip4 ? 4 : 6;
    await transport.move(family, port);
    if (!silent) discv5.enr[family === 4 ? 'udp' : 'udp6'] = transport.portOf(family);
    return { node: describeNode(node), port: transport.portOf(family) };
  },
  async close(node) {
    nodes.delete(node.index);
    await node.discv5.stop();
    return {};
  },
};

const FOR_THE_PROCESS = ['start', 'nodes', 'usage'];

async function carryOut(cmd, args) {
  const order = orders[cmd];
  if (order === undefined) throw new Error(`unknown command ${cmd}`);
  if (FOR_THE_PROCESS.includes(cmd)) return order(args);
  const node = nodes.get(args.node);
  if (node === undefined) throw new Error(`there is no node ${args.node}`);
  return order(node, args);
}

/** What an order may take: lookups and random nodes have limits of their own. */
async function inTime(cmd, promise) {
  if (['lookup', 'random', 'resolve', 'start'].includes(cmd)) return promise;
  const end = new AbortController();
  const late = pause(ANSWER_MS, undefined, { signal: end.signal }).then(
    () => Promise.reject(new Error('timeout')),
    () => undefined,
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    end.abort();
  }
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { ref, cmd, args = {} } = JSON.parse(line);
    inTime(cmd, carryOut(cmd, args)).then(
      (answer) => report({ ref, event: 'done', ...answer }),
      (error) => report({ ref, event: 'failed', error: `${error.message} ${error.code ?? ''}`.trim() }),
    );
  })
  .on('close', () => process.exit(0));
report({ event: 'ready' });
