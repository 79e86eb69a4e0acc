import { getLogger } from "@logtape/logtape";
import type { Scrypt } from "../../contracts/platform.ts";
import { SealpostError } from "../../errors.ts";
import { scrypt } from "../../secrets/password.ts";
import type { Bindings } from "./bindings.ts";
import { configureConsole } from "./logging.ts";
import { errorResponse, isRejectedCall, unavailable } from "./unavailable.ts";

/** The binding of the objects' namespace, and the name of the one object. */
const NAMESPACE = "OBJECT";
const NAME = "sealpost";
const log = getLogger(["sealpost", "entry"]);
/** More than any route takes. */
const MAX_BODY_BYTES = 16 * 1_048_576;
/** Methods whose requests need no password hash. */
const READS = ["GET", "HEAD", "OPTIONS"];

// An isolate without the object has no other log. The settings of the object replace this level.
configureConsole("info");

/** The part of the object that the front calls. */
export interface Served {
  /** Handles a request without password hashes, in less time than `serve`. */
  fetch(request: Request): Promise<Response>;
  /**
   * Handles a request.
   * @param scrypt computes the password hashes of the request, in the isolate of the caller.
   */
  serve(request: Request, scrypt?: Scrypt): Promise<Response>;
}

/**
 * Passes each request on to the object, whose one thread all requests share. What can be done before runs here, in any
 * number of isolates: a slow client's body arrives here, and password hashes are computed here.
 */
export const FRONT = {
  async fetch(request: Request, bindings: Bindings): Promise<Response> {
    try {
      const object = openObject(bindings[NAMESPACE]);
      if (READS.includes(request.method)) return await object.fetch(request);
      const body = await buffered(request);
      return await object.serve(body, scrypt).catch(lost);
    } catch (error) {
      if (error instanceof SealpostError && error.code === "too_large") return errorResponse(error);
      return unavailable(error);
    }
  },
};

/** The response if the object ended while it handled a request. A 503 would have the client repeat it, and send twice. */
function lost(cause: unknown): Response {
  if (isRejectedCall(cause)) throw cause;
  log.error("The object ended during a request: {cause}", { cause });
  const message =
    "The instance ended during the request and may have carried it out: check before you repeat it";
  return errorResponse(new SealpostError("internal", message, { cause }));
}

function openObject(namespace: unknown): Served {
  if (isNamespace(namespace)) return namespace.getByName(NAME);
  throw new TypeError(`${NAMESPACE}: the binding of the Durable Object is missing`);
}

/** @throws {SealpostError} `too_large` */
async function buffered(request: Request): Promise<Request> {
  if (request.body === null) return request;
  const length = request.headers.get("Content-Length");
  if (Number(length) > MAX_BODY_BYTES) throw tooLarge();
  if (length !== null) return new Request(request, { body: await request.arrayBuffer() });
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of request.body) {
    size += piece.length;
    if (size > MAX_BODY_BYTES) throw tooLarge();
    pieces.push(piece);
  }
  return new Request(request, { body: Buffer.concat(pieces, size) });
}

function tooLarge(): SealpostError {
  return new SealpostError("too_large", `The body is larger than ${MAX_BODY_BYTES} bytes`);
}

interface Namespace {
  getByName(name: string): Served;
}

function isNamespace(value: unknown): value is Namespace {
  return typeof value === "object" && value !== null && "getByName" in value;
}
