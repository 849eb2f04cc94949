/**
 * The process that measures one backend: `child.js PACE [ID...]`, with PEERLANE_BACKEND set. It answers the
 * questions in their order, through its channel to the parent, and ends.
 */
import { isPeerlaneError, toPeerlaneError } from '../../base/errors.ts';
import type { ChildMessage } from './messages.ts';

const [paceName, ...ids] = process.argv.slice(2);

// Ctrl-C reaches this process too; how to stop is for the parent to say.
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit(1));

function tell(message: ChildMessage): Promise<void> {
  return new Promise((resolve, reject) => {
    if (process.send === undefined) throw new Error('this file is run by peerlane bench');
    process.send(message, (error: Error | null) => (error === null ? resolve() : reject(error)));
  });
}

async function answer(): Promise<void> {
  const { backend } = await import('../../crypto/index.ts');
  await tell({ kind: 'ready', detail: backend.detail });
  if (ids.length === 0) return;
  const { QUESTIONS } = await import('../../bench/questions.ts');
  const { FULL, QUICK } = await import('../../bench/measure.ts');
  for (const { id, ask } of Object.values(QUESTIONS).flat()) {
    if (!ids.includes(id)) continue;
    try {
      await tell({ kind: 'figure', id, figure: await ask(paceName === 'quick' ? QUICK : FULL) });
    } catch (error) {
      await tell({ kind: 'failed', id, message: toPeerlaneError(error).message });
    }
  }
}

try {
  await answer();
} catch (error) {
  if (!isPeerlaneError(error, 'backend-unavailable')) throw error;
  await tell({ kind: 'unavailable', reason: error.message.replace(/^PEERLANE_BACKEND=native: /, '') });
}
process.exit(0);
