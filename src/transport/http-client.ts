import http, { type ClientRequest, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { onAbort } from "../async/abort.ts";
import type { HttpClient, HttpOptions, HttpRequest } from "../contracts/http-client.ts";
import type { Connect } from "../contracts/transport.ts";
import { createResponse, type HttpProgress, httpErrorOf, readBounded } from "./http-response.ts";
import { type HttpPolicy, httpTarget } from "./http-target.ts";

interface HttpClientOptions extends HttpPolicy {
  /** Opens the sockets, under the same policy. */
  readonly connect: Connect;
}

/**
 * Creates the {@link HttpClient} of runtimes with `node:http`. It writes to a socket of `connect`, so a request goes to
 * the address that was checked, and TLS is verified as that of mail servers. Each request has a connection of its own,
 * because one that is lost on a connection that the server was closing could not be sent again safely.
 */
export function createHttpClient({ connect, ...policy }: HttpClientOptions): HttpClient {
  return async (request, options) => {
    const { signal, onPhase } = options;
    const target = httpTarget(request.url, policy);
    signal.throwIfAborted();
    const socket = await connect(target, { signal, ...(onPhase && { onPhase }) });
    try {
      onPhase?.("data");
      return await exchange(socket, request, options);
    } finally {
      socket.destroy();
    }
  };
}

async function exchange(
  socket: Socket,
  { url, method, headers, body }: HttpRequest,
  { signal, maxResponseBytes }: HttpOptions,
): Promise<Response> {
  const octets = Buffer.from(body);
  const progress: HttpProgress = { isComplete: false, status: null };
  const client = http.request({
    createConnection: () => socket,
    method,
    path: url.pathname + url.search,
    headers: { ...headers, Host: url.host, "Content-Length": octets.length },
  });
  const head = Promise.withResolvers<IncomingMessage>();
  const lost = Promise.withResolvers<never>();
  client.once("response", head.resolve).on("error", lost.reject);
  client
    .once("close", () => head.reject({ code: "ECONNRESET" }))
    .once("upgrade", () => head.reject({ code: "EPROTO" }));
  const forgetAbort = onAbort(signal, () => lost.reject(signal.reason));
  const read = async (): Promise<Response> => {
    const message = await head.promise;
    progress.status = message.statusCode ?? 0;
    const bytes = await readBounded(message, maxResponseBytes, progress);
    return createResponse(bytes, fieldsOf(message), progress);
  };
  try {
    const response = read();
    write(client, octets, progress);
    return await Promise.race([response, lost.promise]);
  } catch (cause) {
    throw httpErrorOf(cause, signal, progress);
  } finally {
    forgetAbort();
    client.destroy();
  }
}

/** Holds the last byte back until the others have left: without it, the server cannot act on the request. */
function write(client: ClientRequest, octets: Buffer, progress: HttpProgress): void {
  const end = (): void => {
    progress.isComplete = true;
    client.end(octets.subarray(-1));
  };
  if (octets.length < 2) end();
  else client.write(octets.subarray(0, -1), (error) => error ?? end());
}

function fieldsOf({ rawHeaders }: IncomingMessage): [string, string][] {
  return rawHeaders.flatMap((name, index) => (index % 2 === 0 ? [[name, rawHeaders[index + 1] ?? ""]] : []));
}
