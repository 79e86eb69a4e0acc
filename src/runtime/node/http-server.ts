import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { cannotListen, type HttpServer, InFlightRequests, type ListenOptions } from "../local/http-server.ts";

type Bindings = Parameters<Parameters<typeof getRequestListener>[0]>[1];

/** Longer than proxies keep idle connections (nginx: 60 s), so that they never use one that is closing. */
const KEEP_ALIVE_MS = 120_000;
/** Node writes a response after its promise has settled. A client that does not read it within this time loses it. */
const WRITE_MS = 250;

/** @throws {SealpostError} `bad_setting` if it cannot listen on the address. */
export async function listen({ host, port, respond }: ListenOptions): Promise<HttpServer> {
  const inFlight = new InFlightRequests();
  const handle = (request: Request, { incoming }: Bindings) => {
    const peerAddress = incoming.socket.remoteAddress;
    return inFlight.add(Promise.resolve(respond(request, peerAddress === undefined ? {} : { peerAddress })));
  };
  const server = createServer(
    { keepAliveTimeout: KEEP_ALIVE_MS },
    getRequestListener(handle, { errorHandler: async () => respond(malformedRequest(), {}) }),
  );
  await bind(server, host, port);
  return {
    url: urlOf(server),
    async shutdown() {
      const isShut = new Promise((resolve) => server.close(resolve));
      await inFlight.settled();
      await Promise.race([isShut, new Promise((resolve) => setTimeout(resolve, WRITE_MS))]);
    },
    async close() {
      server.closeAllConnections();
    },
  };
}

/** Stands for a request that is no URL, such as one with a malformed `Host`, so that the app rejects it. */
function malformedRequest(): Request {
  return new Request("http://localhost/", { headers: { host: "[" } });
}

function urlOf(server: Server): URL {
  const address = server.address();
  if (address === null || typeof address === "string") throw new TypeError("The server has no IP address");
  const host = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return new URL(`http://${host}:${address.port}`);
}

async function bind(server: Server, host: string, port: number): Promise<void> {
  try {
    await once(server.listen(port, host), "listening");
  } catch (cause) {
    throw cannotListen(host, port, cause);
  }
}
