/** The node database of a command, and what is said when something is wrong with it. */
import { PeerlaneError } from '../base/errors.ts';
import type { NodeDatabaseEvent } from '../server/index.ts';
import { NodeDatabase } from '../server/node-db/node-database.ts';
import type { Context } from './command.ts';
import { formatCount, printable } from './format.ts';
import type { Output } from './output.ts';
import { isSamePath } from './paths.ts';

/** Characters of a warning: it holds a path. */
const MESSAGE_LIMIT = 600;

/** The database in a directory; none without one. @throws PeerlaneError as `NodeDatabase.open` */
export async function openNodeDatabase(
  path: string | undefined,
  { env, signal }: Pick<Context, 'env' | 'signal'>,
  warnings: NodeDatabaseWarnings,
): Promise<NodeDatabase | undefined> {
  if (path === undefined) return undefined;
  return await NodeDatabase.open(path, { env, signal, onEvent: (event) => warnings.tell(event) });
}

/** One directory cannot hold both. @throws PeerlaneError `invalid-argument` */
export async function requireOwnDirectory(
  nodedb: string | undefined,
  store: string | undefined,
): Promise<void> {
  if (nodedb === undefined || store === undefined || !(await isSamePath(nodedb, store))) return;
  const message = `--store and --nodedb both name ${nodedb}: each needs a directory of its own`;
  throw new PeerlaneError('invalid-argument', message);
}

/**
 * Warnings, and whatever else there is to be said, wait until the command has said what comes first in its output: where it
 * listens. To be declared before the database, so that they come out however the command ends.
 */
export class NodeDatabaseWarnings implements Disposable {
  readonly #output: Output;
  #waiting: (() => void)[] | undefined = [];

  constructor(output: Output) {
    this.#output = output;
  }

  tell(event: NodeDatabaseEvent): void {
    this.after(() => printWarning(this.#output, event));
  }

  /** Has something said when its turn has come. Before the release there is little, of the opening. */
  after(say: () => void): void {
    if (this.#waiting === undefined) say();
    else this.#waiting.push(say);
  }

  /** Prints those that wait, and from now on each as it comes. */
  release(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const say of waiting) say();
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

function printWarning(output: Output, event: NodeDatabaseEvent): void {
  switch (event.kind) {
    case 'node-database-set-aside': {
      const { kind, path, movedTo, error } = event;
      const text = `warning: ${printable(error.message, MESSAGE_LIMIT)}; it is at ${movedTo} now, and a new one has begun with what could be read of it`;
      output.event(kind, { path, movedTo, ...reasonOf(error) }, text);
      return;
    }
    case 'node-database-values-dropped': {
      const { kind, count } = event;
      const were = count === 1 ? 'was damaged, and is gone' : 'were damaged, and are gone';
      const text = `warning: ${formatCount(count, 'node')} of the database ${were}`;
      output.event(kind, { count }, text);
      return;
    }
    case 'node-database-failed': {
      const { kind, error } = event;
      output.event(
        kind,
        reasonOf(error),
        `warning: ${printable(error.message, MESSAGE_LIMIT)} (${error.code})`,
      );
    }
  }
}

function reasonOf({ code, message }: PeerlaneError): { code: string; message: string } {
  return { code, message };
}
