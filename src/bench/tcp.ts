/** One connection over loopback: messages of 100 KB from one server to another, both in this process. */
import { systemEnv } from '../base/env.ts';
import { generateSecretKey } from '../crypto/index.ts';
import type { Protocol, ProtocolChannel } from '../p2p/index.ts';
import { Server } from '../server/index.ts';
import type { Figure } from './figure.ts';
import { now, overRounds, type Pace } from './measure.ts';

export const MESSAGE_LENGTH = 100_000;
/** A connection needs some time to come up to its rate: a round is so many times as long as that of a function. */
const LONGER = 3;
const FIRST_MESSAGES = 20;

/** Payload in MB/s. */
export async function tcpRate(pace: Pace): Promise<Figure> {
  const payload = systemEnv.randomBytes(MESSAGE_LENGTH);
  const sink = new Sink();
  await using listener = new Server({
    key: generateSecretKey(systemEnv),
    listen: { host: '127.0.0.1', port: 0 },
    protocols: [protocol((channel) => sink.take(channel))],
  });
  const source = new Source();
  await using dialer = new Server({
    key: generateSecretKey(systemEnv),
    protocols: [protocol((channel) => source.hold(channel))],
  });
  await listener.start();
  await dialer.start();
  await dialer.dial(listener.enode);
  const channel = await source.channel;

  let messages = FIRST_MESSAGES;
  const figure = await overRounds(pace, async () => {
    let [sent, elapsed] = [0, 0];
    while (elapsed < LONGER * pace.roundMs) {
      const start = now();
      const arrived = sink.arrival(messages * MESSAGE_LENGTH);
      for (let i = 0; i < messages; i++) await channel.send(0, payload);
      await arrived;
      const took = now() - start;
      sent += messages;
      elapsed += took;
      // Few pauses in a round: at the end of each part the connection runs empty.
      if (took < (LONGER * pace.roundMs) / 2) messages *= 2;
    }
    return (sent * MESSAGE_LENGTH) / 1e3 / elapsed;
  });
  source.letGo();
  return figure;
}

function protocol(handler: Protocol['handler']): Protocol {
  return { name: 'sink', version: 1, length: 1, handler };
}

/** Counts what arrives. */
class Sink {
  #missing = 0;
  #done: () => void = () => undefined;

  /** Settles when so many more bytes have come. */
  arrival(bytes: number): Promise<void> {
    this.#missing = bytes;
    return new Promise((resolve) => {
      this.#done = resolve;
    });
  }

  async take(channel: ProtocolChannel): Promise<void> {
    for await (const { payload } of channel) {
      this.#missing -= payload.length;
      if (this.#missing === 0) this.#done();
    }
  }
}

/** The sending end of the connection, open until it is let go. */
class Source {
  readonly channel: Promise<ProtocolChannel>;
  letGo: () => void = () => undefined;
  #found: (channel: ProtocolChannel) => void = () => undefined;

  constructor() {
    this.channel = new Promise((resolve) => {
      this.#found = resolve;
    });
  }

  async hold(channel: ProtocolChannel): Promise<void> {
    this.#found(channel);
    await new Promise<void>((resolve) => {
      this.letGo = resolve;
    });
  }
}
