import type { Socket } from "node:net";

/**
 * Waits until a socket is ready; if it never will be, it is destroyed.
 * @param describe what to reject with for an error of the socket.
 * @throws what `describe` returns, or the signal's reason.
 */
export function untilReady<S extends Socket>(
  socket: S,
  readyEvent: "connect" | "secureConnect",
  signal: AbortSignal,
  describe: (error: unknown) => unknown,
): Promise<S> {
  return new Promise((resolve, reject) => {
    const fail = (reason: unknown): void => {
      finish();
      // Errors of a destroyed socket are ignored.
      socket.on("error", () => undefined);
      socket.destroy();
      reject(reason);
    };
    const onReady = (): void => {
      finish();
      resolve(socket);
    };
    const onError = (error: unknown): void => fail(describe(error));
    const onClose = (): void => fail(describe({ code: "ECONNRESET" }));
    const onAbort = (): void => fail(signal.reason);
    const finish = (): void => {
      socket.off(readyEvent, onReady).off("error", onError).off("close", onClose);
      signal.removeEventListener("abort", onAbort);
    };
    socket.once(readyEvent, onReady).once("error", onError).once("close", onClose);
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
  });
}
