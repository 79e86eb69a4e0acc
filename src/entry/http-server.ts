import { SealpostError } from "../errors.ts";

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  readonly answer: (
    request: Request,
    peer: { readonly peerAddress?: string },
  ) => Response | Promise<Response>;
  /** How long a connection may stay silent while it owes the rest of a request, or waits for the next one. */
  readonly idleSeconds?: number;
}

/** A server that knows which requests it owes an answer. */
export interface HttpServer {
  readonly url: URL;
  /** Takes no more connections; resolves when every request is answered. */
  finish(): Promise<void>;
  /** Closes the connections that are left, whatever they carry. */
  close(): Promise<void>;
}

type Server = Bun.Server<undefined>;

/** Longer than proxies keep a connection that waits (nginx: 60 s), so that they never use one that is closing. */
const IDLE_SECONDS = 120;
const NO_LIMIT = 0;

/** @throws {SealpostError} `bad_setting` if the address cannot be listened on. */
export function listen({ host, port, answer, idleSeconds = IDLE_SECONDS }: ListenOptions): HttpServer {
  const owed = new Set<Promise<Response>>();

  async function respond(request: Request, bun: Server): Promise<Response> {
    const peerAddress = bun.requestIP(request)?.address;
    // A test mail may take four times 300 s, in which the client has nothing to say.
    const whole = afterBody(request, () => bun.timeout(request, NO_LIMIT));
    const response = await answer(whole, peerAddress === undefined ? {} : { peerAddress });
    bun.timeout(request, idleSeconds);
    return response;
  }

  const server = bind({ hostname: host, port, idleTimeout: idleSeconds }, (request, bun) => {
    const response = respond(request, bun);
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

/** The same request, which calls back when all of its body has been read. */
function afterBody(request: Request, onRead: () => void): Request {
  if (request.body === null) {
    onRead();
    return request;
  }
  return new Request(request, { body: request.body.pipeThrough(new TransformStream({ flush: onRead })) });
}

function bind(
  options: { readonly hostname: string; readonly port: number; readonly idleTimeout: number },
  fetch: (request: Request, server: Server) => Promise<Response>,
): Server {
  try {
    return Bun.serve({ ...options, fetch });
  } catch (cause) {
    const message = `HOST, PORT: cannot listen on ${options.hostname}:${options.port}; is it in use?`;
    throw new SealpostError("bad_setting", message, { cause });
  }
}
