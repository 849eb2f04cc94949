/** Text from a file or the standard input. */
import { createReadStream } from 'node:fs';
import { PeerlaneError } from '../base/errors.ts';
import { fileProblem } from '../base/file-problem.ts';

/** What a person keeps in such a file is far smaller. */
const MAX_LENGTH = 1024 * 1024;

/**
 * The text in the file `path`; `-` is the standard input.
 * @throws PeerlaneError `file-unreadable`, also for more than 1 MiB; `aborted`
 */
export async function readText(path: string, signal: AbortSignal): Promise<string> {
  const name = path === '-' ? 'the standard input' : path;
  const stream = path === '-' ? process.stdin : createReadStream(path);
  const stop = (): void => void stream.destroy();
  signal.addEventListener('abort', stop);
  try {
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of stream) {
      length += chunk.length;
      if (length > MAX_LENGTH)
        throw new PeerlaneError('file-unreadable', `cannot read ${name}: it is too large`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString('utf8');
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (error instanceof PeerlaneError) throw error;
    throw new PeerlaneError('file-unreadable', `cannot read ${name}: ${fileProblem(error)}`, {
      cause: error,
    });
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
