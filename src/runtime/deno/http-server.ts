import { cannotListen, type HttpServer, InFlightRequests, type ListenOptions } from "../local/http-server.ts";

type ServeOptions = Parameters<typeof Deno.serve>[0];
type Handler = Parameters<typeof Deno.serve>[1];

/** Deno writes a response after its promise has settled. A client that does not read it within this time loses it. */
const WRITE_MS = 250;

/**
 * Deno closes connections without a request in flight. `close()` leaves the others open until the process ends.
 * @throws {SealpostError} `bad_setting` if it cannot listen on the address.
 */
export function listen({ host, port, respond }: ListenOptions): HttpServer {
  const inFlight = new InFlightRequests();
  const server = bind({ hostname: host, port, onListen: () => undefined }, (request, { remoteAddr }) =>
    inFlight.add(Promise.resolve(respond(request, { peerAddress: remoteAddr.hostname }))),
  );
  return {
    url: urlOf(server.addr),
    async shutdown() {
      // Its promise also waits for clients that never complete a request.
      const isShut = server.shutdown();
      await inFlight.settled();
      await Promise.race([isShut, new Promise((resolve) => setTimeout(resolve, WRITE_MS))]);
    },
    async close() {
      void server.shutdown();
    },
  };
}

function urlOf({ hostname, port }: Deno.NetAddr): URL {
  return new URL(`http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`);
}

function bind(options: ServeOptions, handler: Handler): Deno.HttpServer {
  try {
    return Deno.serve(options, handler);
  } catch (cause) {
    throw cannotListen(options.hostname, options.port, cause);
  }
}
