/** Resolves when one of the signals is aborted. */
export function ended(...signals: readonly AbortSignal[]): Promise<void> {
  const any = AbortSignal.any([...signals]);
  if (any.aborted) return Promise.resolve();
  return new Promise((resolve) => any.addEventListener("abort", () => resolve(), { once: true }));
}

/** What `notify` and `listen` reject with after the end. */
export function closedError(): Error {
  return new Error("The wake is closed");
}
