import { afterEach } from 'vitest';

/** For a test file: what it is given is disposed of after each test, the last one first; returns it. */
export function disposingAfterEach(): <T extends AsyncDisposable>(resource: T) => T {
  const open: AsyncDisposable[] = [];
  afterEach(async () => {
    for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
  });
  return (resource) => {
    open.push(resource);
    return resource;
  };
}
