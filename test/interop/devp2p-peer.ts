/** go-ethereum's p2p packages as the other side of a test; the program is in `test/interop/go`. */
import { JsonProgram } from './json-program.ts';
import { toolPath } from './tools.ts';

/** A message or frame: its code counts from the start of the protocol's range (`frame`: from 0). */
export interface MessageInfo {
  readonly code: number;
  readonly size: number;
  /** Hexadecimal digest of the decompressed payload. */
  readonly sha256: string;
  /** The payload in hexadecimal, up to 256 bytes. */
  readonly data?: string;
}

interface EventFields {
  /** The program is ready; `enode` leads to it. */
  listening: { enode: string; id: string };
  /** `listen`: a peer shares at least one protocol. `peer` is its 64-byte public key in hexadecimal. */
  connected: {
    peer: string;
    name: string;
    caps: string[];
    inbound: boolean;
    remote: string;
    version?: number;
  };
  /** `listen`: a protocol starts on a peer. */
  protocol: { peer: string; protocol: string; version: number };
  message: MessageInfo & { peer: string; protocol: string };
  /** `reason`: the number of the Disconnect reason, if `error` is one; `local`: this side was told to send it. */
  disconnected: { peer: string | null; error: string; reason: number | null; local: boolean };
  /** With `log: true`: what go-ethereum logs, refusals of connections included. */
  log: { message: string; attrs: Record<string, string> };
  /** `rlpx-*`: the handshake is over; with `hello: true`, Hello came; frames may flow. */
  handshake: { peer: string };
  hello: { peer: string; version: number; name: string; caps: string[]; port: number };
  ready: object;
  frame: MessageInfo & { wireSize: number };
  closed: { error: string };
  /** `eth` */
  status: { version: number; rlp: string };
  headers: { headers: { number: number; hash: string }[] };
  bodies: { sizes: number[] };
  fatal: { error: string };
}

export type PeerEventName = keyof EventFields;
export type PeerEvent<N extends PeerEventName = PeerEventName> = {
  [K in N]: { readonly event: K } & Readonly<EventFields[K]>;
}[N];

export interface ListenOptions {
  /** 64 hexadecimal digits; default a fresh key. */
  readonly key?: string;
  readonly name?: string;
  readonly maxPeers?: number;
  /** `name/version:length`; default `echo/1:16`. */
  readonly protocols?: readonly string[];
  /** Whether messages are sent back; default true. Two sides that both echo never stop. */
  readonly echo?: boolean;
  readonly log?: boolean;
}

export interface RlpxOptions {
  readonly key?: string;
  readonly echo?: boolean;
  /** Exchange Hello first and compress from then on. Without: bare frames, never compressed. */
  readonly hello?: boolean;
}

export interface EthProbeOptions {
  readonly enode: string;
  readonly versions?: readonly number[];
  readonly from?: number;
  readonly count?: number;
  readonly bodies?: boolean;
}

/** What to send: `data`, or `size` bytes made of `seed` that do not compress, or `size` zeros. */
export interface SendOptions {
  readonly code: number;
  readonly size?: number;
  readonly seed?: number;
  readonly kind?: 'random' | 'zero';
  readonly data?: Uint8Array;
  readonly peer?: string;
  readonly protocol?: string;
}

export class DevP2pPeer implements AsyncDisposable {
  readonly #program: JsonProgram<PeerEvent, Partial<MessageInfo>>;
  #endpoint: { enode: string; id: string } | undefined;

  private constructor(args: readonly string[]) {
    this.#program = new JsonProgram(toolPath('devp2p-peer'), args);
  }

  /** A go-ethereum `p2p.Server` with test protocols. */
  static async listen(options: ListenOptions = {}, signal?: AbortSignal): Promise<DevP2pPeer> {
    const args = ['listen', `-echo=${options.echo ?? true}`, `-log=${options.log ?? false}`];
    if (options.key !== undefined) args.push('-key', options.key);
    if (options.name !== undefined) args.push('-name', options.name);
    if (options.maxPeers !== undefined) args.push('-maxpeers', String(options.maxPeers));
    for (const protocol of options.protocols ?? []) args.push('-protocol', protocol);
    return DevP2pPeer.#listening(args, signal);
  }

  /** Bare go-ethereum RLPx connections, as recipient. */
  static async rlpxListen(options: RlpxOptions = {}, signal?: AbortSignal): Promise<DevP2pPeer> {
    return DevP2pPeer.#listening(['rlpx-listen', ...rlpxArgs(options)], signal);
  }

