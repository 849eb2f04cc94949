/** Who comes to the server of the endurance run without being an honest peer: each kind breaks off, or breaks a rule. */
import { randomBytes, randomInt } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { type EthNetwork, encodeMessage, ethProtocols, localStatus } from '../../src/eth/index.ts';
import { freshRandomness, identityOf, initiate } from '../../src/rlpx/index.ts';
import { Server } from '../../src/server/index.ts';
import { Attacker } from '../../test/support/attacker.ts';
import { snappyBomb } from '../../test/support/raw-frames.ts';
import type { Chain } from './traffic.ts';

/** How long one stays that is not shown the door. */
const STAY_MS = 500;
/** How long one keeps silent that has said all that makes it a peer. */
const SILENCE_MS = 35_000;
const BOMB_SIZE = 16 * 1024 * 1024 - 1;
const OFFER = { capabilities: [{ name: 'eth', version: 69 }] } as const;
const STATUS = 0x10;
const TRANSACTIONS = 0x12;
/** The header of a Hello that is one byte too long. */
const LONG_HELLO = 2049;

type Kind = (attacker: Attacker, context: StrangerContext) => Promise<unknown>;

export interface StrangerContext extends Chain {
  /** Whom to come to. */
  readonly target: string;
}

const status = ({ network, store }: StrangerContext) =>
  encodeMessage(69, 'Status', localStatus(69, network, store)).payload;

/** As they come over a bare socket; the foreigner below is a whole server. */
const KINDS: Readonly<Record<string, Kind>> = {
  silent: async () => undefined,
  nonsense: (attacker) => attacker.write(randomBytes(400)),
  'half an auth': (attacker, { target }) => {
    const remoteId = Buffer.from(target.slice('enode://'.length, target.indexOf('@')), 'hex');
    const identity = identityOf(attacker.key);
    const { opening } = initiate({ identity, remoteId, randomness: freshRandomness(systemEnv) });
    return attacker.write(opening.subarray(0, 200));
  },
  'no Hello': (attacker) => attacker.handshake(),
  'a long Hello': async (attacker) => {
    await attacker.handshake();
    await attacker.write(attacker.frames.header(LONG_HELLO));
  },
  'another key in Hello': async (attacker) => {
    await attacker.handshake();
    await attacker.sendHello({ ...OFFER, id: randomBytes(64) });
  },
  'no Status': (attacker) => attacker.open(OFFER),
  'a snappy bomb': async (attacker, context) => {
    await attacker.open(OFFER);
    await attacker.send(STATUS, status(context));
    await attacker.plain(TRANSACTIONS, snappyBomb(BOMB_SIZE));
  },
  'garbled Transactions': async (attacker, context) => {
    await attacker.open(OFFER);
    await attacker.send(STATUS, status(context));
    await attacker.send(TRANSACTIONS, randomBytes(300));
  },
  'silent from Status on': async (attacker, context) => {
    await attacker.open(OFFER);
    await attacker.send(STATUS, status(context));
    await pause(SILENCE_MS);
  },
};
const NAMES = Object.keys(KINDS);

/** One comes, of a random kind, and goes. Gives the kind. */
export async function stranger(context: StrangerContext): Promise<string> {
  const name = NAMES[randomInt(NAMES.length + 1)];
  if (name === undefined) {
    await foreigner(context);
    return 'of another network';
  }
  const attacker = await Attacker.connect(context.target);
  try {
    await KINDS[name]?.(attacker, context);
    await pause(STAY_MS);
  } finally {
    attacker.destroy();
  }
  return name;
}

async function foreigner({ network, store, target }: StrangerContext): Promise<void> {
  const other: EthNetwork = { ...network, networkId: BigInt(network.networkId) + 1n };
  await using server = new Server({
    key: generateSecretKey(systemEnv),
    protocols: ethProtocols({ network: other, chain: store }),
  });
  await server.start();
  await server.dial(target);
  await pause(STAY_MS);
}
