import type { Socket } from "node:net";
import { type Connect, ConnectError } from "../contracts/transport.ts";

/** A {@link Connect} whose connections can all be aborted. */
interface AbortableConnect {
  readonly connect: Connect;
  /** Closes every connection, also those being opened, and rejects later ones. Their deliveries end with a receipt. */
  abort(): void;
  /** Aborted by {@link AbortableConnect.abort}, before it closes the connections. */
  readonly signal: AbortSignal;
}

/** Creates a {@link Connect} whose connections can be aborted, so that a shutdown need not wait for them. */
export function createAbortableConnect(connect: Connect): AbortableConnect {
  const sockets = new Set<Socket>();
  const stop = new AbortController();
  return {
    signal: stop.signal,
    async connect(target, options) {
      const signal = AbortSignal.any([options.signal, stop.signal]);
      try {
        signal.throwIfAborted();
        const socket = await connect(target, { ...options, signal });
        sockets.add(socket);
        socket.once("close", () => sockets.delete(socket));
        return socket;
      } catch (cause) {
        if (!stop.signal.aborted || options.signal.aborted) throw cause;
        throw new ConnectError("connect", "cancelled", true, { cause });
      }
    },
    abort() {
      stop.abort();
      for (const socket of sockets) socket.destroy();
    },
  };
}
