/** Terminals deliver Ctrl-C to each process of a group, and npx passes its own on: one key press is two signals. */
const REPEAT_MS = 1_000;
/** What a shell reports for a process that SIGINT ended. */
const INTERRUPTED = 130;

/** The part of `process` that is used. */
export interface SignalSource {
  on(name: "SIGINT" | "SIGTERM", listener: (signal: NodeJS.Signals) => void): unknown;
  exit(code: number): unknown;
}

/**
 * Resolves with the first signal that asks to stop. A second one, given by somebody who will not wait, ends the
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
