import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

interface Reply {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string };
  readonly method?: string;
  readonly params?: { readonly subscription: string; readonly result: unknown };
}

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** JSON-RPC over a Unix socket, as geth serves it: one object a line. */
export class JsonRpcClient {
  readonly #socket: Socket;
  readonly #pending = new Map<number, Pending>();
  /** Called with the result of each notification of a subscription. */
  onNotification: (result: unknown) => void = () => undefined;
  #lastId = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    createInterface({ input: socket }).on('line', (line) => this.#take(JSON.parse(line)));
    socket.on('error', (error) => this.#end(error));
    socket.on('close', () => this.#end(new Error('the RPC socket was closed')));
  }

  static async connect(path: string): Promise<JsonRpcClient> {
    const socket = connect(path);
    await once(socket, 'connect');
    return new JsonRpcClient(socket);
  }

  /** @throws Error with the server's message */
  call(method: string, ...params: readonly unknown[]): Promise<unknown> {
    if (this.#socket.destroyed) return Promise.reject(new Error('the RPC socket was closed'));
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#socket.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(reply: Reply): void {
    if (reply.method !== undefined && reply.id === undefined) {
      this.onNotification(reply.params?.result);
      return;
    }
    const pending = this.#pending.get(reply.id ?? 0);
    this.#pending.delete(reply.id ?? 0);
    if (reply.error === undefined) pending?.resolve(reply.result);
    else pending?.reject(new Error(`${reply.error.message} (${reply.error.code})`));
  }

  #end(error: Error): void {
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}
