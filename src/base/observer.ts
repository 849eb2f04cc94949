/** An observer that throws is reported as an uncaught error, and stops nothing of what it observes. */
export function detached<A extends readonly unknown[]>(observe: (...args: A) => void): (...args: A) => void {
  return (...args) => {
    try {
      observe(...args);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  };
}
