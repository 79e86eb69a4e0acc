import { SealpostError } from "../../errors.ts";

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  readonly respond: (
    request: Request,
    peer: { readonly peerAddress?: string },
  ) => Response | Promise<Response>;
}

/** An HTTP server that completes its requests when it shuts down. */
export interface HttpServer {
  readonly url: URL;
  /** Accepts no more connections; resolves when every request has its response. */
  shutdown(): Promise<void>;
  /** Closes the remaining connections, even those with a request in flight. */
  close(): Promise<void>;
}

/** Starts the HTTP server of a runtime. @throws {SealpostError} `bad_setting` if it cannot listen on the address. */
export type Listen = (options: ListenOptions) => HttpServer | Promise<HttpServer>;

/** The requests that have no response yet. */
export class InFlightRequests {
  readonly #responses = new Set<Promise<Response>>();

  add(response: Promise<Response>): Promise<Response> {
    this.#responses.add(response);
    const remove = () => this.#responses.delete(response);
    response.then(remove, remove);
    return response;
  }

  /** Resolves when none is left. */
  async settled(): Promise<void> {
    while (this.#responses.size > 0) await Promise.allSettled(this.#responses);
  }
}

/** Reasons by the error codes of the operating system. */
const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "is another process using it?",
  EADDRNOTAVAIL: "HOST is no address of this machine",
  EACCES: "this user may not use the port, take one above 1023",
};

/** The error for an address that is in use, not of this machine, or not for this user. */
export function cannotListen(host: string, port: number, cause: unknown): SealpostError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const reason = REASONS[code] ?? "is it an address of this machine, and free?";
  return new SealpostError("bad_setting", `HOST, PORT: cannot listen on ${host}:${port}: ${reason}`, {
    cause,
  });
}
