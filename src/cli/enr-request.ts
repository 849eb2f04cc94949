import type { Command } from 'commander';
import { PeerlaneError } from '../base/errors.ts';
import { inspectRecord } from '../enr/index.ts';
import { NODE, startAsking, type TimedOptions, withDiscoveryOptions } from './asking.ts';
import type { Context, RunAction } from './command.ts';
import { within } from './deadline.ts';
import { durationText } from './durations.ts';
import { viewRecord } from './enr-view.ts';
import { lookupFrom } from './hosts.ts';
import { readNode } from './nodes.ts';
import { versionOf } from './versions.ts';

const DEFAULT_TIMEOUT_MS = 15_000;

export function addEnrRequestCommand(program: Command, run: RunAction): void {
  withDiscoveryOptions(program.command('enr-request'), DEFAULT_TIMEOUT_MS)
    .description('ask a node for its record, and print it as `enr show` does')
    .argument('<node>', NODE)
    .action((node: string, options: TimedOptions) =>
      run(options, (context) => enrRequest(context, node, options)),
    );
}

async function enrRequest(context: Context, text: string, options: TimedOptions): Promise<void> {
  const late = new PeerlaneError(
    'request-timeout',
    `no record has come within ${durationText(options.timeout)}`,
  );
  const record = await within(context, options.timeout, late, async (work) => {
    const node = await readNode(text, await lookupFrom(options.listen), work.signal);
    await using service = await startAsking(context, options, { nodes: [node] }, work);
    return await service.requestRecord(node, { signal: work.signal });
  });
  const view = viewRecord(record.toString(), inspectRecord(record.toString()));
  context.output.event('record', { version: versionOf(options), ...view.fields }, view.text);
}
