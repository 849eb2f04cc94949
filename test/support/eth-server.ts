/** A server of ours with eth on it, over any chain, until the test ends. */
import { onTestFinished } from 'vitest';
import { systemEnv } from '../../src/base/env.ts';
import { generateSecretKey } from '../../src/crypto/index.ts';
import { type ChainReader, type EthOptions, type EthPeer, ethProtocols } from '../../src/eth/index.ts';
import { Server } from '../../src/server/index.ts';

/** `peer`: the first that it meets. */
export async function ethServer(options: EthOptions): Promise<{ server: Server; peer: Promise<EthPeer> }> {
  let met: (peer: EthPeer) => void = () => undefined;
  const peer = new Promise<EthPeer>((resolve) => {
    met = resolve;
  });
  const server = new Server({
    key: generateSecretKey(systemEnv),
    listen: { host: '127.0.0.1', port: 0 },
    protocols: ethProtocols({ ...options, onPeer: (other) => met(other) }),
  });
  onTestFinished(() => server.close());
  await server.start();
  return { server, peer };
}

/** A chain whose bodies never come. */
export function withoutBodies<T extends ChainReader>(chain: T): ChainReader {
  return new Proxy(chain, {
    get(target, name) {
      if (name === 'body') return () => new Promise(() => undefined);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
