/** A server under attack, and an honest peer that must notice nothing of it. */
import type { ErrorCode } from '../../src/base/errors.ts';
import { type EthPeer, type EthVersion, ethProtocols } from '../../src/eth/index.ts';
import type { ProtocolChannel } from '../../src/p2p/index.ts';
import type { ServerEvent, ServerOptions } from '../../src/server/index.ts';
import { chain, network } from '../eth/sessions.ts';
import { Attacker, AttackerListener } from './attacker.ts';
import { echo, manual, TestServer } from './servers.ts';

export const DIRECTIONS = ['came in', 'was dialed'] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** A server that offers echo and eth. */
export class Target implements AsyncDisposable {
  readonly server: TestServer;
  readonly #honest: TestServer;
  readonly #channel: ProtocolChannel;
  readonly #eth: EthPeer;
  /** How many events there were when an attacker came. */
  readonly #since = new WeakMap<Attacker, number>();
  readonly #attackers: Attacker[] = [];
  readonly #listeners: AttackerListener[] = [];
  #rounds = 0;

  private constructor(server: TestServer, honest: TestServer, channel: ProtocolChannel, eth: EthPeer) {
    this.server = server;
    this.#honest = honest;
    this.#channel = channel;
    this.#eth = eth;
  }

  static async start(options: Partial<ServerOptions> = {}): Promise<Target> {
    const { env } = options;
    const eth = ethProtocols({ network, chain, ...(env === undefined ? {} : { env }) });
    const server = new TestServer({ protocols: [echo, ...eth], ...options });
    await server.start();
    let met: (peer: EthPeer) => void = () => undefined;
    const meeting = new Promise<EthPeer>((resolve) => {
      met = resolve;
    });
    const { protocol, next } = manual();
    const protocols = [protocol, ...ethProtocols({ network, chain, onPeer: (peer) => met(peer) })];
    const honest = new TestServer({ listen: undefined, protocols });
    await honest.start();
    await honest.dial(server.enode);
    return new Target(server, honest, await next(), await meeting);
  }

  async attacker(key?: Uint8Array): Promise<Attacker> {
    const since = this.server.seen.length;
    const attacker = await Attacker.connect(this.server.enode, key);
    this.#attackers.push(attacker);
    this.#since.set(attacker, since);
    return attacker;
  }

  /** An attacker that the server has dialed. */
  async dialed(): Promise<Attacker> {
    const since = this.server.seen.length;
    const listener = await AttackerListener.listen();
    this.#listeners.push(listener);
    const arriving = listener.attacker();
    // How it ends is what events say.
    this.server.dial(listener.enode).catch(() => undefined);
    const attacker = await arriving;
    this.#attackers.push(attacker);
    this.#since.set(attacker, since);
    return attacker;
  }

  /** An attacker by a connection that came in, or was dialed. */
  by(direction: Direction): Promise<Attacker> {
    return direction === 'came in' ? this.attacker() : this.dialed();
  }

  /** An attacker that has exchanged Hellos and offers echo. */
  async opened(direction: Direction = 'came in'): Promise<Attacker> {
    return this.#open(direction, 'echo', 1);
  }

  /** An attacker that has exchanged Hellos and offers nothing but eth. */
  async openedEth(direction: Direction = 'came in', version: EthVersion = 69): Promise<Attacker> {
    return this.#open(direction, 'eth', version);
  }

  /** Only now the server has read the Hello too: its own leaves before. */
  async #open(direction: Direction, name: string, version: number): Promise<Attacker> {
    const attacker = await (await this.by(direction)).open({ capabilities: [{ name, version }] });
    await this.server.until(
      (event) =>
        event.kind === 'peer-connected' &&
        event.peer.remotePort === attacker.port &&
        this.#isSince(attacker, event),
    );
    return attacker;
  }

  /** The code of the error with which the server let go of the attacker. */
  async verdict(attacker: Attacker): Promise<ErrorCode> {
    const event = await this.server.until(
      (event) => portOf(event) === attacker.port && this.#isSince(attacker, event),
    );
    return 'error' in event && event.error instanceof Error && 'code' in event.error
      ? (event.error.code as ErrorCode)
      : 'internal';
  }

  /** The system gives a port again that an earlier attacker has had. */
  #isSince(attacker: Attacker, event: ServerEvent): boolean {
    return this.server.seen.indexOf(event) >= (this.#since.get(attacker) ?? 0);
  }

  /** The honest peer sends a message and has it back, and asks for a header and gets it. */
  async serves(): Promise<boolean> {
    const payload = Uint8Array.of(++this.#rounds);
    await this.#channel.send(1, payload);
    const [echoed, headers] = await Promise.all([
      this.#channel[Symbol.asyncIterator]().next(),
      this.#eth.getBlockHeaders({ start: 7, limit: 1 }),
    ]);
    return echoed.done !== true && echoed.value.payload[0] === payload[0] && headers.at(0).number === 7;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const attacker of this.#attackers) attacker.destroy();
    await Promise.all(this.#listeners.map((listener) => listener.close()));
    await Promise.all([this.server.close(), this.#honest.close()]);
  }
}

/** The port of the connection that ended with this event. */
function portOf(event: ServerEvent): number | undefined {
  if (event.kind === 'connection-failed') return event.remotePort;
  return event.kind === 'peer-disconnected' ? event.peer.remotePort : undefined;
}
