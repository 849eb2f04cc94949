import { systemEnv, type Timer } from '../../src/base/env.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';

/**
 * A clock that the test moves, over real sockets: timers fire by `advance` only; the turns of the event loop and
 * the randomness are the system's.
 */
export class ManualEnv extends VirtualEnv {
  override setImmediate(run: () => void): Timer {
    return systemEnv.setImmediate(run);
  }

  override randomBytes(length: number): Uint8Array {
    return systemEnv.randomBytes(length);
  }
}
