import { cannotListen, type HttpServer, type ListenOptions, Owed } from "./http-server.ts";

type ServeOptions = Parameters<typeof Deno.serve>[0];
type Handler = Parameters<typeof Deno.serve>[1];

/** An answer is on its way to the socket when its promise settles; a client that does not read it waits in vain. */
const WRITE_MS = 250;

/** @throws {SealpostError} `bad_setting` if the address cannot be listened on. */
export function listen({ host, port, answer }: ListenOptions): HttpServer {
  const owed = new Owed();
  const abort = new AbortController();
  const options = { hostname: host, port, signal: abort.signal, onListen: () => undefined };
  const server = bind(options, (request, { remoteAddr }) =>
    owed.add(Promise.resolve(answer(request, { peerAddress: remoteAddr.hostname }))),
  );
  let isFinished = false;
  const finished = server.finished.then(() => {
    isFinished = true;
  });
  return {
    url: urlOf(server.addr),
    async finish() {
      // Resolves as `finished` does, which a client may hold up; bodies that are not whole yet, it does not wait for.
      void server.shutdown();
      await owed.settled();
      await Promise.race([finished, new Promise((resolve) => setTimeout(resolve, WRITE_MS))]);
    },
    async close() {
      // What is finished cannot be aborted any more: Deno throws where nobody can catch it.
      if (!isFinished) abort.abort();
      await finished;
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
