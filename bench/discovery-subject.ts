/**
 * The process under test when discovery is compared: one node of discovery v4 as a program has it. Its counterpart on
 * go-ethereum's packages is bench/peers/discover.go.
 */
import { systemEnv } from '../src/base/env.ts';
import { generateSecretKey } from '../src/crypto/index.ts';
import { Discv4Service } from '../src/server/index.ts';
import { takeOrders, UNLIMITED } from './discovery-orders.ts';

await takeOrders(
  new Discv4Service({
    key: generateSecretKey(systemEnv),
    listen: { host: '127.0.0.1', port: 0 },
    // go-ethereum limits nobody, and the load of this benchmark comes from one address. What strangers may cost stays as it
    // is: it is what the flood is about.
    limits: { known: UNLIMITED, knownLocalIp: UNLIMITED },
  }),
);
