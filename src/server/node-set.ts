/**
 * Node sets: nodes with what a crawl has learned of them, in the JSON that go-ethereum's `devp2p` tool reads and
 * writes: an object from node ids to `{seq, record, score, firstResponse, lastResponse, lastCheck}`. `hello` is ours beside
 * them, which `devp2p` passes over: `{client, capabilities, time}`.
 */
import { throwIfAborted } from '../base/abort.ts';
import { toBareHex } from '../base/bytes.ts';
import { checkEnv, checkObject, invalidArgument, reading, signalOf } from '../base/checks.ts';
import { type Env, systemEnv } from '../base/env.ts';
import { PeerlaneError, toPeerlaneError } from '../base/errors.ts';
import { type Enode, formatEnode, NodeRecord, nodeIdOf, parseEnode, parseRecord } from '../enr/index.ts';
import { checkHello, formatHello, type NodeHello, parseHello } from './node-hello.ts';
import { checkTime, formatTime, parseTime } from './node-times.ts';

/** Several times what a crawl of all Ethereum networks finds. */
export const MAX_NODE_SET_NODES = 250_000;
/** As many nodes with the longest records and Hellos; a string of Node.js has room for more. */
export const MAX_NODE_SET_BYTES: number = 384 * 1024 * 1024;

/** Records checked in a turn of the event loop, about ten milliseconds. */
const CHECK_LENGTH = 128;

const KEY = /^[0-9a-f]{64}$/;
const TIMES = ['firstResponse', 'lastResponse', 'lastCheck'] as const;

/** A node of a set. Times are Unix ms; undefined: never. */
export interface NodeSetEntry {
  /** Its record; an enode URL where none is known. */
  readonly node: NodeRecord | Enode;
  /** One more for each check that it passes, half for each that it does not. */
  readonly score: number;
  readonly firstResponse: number | undefined;
  readonly lastResponse: number | undefined;
  /** When it was last tried, answer or not. */
  readonly lastCheck: number | undefined;
  /** What it has said of itself; undefined: nobody has asked it. */
  readonly hello?: NodeHello | undefined;
}

/** Nodes by id: 64 lower-case hexadecimal digits. */
export type NodeSet = Map<string, NodeSetEntry>;

export function nodeSetKey({ publicKey }: NodeRecord | Enode): string {
  return toBareHex(nodeIdOf(publicKey));
}

/**
 * Reads a set; every record is verified. Fields that have no meaning here are passed over.
 *
 * @throws PeerlaneError `node-set-invalid` when the text is cut off, no node set, too large, or one of its nodes is
 * not what its id and record say; `aborted`
 */
export async function parseNodeSet(
  text: string,
  options: { readonly env?: Env; readonly signal?: AbortSignal } = {},
): Promise<NodeSet> {
  const signal = signalOf(options, { env: true, signal: true });
  const { env } = reading('the options of the call', () => {
    const { env = systemEnv } = options;
    checkEnv(env);
    return { env };
  });
  if (typeof text !== 'string') throw invalidArgument('a node set is read from a string');
  const nodes = Object.entries(objectOf(text));
  if (nodes.length > MAX_NODE_SET_NODES) {
    throw invalid(`it has ${nodes.length} nodes; the limit is ${MAX_NODE_SET_NODES}`);
  }
  const set: NodeSet = new Map();
  let checked = 0;
  for (const [id, value] of nodes) {
    if (checked++ % CHECK_LENGTH === 0) {
      await new Promise<void>((resolve) => void env.setImmediate(resolve));
      throwIfAborted(signal);
    }
    const key = /^(?:0x)?([0-9a-f]{64})$/i.exec(id)?.[1]?.toLowerCase();
    if (key === undefined) throw invalid('a key is not a node id of 64 hexadecimal digits');
    if (set.has(key)) throw invalid(`the node ${key} occurs twice`);
    set.set(key, entryOf(key, value));
  }
  return set;
}

function objectOf(text: string): Readonly<Record<string, unknown>> {
  if (text.length > MAX_NODE_SET_BYTES) throw invalid('it is too large');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid('it is cut off, or not JSON', error);
  }
  if (!isJsonObject(value)) throw invalid('it is not a JSON object');
  return value;
}

