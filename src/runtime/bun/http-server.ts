import { cannotListen, type HttpServer, type ListenOptions, Owed } from "../local/http-server.ts";

export interface BunListenOptions extends ListenOptions {
  /** How long a connection may stay silent while it owes the rest of a request, or waits for the next one. */
  readonly idleSeconds?: number;
}

type Server = Bun.Server<undefined>;

/** Longer than proxies keep a connection that waits (nginx: 60 s), so that they never use one that is closing. */
const IDLE_SECONDS = 120;
const NO_LIMIT = 0;

/** @throws {SealpostError} `bad_setting` if the address cannot be listened on. */
export function listen({ host, port, answer, idleSeconds = IDLE_SECONDS }: BunListenOptions): HttpServer {
  const owed = new Owed();

  async function respond(request: Request, bun: Server): Promise<Response> {
    const peerAddress = bun.requestIP(request)?.address;
    // A test mail may take four times 300 s, in which the client has nothing to say.
    const whole = afterBody(request, () => bun.timeout(request, NO_LIMIT));
    const response = await answer(whole, peerAddress === undefined ? {} : { peerAddress });
    bun.timeout(request, idleSeconds);
    return response;
  }

  const server = bind({ hostname: host, port, idleTimeout: idleSeconds }, (request, bun) =>
    owed.add(respond(request, bun)),
  );
  return {
    url: server.url,
    async finish() {
      // Its promise waits for idle connections too, which may stay open as long as their clients like.
      void server.stop();
      await owed.settled();
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
    throw cannotListen(options.hostname, options.port, cause);
  }
}
