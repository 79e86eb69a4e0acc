import { cannotListen, type HttpServer, InFlightRequests, type ListenOptions } from "../local/http-server.ts";

interface BunListenOptions extends ListenOptions {
  /** Longest silence of a connection within a request, or between two. */
  readonly idleSeconds?: number;
}

type Server = Bun.Server<undefined>;

/** Longer than proxies keep idle connections (nginx: 60 s), so that they never use one that is closing. */
const IDLE_SECONDS = 120;
const NO_LIMIT = 0;

/** @throws {SealpostError} `bad_setting` if it cannot listen on the address. */
export function listen({ host, port, respond, idleSeconds = IDLE_SECONDS }: BunListenOptions): HttpServer {
  const inFlight = new InFlightRequests();

  async function handle(request: Request, bun: Server): Promise<Response> {
    const peerAddress = bun.requestIP(request)?.address;
    // A test message may take four times 300 s, during which the client has nothing to send.
    const whole = afterBody(request, () => bun.timeout(request, NO_LIMIT));
    const response = await respond(whole, peerAddress === undefined ? {} : { peerAddress });
    bun.timeout(request, idleSeconds);
    return response;
  }

  const server = bind({ hostname: host, port, idleTimeout: idleSeconds }, (request, bun) =>
    inFlight.add(handle(request, bun)),
  );
  return {
    url: server.url,
    async shutdown() {
      // Its promise also waits for idle connections, which clients may keep open indefinitely.
      void server.stop();
      await inFlight.settled();
      // Bun writes a response after its promise has settled.
      await new Promise((resolve) => setImmediate(resolve));
    },
    async close() {
      await server.stop(true);
    },
  };
}

/** The same request, with a callback for when its whole body has been read. */
function afterBody(request: Request, onRead: () => void): Request {
  // With a malformed Host, the URL is not one and cannot be copied. The app rejects it without reading the body.
  if (request.body === null || !URL.canParse(request.url)) {
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
