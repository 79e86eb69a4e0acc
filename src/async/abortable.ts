import type { Socket } from "node:net";
import { type Connect, ConnectError } from "../contracts/transport.ts";

/** Connections to mail servers, and the end of all of them. */
export interface CutOff {
  readonly connect: Connect;
  /** Ends every connection, also those being made; later ones are refused. Their mails end with a receipt at once. */
  cut(): void;
  /** Aborted by {@link CutOff.cut}, before it ends the connections. */
  readonly signal: AbortSignal;
}

/** Makes a {@link Connect} whose sockets a stop need not wait for. */
export function createCutOff(connect: Connect): CutOff {
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
    cut() {
      stop.abort();
      for (const socket of sockets) socket.destroy();
    },
  };
}
