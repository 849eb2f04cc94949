import type { Command } from 'commander';
import { toHex } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';
import { PUBLIC_KEY_LENGTH } from '../crypto/index.ts';
import { nodeIdOf } from '../enr/index.ts';
import { type KadNode, logDistance } from '../kad/index.ts';
import type { Discv4ServiceEvent } from '../server/index.ts';
import { type SearchOptions, startAsking, withBootnodes, withDiscoveryOptions } from './asking.ts';
import { type Context, runAction } from './command.ts';
import { within } from './deadline.ts';
import { durationText } from './durations.ts';
import { formatCount, formatDuration } from './format.ts';
import { enodeOf, nodeFields, readBootnodes, readTarget } from './nodes.ts';

const DEFAULT_TIMEOUT_MS = 120_000;

export function addLookupCommand(program: Command): void {
  withBootnodes(withDiscoveryOptions(program.command('lookup'), DEFAULT_TIMEOUT_MS))
    .description('walk towards a public key by discovery v4, and print the nodes met and those closest to it')
    .argument('[target]', 'public key of 128 hexadecimal digits, enode URL or record; default: a random key')
    .action((target: string | undefined, options: SearchOptions) =>
      runAction(options, (context) => lookup(context, target, options)),
    );
}

async function lookup(context: Context, text: string | undefined, options: SearchOptions): Promise<void> {
  const { env, output } = context;
  const begunAt = env.now();
  const late = new PeerlaneError(
    'lookup-timeout',
    `the lookup has not ended within ${durationText(options.timeout)}`,
  );
  await within(context, options.timeout, late, async (work) => {
    const { signal } = work;
    const { publicKey: target, node } =
      text === undefined
        ? { publicKey: env.randomBytes(PUBLIC_KEY_LENGTH), node: undefined }
        : await readTarget(text, signal);
    const bootnodes = await readBootnodes(options.bootnode, signal);
    const seeds = node === undefined ? bootnodes : [...bootnodes, node];
    if (seeds.length === 0) throw new PeerlaneError('invalid-argument', 'nobody to ask: give a --bootnode');
    let met = 0;
    const meet = (node: KadNode): void => {
      met++;
      output.event('node', nodeFields(node, target), enodeOf(node));
    };
    const starts = new Starts(seeds, meet);
    const onEvent = (event: Discv4ServiceEvent): void => starts.tell(event);
    await using service = await startAsking(context, options, { nodes: seeds, seeds, onEvent }, work);
    const nodes = service.lookup(target, { signal });
    let next = await nodes.next();
    for (; next.done !== true; next = await nodes.next()) {
      if (!starts.holdBack(next.value)) meet(next.value);
    }
    const closest = next.value;
    for (const silent of starts.silent) {
      const enode = enodeOf(silent);
      output.event('no-answer', { enode }, `no answer from ${enode}`);
    }
    const { sent, received } = service.stats();
    const seconds = (env.now() - begunAt) / 1_000;
    output.event(
      'summary',
      {
        target: toHex(target),
        targetId: toHex(nodeIdOf(target)),
        ...{ met, sent, received, seconds },
        closest: closest.map((found) => nodeFields(found, target)),
      },
      [
        `met ${formatCount(met, 'node')} in ${formatDuration(seconds)}, sent ${formatCount(sent, 'packet')}`,
        closest.length === 0
          ? `closest to ${toHex(target)}: nobody`
          : `closest to ${toHex(target)}, with the logarithm of the distance:`,
        ...closest.map((found) => closestLine(found, target)),
      ].join('\n'),
    );
    if (closest.length > 0) return;
    throw new PeerlaneError(
      'request-timeout',
      met === 0 ? 'none of the nodes to begin with has answered' : 'nobody has answered FindNode',
    );
  });
}

/** The nodes that a lookup begins with: it meets those that answer, whoever has told it of them. */
class Starts {
  readonly #meet: (node: KadNode) => void;
  readonly #keys: ReadonlySet<string>;
  readonly #answered = new Set<string>();
  /** Those that the lookup has given, and that have not answered yet. */
  readonly #waiting = new Map<string, KadNode>();

  constructor(nodes: readonly KadNode[], meet: (node: KadNode) => void) {
    this.#keys = new Set(nodes.map(({ id }) => toHex(id)));
    this.#meet = meet;
  }

  get silent(): Iterable<KadNode> {
    return this.#waiting.values();
  }

  tell(event: Discv4ServiceEvent): void {
    if (event.kind !== 'node-answered') return;
    const key = toHex(event.node.id);
    if (!this.#keys.has(key)) return;
    this.#answered.add(key);
    const node = this.#waiting.get(key);
    if (node === undefined) return;
    this.#waiting.delete(key);
    this.#meet(node);
  }

  /** Whether a node is one of them and has not answered; it is met as soon as it does. */
  holdBack(node: KadNode): boolean {
    const key = toHex(node.id);
    if (!this.#keys.has(key) || this.#answered.has(key)) return false;
    this.#waiting.set(key, node);
    return true;
  }
}

function closestLine(node: KadNode, target: Uint8Array): string {
  return `${String(logDistance(nodeIdOf(target), node.id)).padStart(5)}  ${enodeOf(node)}`;
}
