import type { Command } from 'commander';
import { toHex } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';
import { forgetOldest } from '../base/recent.ts';
import { type KadNode, logDistance } from '../kad/index.ts';
import { type SearchOptions, startAsking, withBootnodes, withDiscoveryOptions } from './asking.ts';
import type { Context, RunAction } from './command.ts';
import { within } from './deadline.ts';
import { durationText } from './durations.ts';
import { formatCount, formatDuration, formatNumber, rounded } from './format.ts';
import { lookupFrom } from './hosts.ts';
import { enodeOf, nobodyToAsk, nodeFields, randomTarget, readBootnodes, readTarget } from './nodes.ts';
import type { AskingEvent } from './services.ts';
import { versionOf } from './versions.ts';

const DEFAULT_TIMEOUT_MS = 120_000;

export function addLookupCommand(program: Command, run: RunAction): void {
  withBootnodes(withDiscoveryOptions(program.command('lookup'), DEFAULT_TIMEOUT_MS))
    .description(
      'walk towards a public key, or by v5 a node id: print the nodes heard of, and those closest to it that answer',
    )
    .argument(
      '[target]',
      'public key of 128 hexadecimal digits, enode URL, record, or for --v5 node id of 64; default: a random one',
    )
    .action((target: string | undefined, options: SearchOptions) =>
      run(options, (context) => lookup(context, target, options)),
    );
}

async function lookup(context: Context, text: string | undefined, options: SearchOptions): Promise<void> {
  const { env, output } = context;
  const version = versionOf(options);
  const begunAt = env.now();
  const late = new PeerlaneError(
    'lookup-timeout',
    `the lookup has not ended within ${durationText(options.timeout)}`,
  );
  await within(context, options.timeout, late, async (work) => {
    const { signal } = work;
    const asking = { ...context, lookup: await lookupFrom(options.listen) };
    const given =
      text === undefined ? randomTarget(version, env) : await readTarget(text, version, asking, signal);
    const { wanted, id, node } = given;
    const bootnodes = await readBootnodes(options.bootnode, asking, signal);
    const seeds = node === undefined ? bootnodes.nodes : [...bootnodes.nodes, node];
    if (seeds.length === 0) throw nobodyToAsk(bootnodes.failure ?? given.failure, 'give a --bootnode');
    const heard = new Heard(seeds, (node) => output.event('node', nodeFields(node, id), enodeOf(node)));
    const onEvent = (event: AskingEvent): void => heard.tell(event);
    await using service = await startAsking(context, options, { nodes: seeds, seeds, onEvent }, work);
    const nodes = service.lookup(wanted, { signal });
    let next = await nodes.next();
    for (; next.done !== true; next = await nodes.next()) heard.of(next.value);
    const closest = next.value;
    for (const silent of heard.silentStarts) {
      const enode = enodeOf(silent);
      output.event('no-answer', { enode }, `no answer from ${enode}`);
    }
    const { sent, received } = service.stats();
    const seconds = rounded((env.now() - begunAt) / 1_000);
    output.event(
      'summary',
      {
        ...{ version, target: toHex(wanted), targetId: toHex(id) },
        ...{ heardOf: heard.size, answered: heard.answered, sent, received, seconds },
        closest: closest.map((found) => nodeFields(found, id)),
      },
      [
        `heard of ${formatCount(heard.size, 'node')}, ${formatNumber(heard.answered)} of which answered; ${formatCount(sent, 'packet')} sent in ${formatDuration(seconds)}`,
        closest.length === 0
          ? `closest to ${toHex(wanted)}: nobody`
          : `closest to ${toHex(wanted)}, with the logarithm of the distance:`,
        ...closest.map((found) => closestLine(found, id)),
      ].join('\n'),
    );
    if (closest.length > 0) return;
    throw new PeerlaneError(
      'request-timeout',
      heard.size === 0 ? 'none of the nodes to begin with has answered' : 'nobody has answered FindNode',
    );
  });
}

/** More answer only while a lookup goes on that hears of more. */
const MAX_ANSWERED = 10_000;

/**
 * The nodes that a lookup hears of: those that others name, whether they are there or not, and those that it begins with
 * as soon as they answer.
 */
class Heard {
  readonly #tell: (node: KadNode) => void;
  readonly #starts: ReadonlySet<string>;
  /** Those that it begins with, while they have not answered. */
  readonly #waiting = new Map<string, KadNode>();
  readonly #heardOf = new Set<string>();
  /** Who has answered a Ping or, by v5, a question of the lookup, heard of or not. */
  readonly #answered = new Set<string>();

  constructor(starts: readonly KadNode[], tell: (node: KadNode) => void) {
    this.#starts = new Set(starts.map(({ id }) => toHex(id)));
    this.#tell = tell;
  }

  get size(): number {
    return this.#heardOf.size;
  }

  get answered(): number {
    return [...this.#heardOf].filter((key) => this.#answered.has(key)).length;
  }

  get silentStarts(): Iterable<KadNode> {
    return this.#waiting.values();
  }

  tell(event: AskingEvent): void {
    if (event.kind !== 'node-answered' && event.kind !== 'nodes-received') return;
    const key = toHex(event.node.id);
    this.#answered.add(key);
    forgetOldest(this.#answered, MAX_ANSWERED);
    const start = this.#waiting.get(key);
    if (start === undefined) return;
    this.#waiting.delete(key);
    this.#add(key, start);
  }

  of(node: KadNode): void {
    const key = toHex(node.id);
    if (this.#starts.has(key) && !this.#answered.has(key)) this.#waiting.set(key, node);
    else this.#add(key, node);
  }

  #add(key: string, node: KadNode): void {
    this.#heardOf.add(key);
    this.#tell(node);
  }
}

function closestLine(node: KadNode, target: Uint8Array): string {
  return `${String(logDistance(target, node.id)).padStart(5)}  ${enodeOf(node)}`;
}
