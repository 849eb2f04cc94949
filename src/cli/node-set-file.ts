/** Files of node sets. */
import { isPeerlaneError, PeerlaneError } from '../base/errors.ts';
import { readTextFile, replaceTextFile } from '../io/text-file.ts';
import { formatNodeSet, MAX_NODE_SET_BYTES, type NodeSet, parseNodeSet } from '../server/node-set.ts';
import type { Context } from './command.ts';

export const NODE_SET = 'the node set';

/** @throws PeerlaneError `file-unreadable`, `node-set-invalid`, `aborted` */
export async function readNodeSet(
  path: string,
  { env, signal }: Pick<Context, 'env' | 'signal'>,
): Promise<NodeSet> {
  const text = await readTextFile(path, NODE_SET, MAX_NODE_SET_BYTES);
  try {
    return await parseNodeSet(text, { env, signal });
  } catch (error) {
    if (!isPeerlaneError(error, 'node-set-invalid')) throw error;
    throw new PeerlaneError('node-set-invalid', `${path}: ${error.message}`, { cause: error });
  }
}

/**
 * Puts the file in place as a whole: a crash leaves the old one or the new one.
 * @returns its mark (`markOf`)
 * @throws PeerlaneError `file-unreadable`
 */
export async function writeNodeSet(path: string, set: NodeSet): Promise<string> {
  return await replaceTextFile(path, NODE_SET, formatNodeSet(set));
}
