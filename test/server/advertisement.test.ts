import { describe, expect, it } from 'vitest';
import { Closing } from '../../src/base/closing.ts';
import type { AdvertisementRun } from '../../src/discv5/index.ts';
import { Advertisement } from '../../src/server/advertisement.ts';
import { rejectionOf } from '../support/errors.ts';

describe('an advertisement', () => {
  it('ends with its service, and so does whoever waits for its first registrar', async () => {
    const service = new Closing();
    let stopped = 0;
    const run = {
      topic: new Uint8Array(32),
      stats: { active: 0, pending: 1 },
      stop: () => {
        stopped++;
      },
    } as unknown as AdvertisementRun;
    const advertisement = new Advertisement({
      begin: () => run,
      signal: undefined,
      onClose: (end) => service.onClose(end),
    });
    const placed = rejectionOf(advertisement.placed());
    expect(advertisement.isActive).toBe(true);
    service.close();
    expect([advertisement.isActive, stopped, await placed]).toEqual([false, 1, 'closed']);
  });
});