  /** One bare go-ethereum RLPx connection, as initiator. Wait for `handshake`, `ready` or `closed`. */
  static rlpxDial(enode: string, options: RlpxOptions = {}): DevP2pPeer {
    return new DevP2pPeer(['rlpx-dial', '-enode', enode, ...rlpxArgs(options)]);
  }

  static async #listening(args: readonly string[], signal?: AbortSignal): Promise<DevP2pPeer> {
    const peer = new DevP2pPeer(args);
    try {
      peer.#endpoint = await peer.next('listening', undefined, signal);
    } catch (error) {
      await peer[Symbol.asyncDispose]();
      throw error;
    }
    return peer;
  }

  /**
   * go-ethereum's p2p with eth: dials, mirrors the node's Status, asks for headers and their bodies.
   * @throws Error with the reason, when the node does not play along
   */
  static async probeEth(options: EthProbeOptions, signal?: AbortSignal) {
    const { enode, versions = [68, 69, 70, 71, 72], from = 1, count = 10, bodies = true } = options;
    const args = ['eth', '-enode', enode, '-versions', versions.join(','), `-bodies=${bodies && count > 0}`];
    await using peer = new DevP2pPeer([...args, '-from', String(from), '-count', String(count)]);
    const next = <N extends PeerEventName>(name: N) => peer.#nextOrFatal(name, signal);
    const { peer: id, name, caps, version } = await next('connected');
    const { rlp } = await next('status');
    const headers = count > 0 ? (await next('headers')).headers : [];
    const bodySizes = bodies && headers.length > 0 ? (await next('bodies')).sizes : [];
    return { id, name, caps, version, status: rlp, headers, bodySizes };
  }

  get enode(): string {
    if (this.#endpoint === undefined) throw new Error('this side does not listen');
    return this.#endpoint.enode;
  }

  /** The public key, 64 bytes in hexadecimal. */
  get id(): string {
    if (this.#endpoint === undefined) throw new Error('this side does not listen');
    return this.#endpoint.id;
  }

  /** The next event of this name, which `where` accepts, of those not handed out yet. */
  async next<N extends PeerEventName>(
    name: N,
    where: (event: PeerEvent<N>) => boolean = () => true,
    signal?: AbortSignal,
  ): Promise<PeerEvent<N>> {
    const accepts = (event: PeerEvent): boolean => event.event === name && where(event as PeerEvent<N>);
    return (await this.#program.next(`'${name}' event`, accepts, signal)) as PeerEvent<N>;
  }

  /** `listen`: dials once. @throws Error with go-ethereum's reason when the connection does not become a peer */
  async dial(enode: string): Promise<void> {
    await this.#program.command({ cmd: 'dial', enode });
  }

  /** Sends a message (`rlpx-*`: a frame); resolves when go-ethereum has written it. */
  async send({ data, ...rest }: SendOptions): Promise<MessageInfo> {
    const payload = data === undefined ? {} : { data: Buffer.from(data).toString('hex') };
    const { code, size, sha256 } = await this.#program.command({ cmd: 'send', ...rest, ...payload });
    if (code === undefined || size === undefined || sha256 === undefined)
      throw new Error('incomplete answer');
    return { code, size, sha256 };
  }

  /** `listen`: sends Disconnect with `reason` and closes. */
  async disconnect(reason: number, peer?: string): Promise<void> {
    await this.#program.command({ cmd: 'disconnect', reason, ...(peer === undefined ? {} : { peer }) });
  }

  /** `rlpx-*`: closes the TCP connection. */
  async close(): Promise<void> {
    await this.#program.command({ cmd: 'close' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
  }

  async #nextOrFatal<N extends PeerEventName>(name: N, signal?: AbortSignal): Promise<PeerEvent<N>> {
    const accepts = ({ event }: PeerEvent): boolean => event === name || event === 'fatal';
    const event: PeerEvent = await this.#program.next(`'${name}' event`, accepts, signal);
    if (event.event === 'fatal') throw new Error(event.error);
    return event as PeerEvent<N>;
  }
}

function rlpxArgs({ key, echo = true, hello = false }: RlpxOptions): string[] {
  return [`-echo=${echo}`, `-hello=${hello}`, ...(key === undefined ? [] : ['-key', key])];
}

/** The bytes that `send` makes of a size and a seed: the words of an xorshift32 generator, little-endian. */
export function patternBytes(seed: number, size: number): Uint8Array {
  const out = new Uint8Array(size);
  let state = (Math.imul(seed, 2654435761) + 1) >>> 0 || 1;
  for (let i = 0; i < size; i++) {
    if (i % 4 === 0) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
    }
    out[i] = state >>> (8 * (i % 4));
  }
  return out;
}
