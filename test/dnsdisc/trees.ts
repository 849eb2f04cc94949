/** Trees for tests, and a resolver that answers from them. */
import type { Env } from '../../src/base/env.ts';
import { systemEnv } from '../../src/base/env.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';
import type { Resolver, Tree, TreeUrl } from '../../src/dnsdisc/index.ts';
import { signTree, treeTexts } from '../../src/dnsdisc/index.ts';
import { type NodeRecord, signRecord } from '../../src/enr/index.ts';

/** The secret key number `i`. */
export function key(i: number): Uint8Array {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(28, i + 1);
  return bytes;
}

const made = new Map<number, NodeRecord>();

/** The record of node number `i`. */
export function record(i: number): NodeRecord {
  let found = made.get(i);
  if (found === undefined) {
    const ip = `10.${(i >> 16) & 0xff}.${(i >> 8) & 0xff}.${i & 0xff}`;
    found = signRecord(key(i), { seq: 1n, entries: { ip, tcp: 30_303, udp: 30_303 } });
    made.set(i, found);
  }
  return found;
}

export function records(count: number, from = 0): NodeRecord[] {
  return Array.from({ length: count }, (_, i) => record(from + i));
}

export interface TreeOptions {
  readonly domain?: string;
  readonly seq?: bigint;
  readonly count?: number;
  readonly from?: number;
  readonly links?: readonly TreeUrl[];
  /** Number of the key that signs. */
  readonly signer?: number;
}

export function tree(options: TreeOptions = {}): Tree {
  const { domain = 'nodes.test', seq = 1n, count = 3, from = 0, links = [], signer = 1_000_000 } = options;
  return signTree({ domain, seq, records: records(count, from), links }, key(signer));
}

/** DNS as a map, and all that was asked. */
export class FakeDns implements Resolver {
  readonly texts = new Map<string, readonly string[]>();
  readonly asked: { readonly name: string; readonly at: number }[] = [];
  readonly signals: AbortSignal[] = [];
  readonly #env: Env;
  /** May answer, fail or never come back in place of the map. */
  instead: ((name: string) => Promise<readonly string[]> | undefined) | undefined;

  constructor(env: Env = systemEnv, ...trees: readonly Tree[]) {
    this.#env = env;
    for (const tree of trees) this.publish(tree);
  }

  publish(tree: Tree): void {
    for (const [name, text] of treeTexts(tree)) this.texts.set(name, [text]);
  }

  async resolveTxt(name: string, signal: AbortSignal): Promise<readonly string[]> {
    this.asked.push({ name, at: this.#env.now() });
    this.signals.push(signal);
    return (await this.instead?.(name)) ?? this.texts.get(name) ?? [];
  }

  get names(): string[] {
    return this.asked.map(({ name }) => name);
  }
}

/** Moves the clock on, in steps, until the promise is settled. */
export async function settled<T>(env: VirtualEnv, promise: Promise<T>, stepMs = 100): Promise<T> {
  let over = false;
  const watched = promise.finally(() => {
    over = true;
  });
  // Awaited below.
  watched.catch(() => undefined);
  for (;;) {
    await turn();
    if (over) return watched;
    env.advance(stepMs);
  }
}

/** Lets all that waits for promises run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export function virtualEnv(seed = 7): VirtualEnv {
  return new VirtualEnv({ now: 1_000, seed });
}
