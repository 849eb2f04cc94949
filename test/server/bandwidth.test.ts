/** Limits of what is sent and read: buckets and lines by a virtual clock, servers by one that the test moves. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { VirtualEnv } from '../../src/base/virtual-env.ts';

import { publicKeyOf } from '../../src/crypto/index.ts';
import { formatEnode } from '../../src/enr/index.ts';
import { FRAME_READ_TIMEOUT_MS, HANDSHAKE_TIMEOUT_MS } from '../../src/p2p/deadlines.ts';
import { type MessagePriority, type ProtocolChannel, SMALL_MESSAGE } from '../../src/p2p/index.ts';

import {
  type BandwidthOptions,
  bandwidthOf,
  MIN_BANDWIDTH,
  MIN_DOWNLOAD_OF_PEER,
} from '../../src/server/bandwidth.ts';
import { Bucket } from '../../src/server/bucket.ts';
import { FRAME_WRITE_TIMEOUT_MS } from '../../src/server/output.ts';
import { PROMPT_PART, type PromptBucket } from '../../src/server/prompt-bucket.ts';
import { type BandwidthShare, CHUNK_MS, GOSSIP_PART, Throttle } from '../../src/server/throttle.ts';
import { Attacker } from '../support/attacker.ts';
import { codeOf } from '../support/errors.ts';
import { ManualEnv } from '../support/manual-env.ts';
import { isKind, manual, startedServer as started, TestServer } from '../support/servers.ts';

const RATE = 100_000;

describe('a bucket', () => {
  it('holds what comes into it in a second, and no more', () => {
    const bucket = new Bucket(RATE, 0);
    expect(bucket.available(0)).toBe(RATE);
    bucket.spend(RATE / 2, 0);
    expect([bucket.available(0), bucket.available(250), bucket.available(60_000)]).toEqual([
      50_000,
      75_000,
      RATE,
    ]);
  });

  it('has what is spent beyond it paid back before anything else', () => {
    const bucket = new Bucket(RATE, 0);
    bucket.spend(3 * RATE, 0);
    expect(bucket.available(0)).toBe(-2 * RATE);
    expect(bucket.waitMs(0)).toBe(2_001);
    expect([bucket.waitMs(2_000), bucket.waitMs(2_001)]).toEqual([1, 0]);
    bucket.spend(-10 * RATE, 2_001);
    expect(bucket.available(2_001)).toBe(RATE);
  });

  it('leaves a half to answers', () => {
    const bucket = new Bucket(RATE, 0);
    bucket.spend(RATE / 2 - 1, 0);
    expect(bucket.ampleMs(0)).toBe(0);
    bucket.spend(1, 0);
    expect(bucket.ampleMs(0)).toBeGreaterThan(0);
  });
});

describe('those who wait for bandwidth', () => {
  function line(options: {
    readonly total?: number;
    readonly perPeer?: number;
    readonly oneByOne?: boolean;
  }) {
    const env = new VirtualEnv();
    const { total, perPeer, oneByOne = false } = options;
    const throttle = new Throttle({ env, total, perPeer, oneByOne });
    const went: (readonly [name: string, at: number])[] = [];
    const wait = (share: BandwidthShare, name: string, bytes: number) =>
      share.wait(() => {
        went.push([name, env.now()]);
        share.spend(bytes);
      });
    return { env, throttle, went, wait };
  }

  it('go on in the order in which they came, when what was spent is paid back', () => {
    const { env, throttle, went, wait } = line({ total: RATE });
    const [a, b] = [throttle.share(), throttle.share()];
    a.spend(2 * RATE);
    expect([a.isOpen, b.isOpen]).toEqual([false, false]);
    wait(a, 'a1', RATE);
    wait(b, 'b1', RATE);
    wait(a, 'a2', 0);
    env.advance(5_000);
    // A debt of a second, then one of what went before.
    expect(went).toEqual([
      ['a1', 1_001],
      ['b1', 2_001],
      ['a2', 3_001],
    ]);
    expect([throttle.waiting, env.timers]).toEqual([0, 0]);
  });

  it('do not wait for one that has spent more than its own part', () => {
    const { env, throttle, went, wait } = line({ total: 10 * RATE, perPeer: RATE });
    const [a, b] = [throttle.share(), throttle.share()];
    a.spend(3 * RATE);
    wait(a, 'a', 0);
    expect(b.isOpen).toBe(true);
    wait(b, 'b', 0);
    env.advance(10_000);
    expect(went.map(([name]) => name)).toEqual(['b', 'a']);
  });

  it('are read one after another where nobody knows what each will bring', () => {
    const { env, throttle, went } = line({ total: 64 * 1024, oneByOne: true });
    const shares = [1, 2, 3].map(() => throttle.share());
    shares[0]?.spend(64 * 1024);
    for (const [i, share] of shares.entries()) {
      share.wait(() => {
        went.push([`${i}`, env.now()]);
        // The first has nothing, the others bring a chunk at once.
        if (i > 0) env.setTimer(1, () => share.spend(64 * 1024));
      });
    }
    env.advance(10_000);
    expect(went).toEqual([
      ['0', 1],
      ['1', 1 + CHUNK_MS],
      ['2', 1_001],
    ]);
  });

  /** So many connections that bring so much whenever they are read: when each was read, and the bytes of all. */
  function busy({ count, chunk, total }: { count: number; chunk: number; total: number }) {
    const env = new VirtualEnv();
    const throttle = new Throttle({ env, total, perPeer: undefined, oneByOne: true });
    const reads = Array.from({ length: count }, (): number[] => []);
    let bytes = 0;
    for (const times of reads) {
      const share = throttle.share();
      const bring = (): void => {
        times.push(env.now());
        bytes += chunk;
        share.spend(chunk);
        if (share.isOpen) env.setTimer(1, bring);
        else share.wait(() => env.setTimer(1, bring));
      };
      env.setTimer(0, bring);
    }
    env.advance(120_000);
    const gaps = reads.flatMap((times) => times.map((at, i) => at - (times[i - 1] ?? 0)));
    return { longest: Math.max(...gaps), rate: bytes / 120, counts: reads.map((times) => times.length) };
  }

  it('are each read long before they take us for dead, with the least that may be asked for', () => {
    const { longest, rate } = busy({ count: 50, chunk: 64 * 1024, total: 50 * MIN_DOWNLOAD_OF_PEER });
    expect(longest).toBeLessThan(FRAME_WRITE_TIMEOUT_MS / 2);
    // What all bring at once before the first waits, and a second's worth.
    expect(rate).toBeLessThan(50 * MIN_DOWNLOAD_OF_PEER * 1.1);
  });

  it('are read in turn also where more have come than it is enough for: each waits for longer', () => {
    const { longest, counts } = busy({ count: 100, chunk: 64 * 1024, total: 50 * MIN_DOWNLOAD_OF_PEER });
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    expect(longest).toBeLessThan(FRAME_WRITE_TIMEOUT_MS);
  });

  it('are read the sooner the less they bring, so that no bandwidth is left lying', () => {
    const total = 50 * MIN_DOWNLOAD_OF_PEER;
    const { longest, rate } = busy({ count: 50, chunk: 8 * 1024, total });
    expect(longest).toBeLessThan(1_500);
    expect(rate).toBeGreaterThan(0.95 * total);
  });

  it('wait as gossip until a half is there, and behind all answers', () => {
    const { env, throttle, went, wait } = line({ total: RATE });
    const [a, b] = [throttle.share(), throttle.share()];
    const gossip = (name: string) =>
      b.wait(() => went.push([name, env.now()]), { priority: 'gossip', size: 1 });
    a.spend(0.8 * RATE);
    gossip('g1');
    expect([a.isOpen, b.isOpen, b.isAmple]).toEqual([true, true, false]);
    env.advance(1_000);
    expect(went).toEqual([['g1', 301]]);
    a.spend(1.5 * RATE);
    gossip('g2');
    wait(a, 'a', RATE / 4);
    wait(b, 'b', RATE / 4);
    env.advance(10_000);
    expect(went.slice(1, 3)).toEqual([
      ['a', 1_501],
      ['b', 1_751],
    ]);
    expect(went.at(3)?.[0]).toBe('g2');
    expect(throttle.waiting).toBe(0);
  });

  it('have, as gossip, a small part where answers take everything, of their connection as of all', () => {
    for (const limits of [{ total: RATE }, { perPeer: RATE }]) {
      const { env, throttle } = line(limits);
      const share = throttle.share();
      const bytes = { answer: 0, gossip: 0 };
      const SIZE = 10_000;
      const send = (priority: 'answer' | 'gossip') => (): void => {
        bytes[priority] += SIZE;
        share.spend(SIZE);
        share.wait(send(priority), { size: SIZE, priority });
      };
      // Two senders, each of which always has a next message.
      send('answer')();
      send('gossip')();
      env.advance(100_000);
      expect(bytes.gossip / bytes.answer).toBeGreaterThan(0.8 / GOSSIP_PART);
      expect(bytes.gossip / bytes.answer).toBeLessThan(1.3 / GOSSIP_PART);
      expect(bytes.gossip + bytes.answer).toBeGreaterThan(99 * RATE);
    }
  });

  it('wait no more when their connection is over', () => {
    const { env, throttle, went, wait } = line({ total: RATE });
    const [a, b] = [throttle.share(), throttle.share()];
    a.spend(100 * RATE);
    wait(a, 'a', 0);
    wait(b, 'b', 0);
    a.leave();
    expect(went).toEqual([['a', 0]]);
    expect(throttle.waiting).toBe(1);
    // A timer that nobody waits for would keep the process alive.
    expect(env.timers).toBe(1);
    b.leave();
    expect([went.length, env.timers]).toEqual([2, 0]);
  });

  describe('in a line that large answers stand in', () => {
    const LARGE = 3 * RATE;

    function crowd() {
      const made = line({ total: RATE });
      const [hog, other] = [made.throttle.share(), made.throttle.share()];
      hog.spendMessage(LARGE, 'answer');
      const send = (share: BandwidthShare, name: string, size: number, priority: MessagePriority) => {
        const run = () => {
          share.spendMessage(size, priority);
          made.went.push([name, made.env.now()]);
        };
        if (share.takes(size, priority)) run();
        else share.wait(run, { size, priority });
      };
      return { ...made, hog, other, send };
    }

    it('do not wait with what is small, or a request', () => {
      const { env, went, hog, other, send } = crowd();
      send(hog, 'large', LARGE, 'answer');
      send(other, 'medium', SMALL_MESSAGE + 1, 'answer');
      send(other, 'request', 5_000, 'request');
      send(hog, 'own request', 100, 'request');
      const third = other.takes(100, 'gossip');
      expect([third, went]).toEqual([
        false,
        [
          ['request', 0],
          ['own request', 0],
        ],
      ]);
      env.advance(1_999);
      expect(went).toHaveLength(2);
      env.advance(20_000);
      expect(went.map(([name]) => name)).toEqual(['request', 'own request', 'large', 'medium']);
      // The requests were spent, too.
      expect(went[2]?.[1]).toBe(2_053);
    });

    it('go in their order with the small answers of one connection, before those of others', () => {
      const { env, went, hog, other, send } = crowd();
      send(hog, 'large', LARGE, 'answer');
      send(hog, 'small after large', 10, 'answer');
      send(other, 'small', 10, 'answer');
      // What is prompt has been used up.
      send(other, 'request', RATE * PROMPT_PART, 'request');
      send(other, 'small, too', 10, 'answer');
      send(other, 'large after small', LARGE, 'answer');
      expect(went.map(([name]) => name)).toEqual(['small', 'request']);
      env.advance(60_000);
      expect(went.map(([name]) => name).slice(2)).toEqual([
        'small, too',
        'large',
        'small after large',
        'large after small',
      ]);
    });

    it.each(['request', 'answer'] as const)(
      'leave a half to it when there is no end of small ones (%s)',
      (priority) => {
        const { env, throttle, hog, other } = crowd();
        const FRAME = 64;
        const bytes = { small: 0, large: LARGE };
        // Messages of one byte, of which a frame is far longer.
        const small = (): void => {
          bytes.small += FRAME;
          other.spend(FRAME - other.spendMessage(1, priority));
          other.wait(small, { size: 1, priority });
        };
        const large = (): void => {
          bytes.large += LARGE;
          hog.spendMessage(LARGE, 'answer');
          hog.wait(large, { size: LARGE });
        };
        small();
        hog.wait(large, { size: LARGE });
        env.advance(100_000);
        const all = bytes.small + bytes.large;
        expect(all).toBeGreaterThan(98 * RATE);
        expect(all).toBeLessThan(101 * RATE + LARGE);
        expect(bytes.large).toBeGreaterThan(49 * RATE);
        expect(bytes.small).toBeGreaterThan(45 * RATE);
        expect(throttle.waiting).toBe(2);
      },
    );

    it('use at once what was spent too much', () => {
      const { env, went, hog, other, send } = crowd();
      send(other, 'next', LARGE, 'answer');
      env.advance(10);
      // Its frame was a third as long as the payload.
      hog.spend(-2 * RATE + 1);
      env.advance(1);
      expect(went).toEqual([['next', 11]]);
    });
  });

  it('are not all looked at whenever one more comes', () => {
    const { throttle } = line({ total: RATE, perPeer: RATE });
    const { total } = throttle;
    const [a, b] = [throttle.share(), throttle.share()];
    a.spend(3 * RATE);
    const looks = vi.spyOn(total as PromptBucket, 'waitMs');
    const COUNT = 1_000;
    for (let i = 0; i < COUNT; i++) for (const share of [a, b]) share.wait(() => undefined, { size: 5_000 });
    expect(throttle.waiting).toBe(2 * COUNT);
    expect(looks.mock.calls.length).toBeLessThan(10);
  });

  it('are nobody where nothing is limited', () => {
    expect(bandwidthOf({}, new VirtualEnv())).toEqual({ up: undefined, down: undefined });
  });
});

