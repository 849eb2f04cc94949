/** A DNS server on loopback, over UDP and TCP, that says what a test wants. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import {
  AUTHORITATIVE_ANSWER,
  decode,
  encode,
  type Packet,
  streamDecode,
  streamEncode,
  TRUNCATED_RESPONSE,
} from 'dns-packet';

const CODES = { 'server failure': 2, 'no such name': 3 } as const;
/** Without EDNS; what is longer goes over TCP. */
const MAX_UDP = 512;
const MAX_STRING = 255;

/** TXT records, each of its strings; or what goes wrong. */
export type TxtAnswer = readonly (readonly string[])[] | keyof typeof CODES | 'silence';

export class DnsServer implements AsyncDisposable {
  /** What was asked, over `udp` or `tcp`. */
  readonly asked: { readonly name: string; readonly over: 'udp' | 'tcp' }[] = [];
  readonly #answer: (name: string) => TxtAnswer;
  readonly #udp: UdpSocket;
  readonly #tcp: Server;
  readonly #connections = new Set<Socket>();

  private constructor(answer: (name: string) => TxtAnswer, udp: UdpSocket, tcp: Server) {
    this.#answer = answer;
    this.#udp = udp;
    this.#tcp = tcp;
    udp.on('message', (message, { port, address }) => {
      const response = this.#respond(decode(message), 'udp');
      if (response === undefined) return;
      const whole = encode(response);
      const cut = { ...response, flags: (response.flags ?? 0) | TRUNCATED_RESPONSE, answers: [] };
      udp.send(whole.length > MAX_UDP ? encode(cut) : whole, port, address);
    });
    tcp.on('connection', (socket) => {
      this.#connections.add(socket.on('error', () => undefined));
      let waiting = Buffer.alloc(0);
      socket.on('data', (chunk) => {
        waiting = Buffer.concat([waiting, chunk]);
        while (waiting.length >= 2 && waiting.length >= 2 + waiting.readUInt16BE(0)) {
          const length = 2 + waiting.readUInt16BE(0);
          const response = this.#respond(streamDecode(waiting.subarray(0, length)), 'tcp');
          waiting = waiting.subarray(length);
          if (response !== undefined) socket.write(streamEncode(response));
        }
      });
    });
  }

  /** @param answer by the name in lower case */
  static async listen(answer: (name: string) => TxtAnswer): Promise<DnsServer> {
    for (;;) {
      const [udp, tcp] = [createSocket('udp4'), createServer()];
      udp.bind(0, '127.0.0.1');
      await once(udp, 'listening');
      tcp.listen(udp.address().port, '127.0.0.1');
      try {
        await once(tcp, 'listening');
        return new DnsServer(answer, udp, tcp);
      } catch {
        // Somebody has that port of TCP.
        udp.close();
      }
    }
  }

  /** Answers from full names in any case and texts, which are split into strings. */
  static serve(texts: ReadonlyMap<string, string>): Promise<DnsServer> {
    const byName = new Map([...texts].map(([name, text]) => [name.toLowerCase(), text]));
    return DnsServer.listen((name) => {
      const text = byName.get(name);
      return text === undefined ? 'no such name' : [stringsOf(text)];
    });
  }

  /** As a resolver takes it. */
  get address(): string {
    return `127.0.0.1:${this.#udp.address().port}`;
  }

  #respond({ id = 0, questions = [] }: Packet, over: 'udp' | 'tcp'): Packet | undefined {
    const name = (questions[0]?.name ?? '').toLowerCase();
    this.asked.push({ name, over });
    const answer = this.#answer(name);
    if (answer === 'silence') return undefined;
    const response = { id, type: 'response', questions } as const;
    if (typeof answer === 'string') return { ...response, flags: AUTHORITATIVE_ANSWER | CODES[answer] };
    const answers = answer.map((strings) => ({
      name,
      type: 'TXT',
      ttl: 60,
      data: strings.map((text) => Buffer.from(text)),
    }));
    return { ...response, flags: AUTHORITATIVE_ANSWER, answers };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#connections) socket.destroy();
    this.#udp.close();
    await new Promise((resolve) => this.#tcp.close(resolve));
  }
}

export function stringsOf(text: string): string[] {
  return text.match(new RegExp(`[^]{1,${MAX_STRING}}`, 'g')) ?? [''];
}
