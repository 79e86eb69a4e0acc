import { cannotListen, type HttpServer, type ListenOptions, Owed } from "../local/http-server.ts";

type ServeOptions = Parameters<typeof Deno.serve>[0];
type Handler = Parameters<typeof Deno.serve>[1];

/** An answer is on its way to the socket when its promise settles; a client that does not read it waits in vain. */
const WRITE_MS = 250;

/**
 * Deno closes a connection when it owes nothing, or when the process ends; what `close()` leaves open, ends then.
 * @throws {SealpostError} `bad_setting` if the address cannot be listened on.
 */
export function listen({ host, port, answer }: ListenOptions): HttpServer {
  const owed = new Owed();
  const server = bind({ hostname: host, port, onListen: () => undefined }, (request, { remoteAddr }) =>
    owed.add(Promise.resolve(answer(request, { peerAddress: remoteAddr.hostname }))),
  );
  return {
    url: urlOf(server.addr),
    async finish() {
      // Its promise waits for clients too, which may leave a request unfinished as long as they like.
      const isShut = server.shutdown();
      await owed.settled();
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
