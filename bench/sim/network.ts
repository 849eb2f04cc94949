import { VirtualEnv } from '../../src/base/virtual-env.ts';
import type { KadNode, UdpEndpoint } from '../../src/kad/index.ts';
import { type Protocol, V4, v5 } from './engines.ts';
import { IdSpace } from './id-space.ts';
import { Links } from './links.ts';
import { type Identity, SimNode } from './node.ts';
import { Random } from './random.ts';

const HOUR_MS = 3_600_000;
const UDP_PORT = 30303;
/** Settled nodes wake up one after the other within this time: they have not all begun in the same moment. */
const WAKE_MS = 60_000;
/** Of those who come, so many have been there before. */
const RETURNS = 0.5;
/** Not at zero: a Unix time of zero leaves no room for a time before it. */
const BEGIN_MS = 1_700_000_000_000;

export interface NetworkOptions {
  readonly seed: number;
  /** The part of all packets that gets lost. */
  readonly loss?: number;
  /** The part of the nodes that is behind NAT. */
  readonly nat?: number;
  /** Real signatures in place of cheap ones. */
  readonly isReal?: boolean;
  /** The version of discovery. Default: 4. */
  readonly version?: 4 | 5;
}

/** Nodes that have nothing but one bootnode to begin with. */
export class SimNetwork {
  readonly env: VirtualEnv;
  readonly links: Links;
  readonly random: Random;
  /** Those that run, the bootnode first. */
  readonly nodes: SimNode[] = [];
  readonly protocol: Protocol;
  readonly #options: NetworkOptions;
  readonly #departed: Identity[] = [];
  readonly #bootnode: Identity;
  #isChurning = false;

  constructor(options: NetworkOptions) {
    const { seed, loss = 0, isReal = false, version = 4 } = options;
    this.#options = options;
    this.env = new VirtualEnv({ now: BEGIN_MS, seed });
    this.random = new Random(seed ^ 0x5eed);
    this.links = new Links(this.env, { seed, loss });
    this.protocol = version === 5 ? v5(seed) : V4;
    this.#bootnode = this.protocol.newIdentity(this.env, { endpoint: this.freshEndpoint(), isReal });
    this.start(this.#bootnode);
  }

  /** Who a new node is told of. */
  get seeds(): KadNode[] {
    return [this.#bootnode.node];
  }

  /** A random public address: as a rule each in a network of its own. */
  freshEndpoint(): UdpEndpoint {
    return { ip: this.random.address(), port: UDP_PORT };
  }

  newIdentity(): Identity {
    const { nat = 0, isReal = false } = this.#options;
    const isNat = this.random.chance(nat);
    return this.protocol.newIdentity(this.env, { endpoint: this.freshEndpoint(), isNat, isReal });
  }

  start(identity: Identity, options: { readonly isIdle?: boolean } = {}): SimNode {
    const seeds = identity === this.#bootnode ? [] : this.seeds;
    const { env, protocol } = this;
    const node = new SimNode(
      ...([env, this.links, identity] as const),
      (send) => protocol.engine(identity, { env, seeds, send }),
      options,
    );
    this.nodes.push(node);
    return node;
  }

  /**
   * So many nodes that have been there for a while: their tables are filled.
   * @param gone the part of them that has left, which nobody has found out
   * @param awake whether they keep their tables up from now on; else they look for nothing by themselves
   */
  settle(count: number, { gone, awake }: { readonly gone: number; readonly awake: boolean }): void {
    while (this.nodes.length < count) this.start(this.newIdentity(), { isIdle: true });
    const ids = new IdSpace(
      this.nodes.map(({ identity }) => identity.node),
      new Random(this.#options.seed ^ 0x1d5),
    );
    const now = this.env.now();
    for (const { identity, engine } of this.nodes) {
      for (const node of ids.tableOf(identity.node)) {
        engine.table.addInbound(node, now);
        engine.table.proved(node.id, { ip: node.ip, port: node.udpPort });
      }
    }
    const left = Math.floor(gone * (count - 1));
    for (let i = 0; i < left; i++) {
      const [node] = this.nodes.splice(1 + this.random.below(this.nodes.length - 1), 1);
      node?.stop();
    }
    if (awake) {
      for (const node of this.nodes) {
        this.env.setTimer(this.random.fraction() * WAKE_MS, () => node.wake());
      }
    }
    // Whoever comes at the same moment as a lookup begins does not count in it.
    this.env.advance(1);
  }

  /** Lets nodes join, in even steps of time, until there are so many. @param joined told how many there are */
  grow(count: number, durationMs: number, joined: (count: number) => void = () => undefined): void {
    const stepMs = durationMs / Math.max(1, count - this.nodes.length);
    while (this.nodes.length < count) {
      this.env.advance(stepMs);
      this.start(this.newIdentity());
      joined(this.nodes.length);
    }
  }

  /** From now on this part of the nodes leaves in an hour, each time another than the bootnode, and as many come. */
  churn(rate: number): void {
    if (rate <= 0 || this.#isChurning) return;
    this.#isChurning = true;
    const next = () =>
      this.env.setTimer(this.random.exponential(HOUR_MS / (rate * this.nodes.length)), () => {
        this.#replaceOne();
        next();
      });
    next();
  }

  #replaceOne(): void {
    const index = 1 + this.random.below(this.nodes.length - 1);
    const leaving = this.nodes[index];
    if (leaving === undefined) return;
    leaving.stop();
    this.nodes.splice(index, 1);
    const mayReturn = this.#departed.length > 0 && this.random.chance(RETURNS);
    const [returning] = mayReturn ? this.#departed.splice(this.random.below(this.#departed.length), 1) : [];
    this.#departed.push(leaving.identity);
    this.start(returning ?? this.newIdentity());
  }
}
