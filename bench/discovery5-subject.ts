/**
 * One node of discovery v5 under test. `--open`: it takes as many sessions as come, as go-ethereum does; else what strangers may
 * cost is as it is by default. Its counterpart on go-ethereum's packages is bench/peers/discover5.go.
 */
import { parseArgs } from 'node:util';
import { systemEnv } from '../src/base/env.ts';
import { generateSecretKey } from '../src/crypto/index.ts';
import { Discv5Service } from '../src/server/index.ts';
import { takeOrders, V5_KNOWN_UNLIMITED, V5_STRANGERS_UNLIMITED } from './discovery-orders.ts';

const { values } = parseArgs({ options: { open: { type: 'boolean', default: false } } });

await takeOrders(
  new Discv5Service({
    key: generateSecretKey(systemEnv),
    listen: { host: '127.0.0.1', port: 0 },
    limits: { ...V5_KNOWN_UNLIMITED, ...(values.open ? V5_STRANGERS_UNLIMITED : {}) },
  }),
);
