/** The errors that nobody catches while `run` runs, in the turn of the event loop after it too. */
export async function uncaughtOf(run: () => unknown): Promise<unknown[]> {
  const errors: unknown[] = [];
  const note = (error: unknown): void => void errors.push(error);
  const [ofErrors, ofPromises] = [
    process.listeners('uncaughtException'),
    process.listeners('unhandledRejection'),
  ];
  process.removeAllListeners('uncaughtException').on('uncaughtException', note);
  process.removeAllListeners('unhandledRejection').on('unhandledRejection', note);
  try {
    await run();
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    process.off('uncaughtException', note).off('unhandledRejection', note);
    for (const listener of ofErrors) process.on('uncaughtException', listener);
    for (const listener of ofPromises) process.on('unhandledRejection', listener);
  }
  return errors;
}
