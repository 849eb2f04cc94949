/** Files of the `dns` commands: lists of node records, and trees as TXT records. */
import { isPeerlaneError, PeerlaneError } from '../base/errors.ts';
import { type Tree, type TreeUrl, treeFromJson, treeToJson } from '../dnsdisc/index.ts';
import { type NodeRecord, parseRecord } from '../enr/index.ts';
import {
  readTextFile,
  replaceTextFile,
  requireReplaceable as requireReplaceableText,
} from '../io/text-file.ts';
import { MAX_NODE_SET_BYTES } from '../server/node-set.ts';

const WHAT = 'the file';
/** The longest that a tree of 250,000 records has, as many as a node set may have. */
const MAX_TREE_FILE_BYTES = 192 * 1024 * 1024;

/**
 * The records in a file: one a line, where lines that begin with `#` are for people; a JSON array of them; or a JSON
 * object from node ids to objects with a `record`, as go-ethereum's `devp2p` writes node sets.
 *
 * @throws PeerlaneError `file-unreadable`, `invalid-record`
 */
export async function readRecordsFile(path: string): Promise<NodeRecord[]> {
  const text = await readTextFile(path, WHAT, MAX_NODE_SET_BYTES);
  const texts = /^\s*[[{]/.test(text) ? textsOfJson(path, text) : textsOfLines(text);
  return texts.map((record, i) => {
    try {
      return parseRecord(record);
    } catch (error) {
      if (!isPeerlaneError(error, 'invalid-record')) throw error;
      const message = `record ${i + 1} of ${path}: ${error.message}`;
      throw new PeerlaneError('invalid-record', message, { cause: error });
    }
  });
}

/** The lines that hold something, without those that begin with `#`, which are for people. */
export function textsOfLines(text: string): string[] {
  const lines = text.split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '' && !line.startsWith('#'));
}

function textsOfJson(path: string, text: string): string[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new PeerlaneError('file-unreadable', `${path} begins like JSON and is not`, { cause });
  }
  const items: unknown[] = Array.isArray(value) ? value : Object.values(Object(value));
  return items.flatMap((item) => {
    const { record = item }: { readonly record?: unknown } = Object(item);
    if (typeof record !== 'string') {
      throw new PeerlaneError('file-unreadable', `${path} holds something that is not a record`);
    }
    // A node set has nodes of which no record is known: trees are of those that have one.
    return record !== item && record.startsWith('enode:') ? [] : [record];
  });
}

/** The tree in a file of TXT records, verified. @throws PeerlaneError `file-unreadable`, `invalid-tree` */
export async function readTreeFile(path: string, url?: TreeUrl): Promise<Tree> {
  return parseTree(path, await readTextFile(path, WHAT, MAX_TREE_FILE_BYTES), url);
}

/** The same, if there is such a file. */
export async function readOldTreeFile(path: string): Promise<Tree | undefined> {
  let text: string;
  try {
    text = await readTextFile(path, WHAT, MAX_TREE_FILE_BYTES);
  } catch (error) {
    const cause = isPeerlaneError(error) ? error.cause : undefined;
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw error;
  }
  return parseTree(path, text);
}

function parseTree(path: string, text: string, url?: TreeUrl): Tree {
  try {
    return treeFromJson(text, url);
  } catch (error) {
    if (!isPeerlaneError(error)) throw error;
    const message = `${path} is no tree: ${error.message}`;
    throw new PeerlaneError('invalid-tree', message, { cause: error });
  }
}

/** As `replaceFile`. @throws PeerlaneError `invalid-argument` for a tree that `readTreeFile` would not read */
export async function replaceTreeFile(path: string, tree: Tree): Promise<void> {
  const json = treeToJson(tree);
  if (json.length > MAX_TREE_FILE_BYTES) {
    const message = `the tree would take ${json.length} bytes; the limit is ${MAX_TREE_FILE_BYTES}`;
    throw new PeerlaneError('invalid-argument', message);
  }
  await replaceFile(path, json);
}

/** Writes a file that takes the place of one that is there only when it is whole. @throws PeerlaneError `file-unreadable` */
export async function replaceFile(path: string, text: string): Promise<void> {
  await replaceTextFile(path, WHAT, text);
}

/** @throws PeerlaneError `file-unreadable` when `replaceFile` would fail */
export async function requireReplaceable(path: string): Promise<void> {
  await requireReplaceableText(path, WHAT);
}
