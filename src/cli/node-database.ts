/** The node database of a command, and what is said of it. */
import { resolve } from 'node:path';
import { PeerlaneError } from '../base/errors.ts';
import { NodeDatabase, type NodeDatabaseEvent } from '../server/index.ts';
import type { Context } from './command.ts';
import { formatCount, printable } from './format.ts';
import type { Output } from './output.ts';

/** Opens what is in a directory, or begins with it. @throws PeerlaneError as `NodeDatabase.open` */
export function openNodeDatabase(
  directory: string,
  { env, signal }: Context,
  warnings: DatabaseWarnings,
): Promise<NodeDatabase> {
  return NodeDatabase.open(directory, { env, signal, onEvent: (event) => warnings.tell(event) });
}

/** Two databases of one directory would each find it in use. @throws PeerlaneError `invalid-argument` */
export function requireApart(store: string | undefined, nodedb: string | undefined): void {
  if (store === undefined || nodedb === undefined || resolve(store) !== resolve(nodedb)) return;
  throw new PeerlaneError('invalid-argument', '--store and --nodedb need a directory each');
}

/** Warnings wait until it has been said where a node listens, which comes first; those that still wait come at the end. */
export class DatabaseWarnings implements Disposable {
  readonly #output: Output;
  #waiting: NodeDatabaseEvent[] | undefined = [];

  constructor(output: Output) {
    this.#output = output;
  }

  /** Before the release there are two at most, of the opening. */
  tell(event: NodeDatabaseEvent): void {
    if (this.#waiting === undefined) printWarning(this.#output, event);
    else this.#waiting.push(event);
  }

  release(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const event of waiting) printWarning(this.#output, event);
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

function printWarning(output: Output, event: NodeDatabaseEvent): void {
  switch (event.kind) {
    case 'node-database-set-aside': {
      const { kind, path, movedTo, error } = event;
      const text = `warning: ${printable(error.message)}; it is at ${movedTo} now, and a new one has begun`;
      output.event(kind, { path, movedTo, ...reasonOf(error) }, text);
      return;
    }
    case 'node-database-values-dropped': {
      const { kind, count } = event;
      const nodes = formatCount(count, 'damaged node');
      output.event(kind, { count }, `warning: ${nodes} of the database had to be dropped`);
      return;
    }
    case 'node-database-failed': {
      const { kind, error } = event;
      output.event(kind, reasonOf(error), `warning: ${printable(error.message)} (${error.code})`);
    }
  }
}

function reasonOf({ code, message }: PeerlaneError): { code: string; message: string } {
  return { code, message };
}
