import { isIPv6 } from "node:net";
import type { Connect } from "../contracts/transport.ts";
import { type ConnectByNameOptions, connectByName } from "./connect-by-name.ts";

/** What of its stream of octets is used. */
export interface NativeReader {
  read(): Promise<{ readonly done: false; readonly value: Uint8Array } | { readonly done: true }>;
  releaseLock(): void;
  cancel(): Promise<void>;
  readonly closed: Promise<unknown>;
}

/** What of a socket of `cloudflare:sockets` is used. */
export interface NativeSocket {
  readonly readable: { getReader(): NativeReader };
  readonly writable: WritableStream<Uint8Array>;
  /** Resolves when it is connected, TLS included. */
  readonly opened: Promise<unknown>;
  readonly closed: Promise<unknown>;
  close(): Promise<void>;
  /** Upgrades it, and verifies the certificate by the host that it was opened with. */
  startTls(): NativeSocket;
}

/** `connect` of `cloudflare:sockets`. */
export type NativeConnect = (
  address: { readonly hostname: string; readonly port: number },
  options: { readonly secureTransport: "on" | "starttls"; readonly allowHalfOpen: false },
) => NativeSocket;

/**
 * `connect` as the platform has it. Not by `import`, which a bundler's alias for worker-mailer would lead astray.
 * @throws {TypeError} where there is none.
 */
export function nativeConnect(): NativeConnect {
  const sockets: object | undefined = process.getBuiltinModule("cloudflare:sockets");
  const connect: unknown = sockets === undefined ? undefined : Reflect.get(sockets, "connect");
  if (typeof connect !== "function") throw new TypeError("This platform has no cloudflare:sockets");
  return connect as NativeConnect;
}

/** Makes the {@link Connect} of the platform's own sockets; those without TLS can be upgraded. */
export function createNativeConnect(
  connect: NativeConnect,
  options: ConnectByNameOptions,
): Connect<NativeSocket> {
  return connectByName(options, {
    async dial({ host, port, tls }, signal) {
      const hostname = isIPv6(host) ? `[${host}]` : host;
      const secureTransport = tls ? "on" : "starttls";
      const socket = connect({ hostname, port }, { secureTransport, allowHalfOpen: false });
      try {
        await until(socket.opened, signal);
        return socket;
      } catch (error) {
        discardNative(socket);
        throw error;
      }
    },
    discard: discardNative,
  });
}

/** Ends a socket at once; what it still says is no news. */
export function discardNative(socket: NativeSocket): void {
  const ignore = (): void => undefined;
  socket.closed.catch(ignore);
  socket.opened.catch(ignore);
  socket.close().catch(ignore);
}

async function until(opened: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const stopped = Promise.withResolvers<never>();
  const stop = (): void => stopped.reject(signal.reason);
  signal.addEventListener("abort", stop);
  try {
    signal.throwIfAborted();
    await Promise.race([opened, stopped.promise]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
