import { Session } from 'node:inspector/promises';

const GC_ROUNDS = 3;
const GC_PAUSE_MS = 100;

/**
 * What `debug.FreeOSMemory` is to Go: V8 is told that memory is short, so that it collects all garbage and gives back
 * what it keeps for more of it, the pages of the young generation above all. `globalThis.gc` leaves those as they are.
 */
export async function returnMemory(): Promise<void> {
  const session = new Session();
  session.connect();
  for (let i = 0; i < GC_ROUNDS; i++) {
    await session.post('HeapProfiler.collectGarbage');
    await new Promise((resolve) => setTimeout(resolve, GC_PAUSE_MS));
  }
  session.disconnect();
}