/** Two servers, of which the first has limits and a clock that stands; the channels of both. */
async function pair(bandwidth: BandwidthOptions) {
  const env = new ManualEnv();
  const [ours, theirs] = [manual(), manual()];
  const limited = await started({ protocols: [ours.protocol], bandwidth, env });
  const other = await started({ protocols: [theirs.protocol], listen: undefined });
  await other.dial(limited.enode);
  await limited.until(isKind('peer-connected'));
  return { env, limited, other, ours: await ours.next(), theirs: await theirs.next() };
}

const SIZE = 32 * 1024;
/** Bytes that do not compress. */
const noise = (): Uint8Array => randomBytes(SIZE);

/** Counts what comes, for as long as it comes. */
function counting(channel: ProtocolChannel) {
  const count = { messages: 0 };
  const done = (async () => {
    for await (const _ of channel) count.messages++;
  })();
  return { count, done };
}

/** Whether a peer is not read at present, for want of bandwidth. */
function isHeldUp(channel: ProtocolChannel, env: ManualEnv): boolean {
  const { heldMs = 0 } = channel;
  env.advance(1);
  return (channel.heldMs ?? 0) > heldMs;
}

const turns = async (count = 50) => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};

describe('a server with limits', () => {
  it('sends no faster: who sends waits', async () => {
    const { env, ours, theirs } = await pair({ upload: MIN_BANDWIDTH });
    const { count } = counting(theirs);
    let sent = 0;
    const sending = (async () => {
      for (; sent < 8; sent++) await ours.send(0, noise());
    })();
    await turns();
    // A second's worth, and what overdraws it.
    expect(sent).toBeLessThanOrEqual(3);
    while (sent < 8) {
      env.advance(100);
      await turns(5);
    }
    await sending;
    // 8 x 32 KiB at 64 KiB a second, of which the first is there at the start.
    expect(env.now()).toBeGreaterThanOrEqual(2_000);
    while (count.messages < 8) await turns(1);
  });

  it('skips gossip while a half is spent, and still answers', async () => {
    const { limited, ours } = await pair({ upload: 4 * SIZE });
    const message = () => ({ protocol: 'echo', code: 1, payload: noise() });
    const results = [];
    for (let i = 0; i < 4; i++) results.push((await limited.broadcast(message())).sent.length);
    expect(results).toEqual([1, 1, 0, 0]);
    await ours.send(0, noise());
  });

  it('has a limit for gossip alone', async () => {
    const { limited, ours } = await pair({ uploadGossip: MIN_BANDWIDTH });
    const message = () => ({ protocol: 'echo', code: 1, payload: noise() });
    const results = [];
    for (let i = 0; i < 4; i++) results.push((await limited.broadcast(message())).sent.length);
    expect(results).toEqual([1, 1, 0, 0]);
    for (let i = 0; i < 4; i++) await ours.send(0, noise());
  });

  it('has the limits of gossip for what a handler sends as gossip, too, and loses none of it', async () => {
    const { env, limited, ours, theirs } = await pair({ uploadGossip: MIN_BANDWIDTH });
    const codes: number[] = [];
    const done = (async () => {
      for await (const { code } of theirs) codes.push(code);
    })();
    let sent = 0;
    const sending = (async () => {
      for (; sent < 8; sent++) await ours.send(1, noise(), 'gossip');
    })();
    await turns();
    expect(sent).toBeLessThanOrEqual(3);
    // Nothing overtakes it but answers.
    expect(await ours.offer(2, noise())).toBe(false);
    await ours.send(0, noise());
    while (!codes.includes(0)) await turns(1);
    expect(codes.filter((code) => code === 1).length).toBeLessThanOrEqual(3);
    while (sent < 8) {
      env.advance(100);
      await turns(5);
    }
    await sending;
    expect(env.now()).toBeGreaterThanOrEqual(2_000);
    while (codes.length < 9) await turns(1);
    await limited.close();
    await done;
  });

  it('has what is sent as gossip yield to answers', async () => {
    const { env, ours } = await pair({ upload: 4 * SIZE });
    for (let i = 0; i < 2; i++) await ours.send(1, noise(), 'gossip');
    let isSent = false;
    void ours.send(1, noise(), 'gossip').then(() => {
      isSent = true;
    });
    // The other half is there for them.
    await ours.send(0, noise());
    await ours.send(0, noise());
    await turns();
    expect(isSent).toBe(false);
    env.advance(10_000);
    await turns();
    expect(isSent).toBe(true);
  });

  it('reads no faster, and loses nothing', async () => {
    const { env, ours, theirs } = await pair({ downloadPerPeer: MIN_BANDWIDTH });
    const { count } = counting(ours);
    const COUNT = 64;
    const sending = (async () => {
      for (let i = 0; i < COUNT; i++) await theirs.send(0, noise());
    })();
    await turns(200);
    // 2 MiB are sent; what has been read is a second's worth and a chunk of the socket.
    expect(count.messages).toBeLessThanOrEqual(8);
    while (count.messages < COUNT) {
      env.advance(500);
      await turns(5);
    }
    await sending;
    expect(env.now()).toBeGreaterThanOrEqual(((COUNT - 8) * SIZE * 1000) / MIN_BANDWIDTH);
  });

  it('does not take a peer for dead that it does not read', async () => {
    const { env, limited, ours, theirs } = await pair({ downloadPerPeer: MIN_BANDWIDTH });
    const { count } = counting(ours);
    void theirs.send(0, randomBytes(4 * 1024 * 1024));
    const isHeld = () => isHeldUp(ours, env);
    // It takes a minute and more, with pauses in the middle of the one frame. The clock waits for what may be read, and goes
    // in steps that are short beside the pauses.
    for (let i = 0; i < 10_000 && count.messages === 0; i++) {
      env.advance(20);
      for (let n = 0; n < 1_000 && count.messages === 0 && !isHeld(); n++) await turns(25);
    }
    expect(count.messages).toBe(1);
    expect(ours.heldMs).toBeGreaterThan(55_000);
    expect(ours.heldMs).toBeLessThanOrEqual(env.now());
    expect(limited.seen.filter(isKind('peer-disconnected'))).toEqual([]);
  });

  it('takes nobody for late who waits while others have the memory, too', async () => {
    const PEERS = 10;
    const env = new ManualEnv();
    const ours = manual();
    const limited = await started({
      ...{ protocols: [ours.protocol], maxPeers: PEERS, memoryBudget: 1024 * 1024, env },
      bandwidth: { download: PEERS * MIN_DOWNLOAD_OF_PEER },
    });
    const sends: Promise<void>[] = [];
    const counts: { messages: number }[] = [];
    for (let i = 0; i < PEERS; i++) {
      const theirs = manual();
      const other = await started({ protocols: [theirs.protocol], listen: undefined });
      await other.dial(limited.enode);
      counts.push(counting(await ours.next()).count);
      sends.push((await theirs.next()).send(0, randomBytes(1024 * 1024)));
    }
    const from = env.now();
    const left = () => limited.seen.filter(isKind('peer-disconnected'));
    while (counts.some(({ messages }) => messages === 0) && left().length === 0) {
      env.advance(50);
      await turns(10);
    }
    expect(left()).toEqual([]);
    expect(env.now() - from).toBeGreaterThan(1.5 * FRAME_READ_TIMEOUT_MS);
    await Promise.all(sends);
  });

  it('has a handshake over in time, however much others bring', async () => {
    const { env, limited, ours, theirs } = await pair({ download: 50 * MIN_DOWNLOAD_OF_PEER });
    void theirs.send(0, randomBytes(8 * 1024 * 1024));
    const stranger = await Attacker.connect(limited.enode);
    // The size of an auth, of which a byte comes now and then.
    await stranger.write(Uint8Array.of(1, 0x90));
    const from = env.now();
    while (limited.seen.every(({ kind }) => kind !== 'connection-failed')) {
      expect(env.now() - from).toBeLessThan(2 * HANDSHAKE_TIMEOUT_MS);
      for (let n = 0; n < 1_000 && !isHeldUp(ours, env); n++) await turns(25);
      await stranger.write(Uint8Array.of(7));
      await turns();
      env.advance(250);
    }
    stranger.destroy();
    const { error } = await limited.until(isKind('connection-failed'));
    expect(error.code).toBe('handshake-timeout');
    expect(limited.seen.filter(isKind('peer-disconnected'))).toEqual([]);
  });

  it.each([
    { upload: MIN_BANDWIDTH - 1 },
    { download: 1.5e6 + 0.5 },
    { download: 50 * MIN_DOWNLOAD_OF_PEER - 1 },
    { uplaod: 1e6 },
    { downloadPerPeer: '1e6' },
    null,
  ])('refuses %o', (bandwidth) => {
    expect(codeOf(() => new TestServer({ bandwidth: bandwidth as BandwidthOptions }))).toBe(
      'invalid-argument',
    );
  });

  it('takes a limit for reading that leaves enough for each of the peers that it may have', () => {
    expect(() => new TestServer({ bandwidth: { download: 50 * MIN_DOWNLOAD_OF_PEER } })).not.toThrow();
    expect(() => new TestServer({ maxPeers: 4, bandwidth: { download: MIN_BANDWIDTH } })).not.toThrow();
    expect(codeOf(() => new TestServer({ maxPeers: 5, bandwidth: { download: MIN_BANDWIDTH } }))).toBe(
      'invalid-argument',
    );
  });

  it('wants as much for static and trusted nodes, which come beyond maxPeers, each once', () => {
    const nodes = [1, 2, 3].map((byte) => {
      const publicKey = publicKeyOf(new Uint8Array(32).fill(byte));
      return formatEnode({ publicKey, host: '127.0.0.1', tcpPort: 1, udpPort: 1 });
    });
    const refusalOf =
      (download: number): unknown =>
      () =>
        new TestServer({
          ...{ maxPeers: 4, staticNodes: nodes.slice(0, 2), trustedNodes: nodes.slice(1) },
          bandwidth: { download },
        });
    expect(refusalOf(7 * MIN_DOWNLOAD_OF_PEER)).not.toThrow();
    expect(refusalOf(7 * MIN_DOWNLOAD_OF_PEER - 1)).toThrow(
      'bandwidth.download is at least 114688 with maxPeers 4 and 3 static or trusted nodes',
    );
  });
});
