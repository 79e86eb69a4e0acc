import http, { type ClientRequest, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { onAbort } from "../async/abort.ts";
import type { HttpClient, HttpOptions, HttpRequest } from "../contracts/http-client.ts";
import { createResponse, type HttpProgress, httpErrorOf, readBounded } from "./http-response.ts";
import type { HttpConnect } from "./http-target.ts";

/**
 * Creates the {@link HttpClient} of runtimes with `node:http`. It writes to a socket of `connect`, so a request goes to
 * the address that was checked, and TLS is verified as that of mail servers. Each request has a connection of its own,
 * because one that is lost on a connection that the server was closing could not be sent again safely.
 */
export function createHttpClient(connect: HttpConnect): HttpClient {
  return async (request, options) => {
    const { signal, onPhase, onDialed, onSocket } = options;
    signal.throwIfAborted();
    const socket = await connect(request.url, { signal, onPhase, onDialed });
    try {
      onSocket?.(socket);
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
  { signal, maxResponseBytes, onComplete }: HttpOptions,
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
    write(client, octets, () => {
      progress.isComplete = true;
      onComplete?.();
    });
    return await Promise.race([response, lost.promise]);
  } catch (cause) {
    throw httpErrorOf(cause, signal, progress);
  } finally {
    forgetAbort();
    client.destroy();
  }
}

/** Holds the last byte back until the others have left: without it, the server cannot act on the request. */
function write(client: ClientRequest, octets: Buffer, onComplete: () => void): void {
  const end = (): void => {
    onComplete();
    client.end(octets.subarray(-1));
  };
  if (octets.length < 2) end();
  else client.write(octets.subarray(0, -1), (error) => error ?? end());
}

function fieldsOf({ rawHeaders }: IncomingMessage): [string, string][] {
  return rawHeaders.flatMap((name, index) => (index % 2 === 0 ? [[name, rawHeaders[index + 1] ?? ""]] : []));
}
