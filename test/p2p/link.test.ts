import { randomBytes } from 'node:crypto';
import { Session } from 'node:inspector/promises';
import { describe, expect, it } from 'vitest';
import { PeerlaneError } from '../../src/base/errors.ts';
import { detach } from '../crypto/memory.ts';
import { LinkPair, protocol, type Side } from '../support/link-pair.ts';
import { snappyCompress } from '../support/snappy.ts';

const bytes = (...values: number[]) => Uint8Array.from(values);
const reasonSeenBy = (side: Side) => side.error?.details.reason;

/** A pair in which the initiator can put any message on the wire, whatever the codes. */
function opened(options?: ConstructorParameters<typeof LinkPair>[0]) {
  const pair = new LinkPair(options).open();
  return { pair, a: pair.initiator, b: pair.recipient };
}

describe('two links', () => {
  it.each([Number.POSITIVE_INFINITY, 1, 7, 33])(
    'open over a wire that cuts into chunks of %s bytes',
    (chunk) => {
      const { a, b, pair } = opened({ chunk });
      expect(a.hello?.clientId).toBe('test');
      expect(b.hello?.capabilities).toEqual([{ name: 'test', version: 1 }]);
      a.link.send(0x10, bytes(1, 2, 3));
      a.link.send(0x17, bytes());
      b.link.send(0x11, bytes(9));
      pair.settle();
      expect(b.messages).toEqual([
        { name: 'test', code: 0, payload: bytes(1, 2, 3) },
        { name: 'test', code: 7, payload: bytes() },
      ]);
      expect(a.messages).toEqual([{ name: 'test', code: 1, payload: bytes(9) }]);
    },
  );

  it('forget the handshake and its secrets when it is over', async () => {
    const { a, b } = opened();
    const session = new Session();
    session.connect();
    // What was looked at in this turn of the event loop is not collected in it.
    await new Promise((resolve) => setImmediate(resolve));
    await session.post('HeapProfiler.collectGarbage');
    session.disconnect();
    expect([a, b].map(({ link, handshake }) => [link.state, handshake?.deref()])).toEqual([
      ['open', undefined],
      ['open', undefined],
    ]);
  });

  it('keep the order of large and small messages', () => {
    const { a, b, pair } = opened();
    const sizes = [70_000, 0, 1, 65_536, 200_000, 16, 1_000_000, 3];
    for (const size of sizes) a.link.send(0x10, new Uint8Array(size).fill(size & 0xff));
    pair.settle();
    expect(b.messages.map(({ payload }) => payload.length)).toEqual(sizes);
    expect(b.messages.every(({ payload }) => payload.every((byte) => byte === (payload.length & 0xff)))).toBe(
      true,
    );
  });

  it('do not compress for a peer whose base protocol is older than 5', () => {
    const { a, b, pair } = opened({ hellos: [{ version: 4 }, {}] });
    expect([a.link.session?.snappy, b.link.session?.snappy]).toEqual([false, false]);
    b.link.send(0x10, bytes(5, 5));
    pair.settle();
    expect(a.messages).toEqual([{ name: 'test', code: 0, payload: bytes(5, 5) }]);
  });

  it('accept a later version of the base protocol', () => {
    const { a, b } = opened({ hellos: [{ version: 22 }, {}] });
    expect([a.error, b.error]).toEqual([undefined, undefined]);
    expect(b.link.session?.snappy).toBe(true);
  });

  it('give each shared protocol its range, by name and highest version', () => {
    const own = [
      protocol('eth', 68, 17),
      protocol('eth', 69, 18),
      protocol('snap', 1, 8),
      protocol('abc', 1, 2),
    ];
    const other = [
      protocol('snap', 1, 8),
      protocol('eth', 69, 18),
      protocol('eth', 68, 17),
      protocol('zzz', 1, 1),
    ];
    const { a } = opened({ protocols: [own, other] });
    expect(a.shared.map(({ protocol, offset }) => [protocol.name, protocol.version, offset])).toEqual([
      ['eth', 69, 0x10],
      ['snap', 1, 0x10 + 18],
    ]);
  });
});