function entryOf(key: string, value: unknown): NodeSetEntry {
  const problem = (what: string, cause?: unknown): PeerlaneError => invalid(`node ${key}: ${what}`, cause);
  if (!isJsonObject(value)) throw problem('not an object');
  const { record, seq, score = 0, hello } = value;
  if (typeof record !== 'string') throw problem('it has no record');
  let node: NodeRecord | Enode;
  try {
    node = record.startsWith('enode:') ? parseEnode(record) : parseRecord(record);
  } catch (error) {
    throw problem(toPeerlaneError(error).message, error);
  }
  if (nodeSetKey(node) !== key) throw problem('the record is of another node');
  // Above 2^53, JSON is read to the nearest number.
  if (node instanceof NodeRecord && seq !== undefined && seq !== Number(node.seq)) {
    throw problem('"seq" is not the sequence number of the record');
  }
  if (typeof score !== 'number' || !Number.isSafeInteger(score) || score < 0) {
    throw problem('"score" is no whole number');
  }
  const time = (name: 'firstResponse' | 'lastResponse' | 'lastCheck'): number | undefined => {
    const text = value[name];
    if (text === undefined) return undefined;
    const ms = typeof text === 'string' ? parseTime(text) : Number.NaN;
    if (Number.isNaN(ms)) throw problem(`"${name}" is no time of RFC 3339`);
    return ms > 0 ? ms : undefined;
  };
  const [firstResponse, lastResponse] = [time('firstResponse'), time('lastResponse')];
  const entry = { node, score, firstResponse, lastResponse, lastCheck: time('lastCheck') };
  if (hello === undefined) return entry;
  const said = parseHello(hello);
  if (said === undefined) throw problem('"hello" is not {client, capabilities, time}');
  return { ...entry, hello: said };
}

/**
 * The text of a set, sorted by id.
 * @throws PeerlaneError `invalid-argument`, `invalid-enode` for what is no set, a key that is not its node's, a score or a time that cannot
 * be written
 */
export function formatNodeSet(set: NodeSet): string {
  reading('the node set', () => checkNodeSet(set));
  const nodes = [...set].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, entry]) => formatEntry(key, entry));
  return nodes.length === 0 ? '{}\n' : `{\n${nodes.join(',\n')}\n}\n`;
}

/**
 * Whether `set` has the form of a set. That a key is its node's takes a hash for each, and is not looked into.
 * @throws PeerlaneError `invalid-argument`, `invalid-enode`
 */
export function checkNodeSet(set: NodeSet): void {
  if (!(set instanceof Map)) throw invalidArgument('the node set is no Map from node ids to entries');
  for (const [key, entry] of set) checkEntry(key, entry);
}

function checkEntry(key: string, entry: NodeSetEntry): void {
  if (typeof key !== 'string' || !KEY.test(key)) {
    throw invalidArgument('a key of the node set is no node id: 64 lower-case hexadecimal digits');
  }
  checkObject(`node ${key} of the set`, entry);
  const { node, score, hello, ...times } = entry;
  if (!(node instanceof NodeRecord)) formatEnode(node);
  if (!Number.isSafeInteger(score) || score < 0) {
    throw invalidArgument(`the score of node ${key} is no whole number`);
  }
  for (const name of TIMES) checkTime(`${name} of node ${key}`, times[name]);
  if (hello !== undefined) checkHello(`hello of node ${key}`, hello);
}

function formatEntry(key: string, { node, score, hello, ...times }: NodeSetEntry): string {
  if (nodeSetKey(node) !== key) throw invalidArgument(`${key} is not the id of its node`);
  const isRecord = node instanceof NodeRecord;
  // Not by `JSON.stringify`: a sequence number has up to 64 bits.
  const fields = [
    `"seq": ${isRecord ? node.seq : 0}`,
    `"record": ${JSON.stringify(isRecord ? node.toString() : formatEnode(node))}`,
    ...(score === 0 ? [] : [`"score": ${score}`]),
    `"firstResponse": "${formatTime(times.firstResponse)}"`,
    `"lastResponse": "${formatTime(times.lastResponse)}"`,
    `"lastCheck": "${formatTime(times.lastCheck)}"`,
    ...(hello === undefined ? [] : [`"hello": ${formatHello(hello)}`]),
  ];
  return `    "${key}": {\n${fields.map((field) => `        ${field}`).join(',\n')}\n    }`;
}

/** The `count` nodes with the highest scores; of equals those with the lower ids. */
export function bestOf(set: NodeSet, count: number): NodeSet {
  const order = [...set].sort(([a, one], [b, two]) => two.score - one.score || (a < b ? -1 : 1));
  return new Map(order.slice(0, count));
}

function isJsonObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(what: string, cause?: unknown): PeerlaneError {
  return new PeerlaneError('node-set-invalid', `the node set is invalid: ${what}`, { cause });
}
