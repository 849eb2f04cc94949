/** Who claims to be somebody else: an auth, or an ack, can be made with public keys alone; frames cannot. */
import { createConnection } from 'node:net';
import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../src/base/bytes.ts';
import { systemEnv } from '../../src/base/env.ts';
import {
  ECIES_OVERHEAD,
  eciesEncrypt,
  generateSecretKey,
  publicKeyOf,
  SIGNATURE_LENGTH,
} from '../../src/crypto/index.ts';
import { formatEnode, parseEnode } from '../../src/enr/index.ts';
import { bytes as bytesOf, encode, struct, uint } from '../../src/rlp/index.ts';
import { LOOPBACK, startedServer } from '../support/servers.ts';

/** A signature that is drawn gives a key every second time or so. */
const MAX_TRIES = 64;
const BANNED_AFTER = 3;

const authBody = struct({
  signature: bytesOf(65),
  publicKey: bytesOf(64),
  nonce: bytesOf(32),
  version: uint(53),
});

/** An auth that names the key of somebody else. */
function forgedAuth(to: Uint8Array, victim: Uint8Array): Uint8Array {
  const signature = systemEnv.randomBytes(SIGNATURE_LENGTH);
  // s in the lower half, and a recovery id.
  signature[32] = 0x10;
  signature[64] = 0;
  const body = encode(authBody, {
    signature,
    publicKey: victim,
    nonce: systemEnv.randomBytes(32),
    version: 4,
  });
  const plaintext = concatBytes(body, new Uint8Array(120));
  const size = plaintext.length + ECIES_OVERHEAD;
  const authData = Uint8Array.of(size >> 8, size & 0xff);
  const [ephemeralKey, iv] = [generateSecretKey(systemEnv), systemEnv.randomBytes(16)];
  return concatBytes(authData, eciesEncrypt({ publicKey: to, ephemeralKey, iv, plaintext, authData }));
}

/** Whether the server took the auth: it has sent its ack then, and got garbage for it. */
function impersonate(enode: string, victim: Uint8Array): Promise<boolean> {
  const { host, tcpPort: port, publicKey } = parseEnode(enode);
  return new Promise((resolve) => {
    let isTaken = false;
    const socket = createConnection({ host, port }, () => socket.write(forgedAuth(publicKey, victim)));
    socket.on('error', () => undefined);
    socket.on('data', () => {
      if (!isTaken) socket.write(systemEnv.randomBytes(64));
      isTaken = true;
    });
    socket.on('close', () => resolve(isTaken));
  });
}

describe('a node whose key others claim', () => {
  it('pays for nothing that they do', async () => {
    const server = await startedServer();
    const victim = await startedServer();
    let taken = 0;
    for (let i = 0; i < MAX_TRIES && taken < 2 * BANNED_AFTER; i++) {
      if (await impersonate(server.enode, victim.id)) taken++;
    }
    expect(taken).toBe(2 * BANNED_AFTER);
    expect(server.bans).toEqual([]);
    expect(server.reputation(victim.enode).score).toBe(0);
    // What came under its name is told, and that nobody knows who it was.
    const log = server.log(victim.enode);
    expect(log.map(({ kind, times }) => [kind, times])).toEqual([['refused', taken]]);
    expect(log[0]?.message).toContain('without proof');
    await server.dial(victim.enode);
  });

  it('pays for nothing that another does who listens where it was expected', async () => {
    const impostor = await startedServer();
    const server = await startedServer({ listen: undefined });
    const victim = publicKeyOf(generateSecretKey(systemEnv));
    const { tcpPort } = parseEnode(impostor.enode);
    const enode = formatEnode({ publicKey: victim, host: LOOPBACK.host, tcpPort, udpPort: 0 });
    for (let i = 0; i < BANNED_AFTER; i++) await expect(server.dial(enode)).rejects.toThrow();
    expect(server.bans).toEqual([]);
    expect(server.reputation(enode).score).toBe(0);
  });
});
