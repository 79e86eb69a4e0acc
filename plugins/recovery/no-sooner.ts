/**
 * Gives the answer of some work when so much time has gone by, and no sooner: what is left of a difference between a
 * user whom there is and one whom there is not, as in a directory far away, stays below it.
 */
export async function noSooner<T>(leastMs: number, work: () => Promise<T>): Promise<T> {
  const time = leastMs > 0 ? new Promise<void>((resolve) => setTimeout(resolve, leastMs)) : undefined;
  const [outcome] = await Promise.allSettled([work(), time]);
  if (outcome.status === "rejected") throw outcome.reason;
  return outcome.value;
}
