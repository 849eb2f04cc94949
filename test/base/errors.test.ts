import { describe, expect, it } from 'vitest';
import {
  CONSEQUENCES,
  consequenceOf,
  isPeerlaneError,
  PeerlaneError,
  toPeerlaneError,
} from '../../src/base/errors.ts';

describe('errors', () => {
  it('carry a literal code, a message and facts', () => {
    const error = new PeerlaneError('frame-too-large', 'too large', { details: { size: 5 } });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: 'PeerlaneError', code: 'frame-too-large', details: { size: 5 } });
    expect(isPeerlaneError(error, 'frame-too-large')).toBe(true);
    expect(isPeerlaneError(error, 'closed')).toBe(false);
  });

  it('from outside are wrapped once, and cost the peer nothing', () => {
    const foreign = new TypeError('oops');
    const wrapped = toPeerlaneError(foreign);
    expect(wrapped).toMatchObject({ code: 'internal', cause: foreign });
    expect(toPeerlaneError(wrapped)).toBe(wrapped);
    expect(consequenceOf(foreign).penalty).toBe('none');
  });

  it('that end a connection before it is secured do so in silence', () => {
    for (const [code, consequence] of Object.entries(CONSEQUENCES)) {
      if (code.startsWith('handshake-')) expect(consequence, code).toMatchObject({ silent: true });
    }
  });
});
