/** Runs an action so many times, a few at once; it is given how many are left. */
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
