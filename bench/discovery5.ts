/** Discovery v5 nodes: how fast they set up sessions, of either side. */
import { quick } from './measure.ts';
import { apart, type Bench, compare, type Node, type NodeSubject } from './node-harness.ts';

/** Signatures in JavaScript say nothing of the protocol; of them there are figures of their own. */
const SUBJECTS: readonly NodeSubject[] = ['native', 'go-ethereum'];
const ROUNDS = 7;
/** Sockets, each of which sets up one session at a time, for new nodes. */
const SOCKETS = 128;
const SESSIONS = quick ? 2 : 25;
/** Nodes that wait to be met, and how many are pinged at a time. */
const AWAITING = quick ? 100 : 1500;
const PINGED_AT_A_TIME = 128;

/** Sessions that others set up, each with a Ping that is answered. */
const inbound = async (bench: Bench, node: Node) => {
  const load = await bench.discovery5Load();
  const { port, id } = node;
  await load.ask({ cmd: 'bond', port, id, count: SOCKETS });
  apart(node, [load]);
  return async () => {
    await load.ask({ cmd: 'prepare', messages: SESSIONS });
    const before = await node.worker.cpu();
    const { met, wanted, seconds } = await load.ask({ cmd: 'meet' });
    const used = (await node.worker.cpu()) - before;
    if (met !== wanted) process.stderr.write(`${bench.subject}: of ${wanted} sessions ${met} came about\n`);
    return {
      'v5-sessions': Number(met) / Number(seconds),
      'v5-sessions-cpu': (used * 1e6) / Number(met),
    };
  };
};

/** Sessions that the node sets up with others, to ping them. */
const outbound = async (bench: Bench, node: Node) => {
  const load = await bench.discovery5Load();
  const { port, id, worker } = node;
  apart(node, [load]);
  return async () => {
    const { records } = await load.ask({ cmd: 'await', port, id, count: AWAITING });
    const before = await worker.cpu();
    const begun = performance.now();
    const { answered } = await worker.ask({ cmd: 'ping', records, parallel: PINGED_AT_A_TIME });
    const seconds = (performance.now() - begun) / 1000;
    const used = (await worker.cpu()) - before;
    await load.ask({ cmd: 'met' });
    if (answered !== AWAITING)
      process.stderr.write(`${bench.subject}: of ${AWAITING} Pings ${answered} were answered\n`);
    return {
      'v5-sessions-out': Number(answered) / seconds,
      'v5-sessions-out-cpu': (used * 1e6) / Number(answered),
    };
  };
};

/** How fast sessions are set up: WHOAREYOU, handshake, Ping and Pong. The node has a core of its own, and so has the load. */
export const v5Sessions = () =>
  compare({
    unit: {
      'v5-sessions': 'sessions/s',
      'v5-sessions-cpu': 'CPU us',
      'v5-sessions-out': 'sessions/s',
      'v5-sessions-out-cpu': 'CPU us',
    },
    subjects: SUBJECTS,
    rounds: ROUNDS,
    async prepare(bench) {
      const node = await bench.discovery5({ isOpen: true });
      const sides = [await inbound(bench, node), await outbound(bench, node)];
      return async () => {
        const figures: Record<string, number> = {};
        for (const side of sides) Object.assign(figures, await side());
        return figures;
      };
    },
  });
