/** A terminal delivers Ctrl-C to each process of a group, and npx forwards its own: one key press is two signals. */
const REPEAT_MS = 1_000;
/** Exit code that shells report for a process ended by SIGINT. */
const INTERRUPTED = 130;

/** The part of `process` that {@link stopSignal} uses. */
interface SignalSource {
  on(name: "SIGINT" | "SIGTERM", listener: (signal: NodeJS.Signals) => void): unknown;
  exit(code: number): unknown;
}

/**
 * Resolves with the first signal that asks the process to stop. A second one from an impatient operator exits the
 * process; the echo of the first does not.
 */
export function stopSignal(process: SignalSource): Promise<string> {
  return new Promise((resolve) => {
    let firstAt: number | null = null;
    const onSignal = (signal: NodeJS.Signals) => {
      if (firstAt === null) {
        firstAt = performance.now();
        resolve(signal);
      } else if (performance.now() - firstAt > REPEAT_MS) process.exit(INTERRUPTED);
    };
    process.on("SIGINT", onSignal);
    process.on("SIGTERM", onSignal);
  });
}
