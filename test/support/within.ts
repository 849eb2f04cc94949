/** Runs with services that are closed behind it. */
export async function within(services: readonly AsyncDisposable[], run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } finally {
    await Promise.all(services.map((service) => service[Symbol.asyncDispose]()));
  }
}
