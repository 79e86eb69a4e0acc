/** Runs an action so many times, a few at once. */
export async function repeat(times: number, atOnce: number, action: () => Promise<void>): Promise<void> {
  let left = times;
  const worker = async () => {
    while (left-- > 0) await action();
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
