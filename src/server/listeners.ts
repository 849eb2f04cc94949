/** The TCP listeners of a node: one for each address that it listens on. */
import { allOpen } from '../base/all-open.ts';
import { type Endpoint, type Listener, listenTcp, type TcpEvents } from '../io/tcp.ts';
import { familyOf } from './endpoint-votes.ts';
import { oneFamilyEach } from './listen-endpoints.ts';

/**
 * Listens at an address, or at two of different families; none is listened on when one cannot be.
 * @throws PeerlaneError as `listenTcp`
 */
export async function listenEach(listen: readonly Endpoint[], events: TcpEvents): Promise<Listener[]> {
  return await allOpen(oneFamilyEach(listen).map((at) => listenTcp(at, events)));
}

export class Listeners implements AsyncDisposable {
  readonly #listen: readonly Endpoint[];
  readonly #events: TcpEvents;
  #opening: Promise<Listener[]> | undefined;
  #open: readonly Listener[] = [];

  /** @param listen none, one, or one of each family */
  constructor(listen: readonly Endpoint[], events: TcpEvents) {
    this.#listen = listen;
    this.#events = events;
  }

  /** @throws PeerlaneError `port-in-use`, `listen-failed` */
  async open(): Promise<void> {
    this.#opening = listenEach(this.#listen, this.#events);
    this.#open = await this.#opening;
  }

  /** Where they listen, with the ports in use, in the order that was asked for; none unless they are open. */
  get endpoints(): readonly Endpoint[] {
    return this.#open.map(({ host, port }) => ({ host, port }));
  }

  /** The port at which a host with that address finds the node: by the same family if it listens there; 0: at none. */
  portFor(ip: string): number {
    const sameFamily = this.#open.find(({ host }) => familyOf(host) === familyOf(ip));
    return (sameFamily ?? this.#open[0])?.port ?? 0;
  }

  /** Stops taking connections; those that were taken live on. May be called twice, and while they are being opened. */
  async close(): Promise<void> {
    const open = await this.#opening?.catch(() => []);
    await Promise.all((open ?? []).map((listener) => listener.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
