import { SealpostError } from "../errors.ts";

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  readonly answer: (
    request: Request,
    peer: { readonly peerAddress?: string },
  ) => Response | Promise<Response>;
}

/** A server that knows which requests it owes an answer. */
export interface HttpServer {
  readonly url: URL;
  /** Takes no more connections; resolves when every request is answered. */
  finish(): Promise<void>;
  /** Closes the connections that are left, whatever they carry. */
  close(): Promise<void>;
}

/** @throws {SealpostError} `bad_setting` if the address cannot be listened on. */
export function listen({ host, port, answer }: ListenOptions): HttpServer {
  const owed = new Set<Promise<Response>>();
  const server = bind(host, port, (request, bun) => {
    const peerAddress = bun.requestIP(request)?.address;
    const response = Promise.resolve(answer(request, peerAddress === undefined ? {} : { peerAddress }));
    owed.add(response);
    const forget = () => owed.delete(response);
    response.then(forget, forget);
    return response;
  });
  return {
    url: server.url,
    async finish() {
      // Its promise waits for idle connections too, which may stay open as long as their clients like.
      void server.stop();
      while (owed.size > 0) await Promise.allSettled(owed);
      // An answer is written after its promise has settled.
      await new Promise((resolve) => setImmediate(resolve));
    },
    async close() {
      await server.stop(true);
    },
  };
}

function bind(
  hostname: string,
  port: number,
  fetch: (request: Request, server: Bun.Server<undefined>) => Promise<Response>,
) {
  try {
    // A test mail may take four times 300 s; our own timers end every request.
    return Bun.serve({ hostname, port, idleTimeout: 0, fetch });
  } catch (cause) {
    const message = `HOST, PORT: cannot listen on ${hostname}:${port}; is it in use?`;
    throw new SealpostError("bad_setting", message, { cause });
  }
}
