import type { Endpoint } from '../io/tcp.ts';
import type { KadNode } from '../kad/index.ts';
import type { Discv4Service } from './discv4-service.ts';
import type { Discv5Service } from './discv5-service.ts';

export type DiscoveryService = Discv4Service | Discv5Service;

/** The services of those versions of discovery that a node runs, on one socket. */
export class RunningVersions implements AsyncDisposable {
  readonly v4: Discv4Service | undefined;
  readonly v5: Discv5Service | undefined;

  constructor(v4: Discv4Service | undefined, v5: Discv5Service | undefined) {
    this.v4 = v4;
    this.v5 = v5;
  }

  /** v4 before v5. */
  get all(): DiscoveryService[] {
    return [this.v4, this.v5].filter((service) => service !== undefined);
  }

  /** Of their sockets. */
  get endpoints(): readonly Endpoint[] {
    return this.all[0]?.endpoints ?? [];
  }

  /** Starts them, or closes all. @throws PeerlaneError as `start` of the services */
  async start(): Promise<void> {
    try {
      await this.v5?.start();
      await this.v4?.start();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Of a bootnode nobody knows which it speaks. @throws PeerlaneError as `addBootnode` of the services */
  addBootnode(node: KadNode): void {
    for (const service of this.all) service.addBootnode(node);
  }

  async close(): Promise<void> {
    await Promise.all(this.all.map((service) => service.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