describe('the first message', () => {
  it('ends the connection as useless when nothing is shared', () => {
    const { a, b } = opened({ protocols: [[protocol('abc', 1, 1)], [protocol('xyz', 1, 1)]] });
    expect([a.error?.code, b.error?.code]).toEqual(['no-shared-capability', 'no-shared-capability']);
  });

  it.each([
    ['a wrong id', { id: new Uint8Array(64).fill(7) }, 'unexpected-identity', 'unexpected-identity'],
    ['no id', { id: new Uint8Array(0) }, 'null-identity', 'null-identity'],
    ['an id of zeros', { id: new Uint8Array(64) }, 'null-identity', 'null-identity'],
    ['no capabilities', { capabilities: [] }, 'no-shared-capability', 'useless-peer'],
  ])('with %s is refused', (_, hello, code, reason) => {
    const { a, b } = opened({ hellos: [hello, {}] });
    expect(b.error?.code).toBe(code);
    expect(reasonSeenBy(a)).toBe(reason);
  });

  it('with a thousand capabilities exceeds what a Hello may have', () => {
    const capabilities = Array.from({ length: 1000 }, (_, version) => ({ name: 'test', version }));
    const { a, b } = opened({ hellos: [{ capabilities }, {}] });
    expect(b.error?.code).toBe('frame-too-large');
    expect(reasonSeenBy(a)).toBe('breach-of-protocol');
  });

  it('is Hello, or Disconnect', () => {
    const pair = new LinkPair();
    pair.recipient.refuse.identified = new PeerlaneError('too-many-peers', 'full');
    pair.open();
    expect(reasonSeenBy(pair.initiator)).toBe('too-many-peers');
    expect(pair.recipient.error?.code).toBe('too-many-peers');
  });

  it('refused by the server is answered with the reason', () => {
    const pair = new LinkPair();
    pair.recipient.refuse.opened = new PeerlaneError('already-connected', 'twice');
    pair.open();
    expect(reasonSeenBy(pair.initiator)).toBe('already-connected');
  });
});

describe('an open link', () => {
  it.each([
    ['a code behind the last protocol', 0x18, bytes(0xc0), 'message-code-out-of-range'],
    ['a second Hello', 0x00, bytes(0xc0), 'hello-repeated'],
  ])('takes %s for a breach', (_, code, payload, error) => {
    const { a, b, pair } = opened();
    a.link.send(code, payload);
    pair.settle();
    expect(b.error?.code).toBe(error);
    expect(reasonSeenBy(a)).toBe('breach-of-protocol');
  });

  it('passes over reserved codes of the base protocol', () => {
    const { a, b, pair } = opened();
    a.link.send(0x0f, bytes(0xc0));
    a.link.send(0x10, bytes(1));
    pair.settle();
    expect(b.error).toBeUndefined();
    expect(b.messages).toHaveLength(1);
  });

  it('takes the last code of the last protocol, and no further', () => {
    const { a, b, pair } = opened();
    a.link.send(0x17, bytes(0xc0));
    pair.settle();
    expect(b.messages.map(({ code }) => code)).toEqual([7]);
  });

  it('refuses a message over the bound of its protocol before decompressing it', () => {
    const small = protocol('test', 1, 8, 1000);
    const { a, b, pair } = opened({ protocols: [[protocol('test', 1, 8)], [small]] });
    a.link.send(0x10, new Uint8Array(1000));
    pair.settle();
    expect(b.messages).toHaveLength(1);
    a.link.send(0x10, new Uint8Array(1001));
    pair.settle();
    expect(b.error?.code).toBe('message-too-large');
    expect(reasonSeenBy(a)).toBe('breach-of-protocol');
  });

  it('answers Ping with Pong', () => {
    const { a, b, pair } = opened();
    for (let round = 0; round < 10; round++) {
      pair.env.advance(15_000);
      a.link.tick(pair.env.now());
      b.link.tick(pair.env.now());
      pair.settle();
    }
    expect([a.error, b.error]).toEqual([undefined, undefined]);
  });

  it('tells every reason, and reads all three forms of it', () => {
    const forms = [bytes(0xc1, 0x04), bytes(0x04)];
    for (const payload of forms) {
      const { a, b, pair } = opened();
      a.link.send(0x01, payload);
      pair.settle();
      expect(reasonSeenBy(b)).toBe('too-many-peers');
    }
    for (const payload of [bytes(), bytes(0xc0)]) {
      const { a, b, pair } = opened();
      a.link.send(0x01, payload);
      pair.settle();
      expect(reasonSeenBy(b)).toBe('requested');
    }
  });

  it('reads a reason that the peer did not compress, as some clients never do', () => {
    for (const payload of [bytes(0xc1, 0x04), bytes(0x04)]) {
      const { a, b, pair } = opened();
      a.link.session?.open(false);
      a.link.send(0x01, payload);
      pair.settle();
      expect(reasonSeenBy(b)).toBe('too-many-peers');
    }
  });

  it('writes what is queued before it says goodbye', () => {
    const { a, b, pair } = opened();
    a.link.send(0x10, bytes(1));
    a.link.close(new PeerlaneError('server-closing', 'bye'));
    a.link.send(0x10, bytes(2));
    pair.settle();
    expect(b.messages.map(({ payload }) => payload)).toEqual([bytes(1)]);
    expect(reasonSeenBy(b)).toBe('client-quitting');
    expect(a.link.deadline).toBe(Number.POSITIVE_INFINITY);
  });

  it.each([
    ['whose memory is gone', () => new Uint8Array(5000)],
    ['that is too large when it is compressed', () => randomBytes(0xffffff)],
  ])('sends nothing of what is queued behind a message %s, but why it ends', (_, make) => {
    const { a, b, pair } = opened();
    const spoilt = make();
    // What is behind is partly of the same batch, and partly of a later one.
    for (const payload of [bytes(1), spoilt, bytes(2), new Uint8Array(200_000), bytes(3)]) {
      a.link.send(0x10, payload);
    }
    if (spoilt.length === 5000) detach(spoilt);
    pair.settle();
    expect(b.messages.map(({ payload }) => payload.length)).toEqual([1]);
    expect(a.error?.code).toBe('handler-failed');
    expect(reasonSeenBy(b)).toBe('subprotocol-error');
  });

  it('says goodbye also when what is queued before cannot be sent', () => {
    const { a, b, pair } = opened();
    const spoilt = new Uint8Array(5000);
    for (const payload of [bytes(1), spoilt, bytes(2)]) a.link.send(0x10, payload);
    detach(spoilt);
    a.link.close(new PeerlaneError('server-closing', 'bye'));
    pair.settle();
    expect(b.messages.map(({ payload }) => payload)).toEqual([bytes(1)]);
    expect(reasonSeenBy(b)).toBe('client-quitting');
  });

  it('stops decoding while it is paused, and goes on where it was', () => {
    const { a, b, pair } = opened();
    b.link.pause();
    a.link.send(0x10, bytes(1));
    pair.settle();
    expect(b.messages).toHaveLength(0);
    pair.env.advance(120_000);
    b.link.tick(pair.env.now());
    expect(b.error).toBeUndefined();
    b.link.resume(pair.env.now());
    pair.settle();
    expect(b.messages).toHaveLength(1);
  });
});

