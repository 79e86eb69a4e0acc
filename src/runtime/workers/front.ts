import { getLogger } from "@logtape/logtape";
import type { Scrypt } from "../../contracts/platform.ts";
import { incompleteBody, SealpostError } from "../../errors.ts";
import { scrypt } from "../../secrets/password.ts";
import { MAX_BODY_BYTES, readBody } from "../../wire/body.ts";
import { assertLength } from "../../wire/request.ts";
import type { Bindings } from "./bindings.ts";
import { configureConsole } from "./logging.ts";
import { errorResponse, isRejectedCall, unavailable } from "./unavailable.ts";

/** The binding of the objects' namespace, and the name of the one object. */
const NAMESPACE = "OBJECT";
const NAME = "sealpost";
const log = getLogger(["sealpost", "entry"]);
const RETRY_SECONDS = 2;
/** Every `GET` that cannot be repeated: the code of a provider, and a call of the operator, are accepted once. */
const ONCE = /^\/(oauth\/callback$|operator\/)/;
/** More than any route takes. */
const MAX_ROUTE_BODY_BYTES = 16 * 1_048_576;
/** Responses that pass as they come: pages of the audit log for programs. */
const LARGE = /^text\/csv/;
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
   * @param hold never resolves. It rejects when the client has hung up, because that ends the caller.
   */
  serve(request: Request, scrypt?: Scrypt, hold?: () => Promise<void>): Promise<Response>;
}

/**
 * Passes each request on to the object, whose one thread all requests share. What can be done before runs here, in any
 * number of isolates: a slow client's body arrives here, and password hashes are computed here.
 */
export const FRONT = {
  async fetch(request: Request, bindings: Bindings): Promise<Response> {
    const namespace = bindings[NAMESPACE];
    if (!isNamespace(namespace))
      return unavailable(new TypeError(`${NAMESPACE}: the binding of the Durable Object is missing`));
    try {
      const received = await receive(request);
      if (isRead(request)) return await read(namespace, received);
      return await namespace
        .getByName(NAME)
        .serve(received, scrypt, () => new Promise(() => undefined))
        .then(whole)
        .catch(lost);
    } catch (error) {
      return error instanceof SealpostError ? errorResponse(error) : unavailable(error);
    }
  },
};

/** Other reads change nothing, so one that the object lost, as in a deployment, is repeated by the next object. */
async function read(namespace: Namespace, request: Request): Promise<Response> {
  const call = async () => whole(await namespace.getByName(NAME).fetch(request));
  const isRepeatable = !ONCE.test(new URL(request.url).pathname);
  try {
    return await call().catch((error) => {
      if (!isRepeatable || isRejectedCall(error)) throw error;
      return call();
    });
  } catch (cause) {
    log.warning("A read did not reach the object: {cause}", { cause });
    throw busy(cause);
  }
}

function busy(cause: unknown): SealpostError {
  const message = "The instance has just ended, or receives too many requests: try again in a moment";
  return new SealpostError("busy", message, { cause, retryAfterSeconds: RETRY_SECONDS });
}

/** Returns a response with all of its body: if the object ended meanwhile, the client would get a part, as a success. */
async function whole(response: Response): Promise<Response> {
  if (response.body === null || LARGE.test(response.headers.get("Content-Type") ?? "")) return response;
  return new Response(await response.arrayBuffer(), response);
}

/** The response if the object ended while it handled a request. A 503 would have the client repeat it, and send twice. */
function lost(cause: unknown): Response {
  if (isRejectedCall(cause)) throw busy(cause);
  log.error("The object ended during a request: {cause}", { cause });
  const message =
    "The instance ended during the request and may have carried it out: check before you repeat it";
  return errorResponse(new SealpostError("internal", message, { cause }));
}

/**
 * Returns the request with all of its body. A read, whose body is ignored, has none.
 * @throws {SealpostError} `too_large`; `invalid_parameter` if the client disconnects meanwhile.
 */
async function receive(request: Request): Promise<Request> {
  const maxBytes = isRead(request) ? MAX_BODY_BYTES : MAX_ROUTE_BODY_BYTES;
  assertLength(request, maxBytes);
  if (request.body === null) return request;
  const isDeclared = request.headers.has("Content-Length");
  const reading = isDeclared ? request.arrayBuffer() : readBody(request, maxBytes);
  const body = await reading.catch((error) => {
    throw incompleteBody(error);
  });
  return new Request(request, { body: isRead(request) ? null : body });
}

function isRead({ method }: Request): boolean {
  return READS.includes(method);
}

interface Namespace {
  getByName(name: string): Served;
}

function isNamespace(value: unknown): value is Namespace {
  return typeof value === "object" && value !== null && "getByName" in value;
}
