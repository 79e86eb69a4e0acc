/** Runs an action `count` times, a few concurrently. The action receives the number that is left. */
export async function repeat(
  times: number,
  atOnce: number,
  action: (left: number) => Promise<void>,
): Promise<void> {
  let left = times;
  const worker = async () => {
    while (left-- > 0) await action(left);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
