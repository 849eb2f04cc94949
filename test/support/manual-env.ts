import { systemEnv, type Timer } from '../../src/base/env.ts';
import { VirtualEnv } from '../../src/base/virtual-env.ts';

const STEP_MS = 5_000;

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

  /** Lets time pass in steps that leave no peer without an answer for too long. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      this.advance(Math.min(STEP_MS, ms - passed));
      for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