describe('the clock ends', () => {
  it('a handshake that does not come within 5 s, in silence', () => {
    const { initiator, recipient, env } = new LinkPair().start();
    initiator.wire.length = 0;
    expect(recipient.link.deadline).toBe(5_000);
    env.advance(5_000);
    recipient.link.tick(env.now());
    expect(recipient.error?.code).toBe('handshake-timeout');
    expect(recipient.wire).toEqual([]);
  });

  it('a peer that sends its auth a byte a second', () => {
    const { initiator, recipient, env } = new LinkPair().start();
    const [auth = bytes()] = initiator.wire;
    for (let at = 0; at < 6 && recipient.error === undefined; at++) {
      recipient.link.receive(auth.slice(at, at + 1), env.now());
      env.advance(1_000);
      recipient.link.tick(env.now());
    }
    expect(recipient.error?.code).toBe('handshake-timeout');
  });

  it('a peer that does not answer a Ping', () => {
    const { b, pair } = opened();
    for (const _ of [1, 2]) {
      pair.env.advance(15_000);
      b.link.tick(pair.env.now());
    }
    expect(b.error?.code).toBe('ping-timeout');
    pair.initiator.scheduled = true;
    pair.settle();
    expect(reasonSeenBy(pair.initiator)).toBe('ping-timeout');
  });

  it('a frame that is not whole within 30 s', () => {
    const { a, b, pair } = opened();
    a.link.send(
      0x10,
      new Uint8Array(100_000).map((_, i) => (i * 7919) >> 3),
    );
    a.scheduled = false;
    pair.settle();
    b.link.receive(new Uint8Array(31), pair.env.now());
    pair.env.advance(30_000);
    b.link.tick(pair.env.now());
    b.link.tick(pair.env.now());
    expect(b.error?.code).toBe('read-timeout');
  });
});

describe('a broken stream', () => {
  it('is closed in silence: its MACs do not match', () => {
    const { a, b, pair } = opened();
    b.link.receive(new Uint8Array(32), pair.env.now());
    pair.settle();
    expect(b.error?.code).toBe('frame-header-mac');
    expect(a.error).toBeUndefined();
  });

  it('with an invalid snappy block is a breach', () => {
    // The peer negotiates version 4 for itself, so that what it sends is not compressed on its side.
    const { a, b, pair } = opened();
    a.link.session?.open(false);
    a.link.send(0x10, bytes(0xff, 0xff, 0xff, 0xff, 0xff, 0xff));
    pair.settle();
    expect(b.error?.code).toBe('snappy-invalid');
  });

  it('that declares more than 16 MiB of decoded bytes is a breach, and costs nothing', () => {
    const { a, b, pair } = opened();
    a.link.session?.open(false);
    a.link.send(0x10, bytes(0x80, 0x80, 0x80, 0x08, 0x00));
    pair.settle();
    expect(b.error?.code).toBe('snappy-too-large');
  });

  it('of a payload that is compressed by another encoder is read', () => {
    const { a, b, pair } = opened();
    a.link.session?.open(false);
    a.link.send(0x10, snappyCompress(new Uint8Array(5000).fill(3)));
    pair.settle();
    expect(b.messages[0]?.payload).toEqual(new Uint8Array(5000).fill(3));
  });
});
