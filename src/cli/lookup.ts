import type { Command } from 'commander';
import { toHex } from '../base/bytes.ts';
import { PeerlaneError } from '../base/errors.ts';
import { PUBLIC_KEY_LENGTH } from '../crypto/index.ts';
import { nodeIdOf } from '../enr/index.ts';
import { type KadNode, logDistance } from '../kad/index.ts';
import { type SearchOptions, startAsking, withBootnodes, withDiscoveryOptions } from './asking.ts';
import { type Context, runAction } from './command.ts';
import { within } from './deadline.ts';
import { formatDuration, formatNumber } from './format.ts';
import { enodeOf, nodeFields, readBootnodes, readTarget } from './nodes.ts';

const DEFAULT_TIMEOUT_S = 120;

export function addLookupCommand(program: Command): void {
  withBootnodes(withDiscoveryOptions(program.command('lookup'), DEFAULT_TIMEOUT_S))
    .description('walk towards a public key by discovery v4, and print the nodes met and those closest to it')
    .argument('[target]', 'public key of 128 hexadecimal digits, enode URL or record; default: a random key')
    .action((target: string | undefined, options: SearchOptions) =>
      runAction(options, (context) => lookup(context, target, options)),
    );
}

async function lookup(context: Context, text: string | undefined, options: SearchOptions): Promise<void> {
  const { env, output } = context;
  const begunAt = env.now();
  const late = new PeerlaneError('lookup-timeout', `the lookup has not ended within ${options.timeout} s`);
  await within(context, options.timeout, late, async (work) => {
    const { signal } = work;
    const { publicKey: target, node } =
      text === undefined
        ? { publicKey: env.randomBytes(PUBLIC_KEY_LENGTH), node: undefined }
        : await readTarget(text, signal);
    const bootnodes = await readBootnodes(options.bootnode, signal);
    const seeds = node === undefined ? bootnodes : [...bootnodes, node];
    if (seeds.length === 0) throw new PeerlaneError('invalid-argument', 'nobody to ask: give a --bootnode');
    await using service = await startAsking(context, options, { nodes: seeds, seeds }, work);
    const nodes = service.lookup(target, { signal });
    let met = 0;
    let next = await nodes.next();
    for (; next.done !== true; next = await nodes.next()) {
      met++;
      output.event('node', nodeFields(next.value, target), enodeOf(next.value));
    }
    const closest = next.value;
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
        `met ${formatNumber(met)} nodes in ${formatDuration(seconds)}, sent ${formatNumber(sent)} packets`,
        `closest to ${toHex(target)}, with the logarithm of the distance:`,
        ...closest.map((found) => closestLine(found, target)),
      ].join('\n'),
    );
    if (closest.length === 0) throw new PeerlaneError('request-timeout', 'nobody has answered');
  });
}

function closestLine(node: KadNode, target: Uint8Array): string {
  return `${String(logDistance(nodeIdOf(target), node.id)).padStart(5)}  ${enodeOf(node)}`;
}
