/** Rejects with what `late` makes if the work takes longer. The work itself goes on, and its fate is not awaited. */
export async function bounded<T>(work: Promise<T>, mostMs: number, late: () => Error): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const bound = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), mostMs);
  });
  try {
    return await Promise.race([work, bound]);
  } finally {
    clearTimeout(timer);
  }
}
