import type { Command } from 'commander';
import { isPeerlaneError, PeerlaneError } from '../base/errors.ts';
import { inspectRecord, type NodeRecord } from '../enr/index.ts';
import type { KadNode } from '../kad/index.ts';
import { isFaultOfNode } from '../server/discovery-calls.ts';
import { type SearchOptions, startAsking, withBootnodes, withDiscoveryOptions } from './asking.ts';
import type { Context, RunAction } from './command.ts';
import { within } from './deadline.ts';
import { durationText } from './durations.ts';
import { viewRecord } from './enr-view.ts';
import { lookupFrom } from './hosts.ts';
import { nobodyToAsk, readBootnodes, readTarget, requireKey, type Target } from './nodes.ts';
import type { AskingService } from './services.ts';
import { versionOf } from './versions.ts';

const DEFAULT_TIMEOUT_MS = 60_000;

export function addResolveCommand(program: Command, run: RunAction): void {
  withBootnodes(withDiscoveryOptions(program.command('resolve'), DEFAULT_TIMEOUT_MS))
    .description('find the newest record of a node, where it is known and through bootnodes')
    .argument(
      '<node>',
      'enode URL, record (enr:...), public key of 128 hexadecimal digits, or for --v5 node id of 64',
    )
    .action((node: string, options: SearchOptions) =>
      run(options, (context) => resolve(context, node, options)),
    );
}

async function resolve(context: Context, text: string, options: SearchOptions): Promise<void> {
  const version = versionOf(options);
  const late = new PeerlaneError(
    'request-timeout',
    `the node was not found within ${durationText(options.timeout)}`,
  );
  const record = await within(context, options.timeout, late, async (work) => {
    const { signal } = work;
    const asking = { ...context, lookup: await lookupFrom(options.listen) };
    const target = await readTarget(text, version, asking, signal);
    requireKey(target);
    const { nodes: seeds, failure } = await readBootnodes(options.bootnode, asking, signal);
    const { node } = target;
    const nodes = node === undefined ? seeds : [node, ...seeds];
    if (nodes.length === 0) {
      throw nobodyToAsk(failure ?? target.failure, 'give a --bootnode, or where the node is');
    }
    await using service = await startAsking(context, options, { nodes, seeds }, work);
    return await newest(service, target, seeds, signal);
  });
  const view = viewRecord(record.toString(), inspectRecord(record.toString()));
  context.output.event('record', { version, ...view.fields }, view.text);
}

/**
 * The node knows best; where it has moved, others may know where to.
 * @throws PeerlaneError `request-timeout`; `invalid-record` when the node has sent one, and none that can be verified
 */
async function newest(
  service: AskingService,
  { wanted, node, record }: Target,
  seeds: readonly KadNode[],
  signal: AbortSignal,
): Promise<NodeRecord> {
  let failure = new PeerlaneError('request-timeout', 'the node was not found, or does not answer');
  let found: NodeRecord | undefined;
  try {
    if (node !== undefined) found = await service.requestRecord(node, { signal });
  } catch (error) {
    if (!isFaultOfNode(error)) throw error;
    if (isPeerlaneError(error, 'invalid-record')) failure = error;
  }
  if (found === undefined && seeds.length > 0) found = await service.resolve(wanted, { signal });
  if (found === undefined) throw failure;
  return record !== undefined && record.seq > found.seq ? record : found;
}
