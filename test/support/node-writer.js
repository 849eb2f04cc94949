/**
 * A process that writes nodes into the database in `argv[2]` until it is killed: in round r the nodes of numbers
 * 100 r to 100 r + 99. It prints r when they are written.
 */

import { nodeIdOf } from '../../dist/enr/index.js';
import { NodeDatabase } from '../../dist/server/node-db/index.js';

const MAX_ROUNDS_AHEAD = 8;

const [, , path, from] = process.argv;
const events = [];
const database = await NodeDatabase.open(path, { onEvent: (event) => events.push(event.kind) });
console.log(JSON.stringify({ size: database.size, events }));
const written = [];
for (let round = Number(from); ; round++) {
  for (let number = 100 * round; number < 100 * round + 100; number++) {
    const publicKey = new Uint8Array(64);
    new DataView(publicKey.buffer).setUint32(0, number);
    const id = nodeIdOf(publicKey);
    const endpoint = { publicKey, host: '127.0.0.1', tcpPort: number % 65_536, udpPort: 30_303 };
    database.update(id, { endpoint, client: `client ${number}`, lastPong: Date.now() });
  }
  // Rounds are in memory, on the way and written at the same time; but a slow disk does not have the database overflow.
  written.push(database.flush().then(() => console.log(round)));
  if (written.length > MAX_ROUNDS_AHEAD) await written.shift();
  await new Promise((resolve) => setImmediate(resolve));
}
