// Where worker-mailer imports `cloudflare:sockets`, the build of the Worker puts this module in its place.

/** What of a socket worker-mailer uses. */
export interface LibrarySocket {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  readonly opened: Promise<unknown>;
  close(): Promise<void>;
  startTls(): LibrarySocket;
}

/** A socket that waits for worker-mailer, under a name that leads nowhere else (RFC 6761 6.4). */
export interface OfferedSocket extends Disposable {
  readonly hostname: string;
  /** False after the library has connected: it went past this module. */
  readonly isTaken: boolean;
}

const offered = new Map<string, LibrarySocket>();
let count = 0;

export function offerSocket(socket: LibrarySocket): OfferedSocket {
  count++;
  const hostname = `session-${count}.invalid`;
  offered.set(hostname, socket);
  return {
    hostname,
    get isTaken() {
      return !offered.has(hostname);
    },
    [Symbol.dispose]: () => void offered.delete(hostname),
  };
}

/**
 * Stands in for `connect` of `cloudflare:sockets`; opens nothing.
 * @throws {TypeError} unless a socket is offered under the name.
 */
export function connect({ hostname }: { readonly hostname: string }): LibrarySocket {
  const socket = offered.get(hostname);
  if (socket === undefined) throw new TypeError(`No socket is offered as "${hostname}"`);
  offered.delete(hostname);
  return socket;
}
