import type { Context, MiddlewareHandler } from "hono";
import type { Env } from "../contracts/env.ts";
import type { Platform } from "../contracts/platform.ts";
import { METHODS } from "../contracts/route.ts";
import { API_KEY } from "../domain/api-key.ts";
import { DEFINITION_FIELDS } from "../domain/definition-fields.ts";
import { type CidrBlock, canonicalIp } from "../domain/network.ts";
import { SECRET_NAMES } from "../domain/smtp-server.ts";
import { invalidParameter, SealpostError } from "../errors.ts";
import { type Meter, OTHER } from "../telemetry/meter.ts";
import { bodyTooLarge, MAX_BODY_BYTES, readBody } from "./body.ts";

const REQUEST_ID_BYTES = 8;
const ADDRESS_AND_PORT = /^(?:([\d.]+)|\[([\da-f:.]+)\]):\d{1,5}$/i;

/** Headers of every response of the API. */
export const API_HEADERS = { "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" } as const;

export interface RequestOptions {
  readonly platform: Platform;
  readonly trustedProxies: readonly CidrBlock[];
  /** Returns the address of the peer. Default: the address that the HTTP server passes to `fetch`. */
  readonly peerAddress?: ((c: Context) => string | null) | undefined;
  /** Returns the address of the client. Default: the peer, or the client that trusted proxies name. */
  readonly clientAddress?: ((c: Context) => string | null) | undefined;
  /** Whether all requests are those of the operator. Default: false. */
  readonly isOperator?: boolean;
}

/** Sets the id, the client address and the kind of caller of each request, and keeps its response out of caches. */
export function requestContext(options: RequestOptions): MiddlewareHandler<Env> {
  const { platform, trustedProxies, isOperator = false } = options;
  return async function requestContext(c, next) {
    c.set("requestId", platform.randomBytes(REQUEST_ID_BYTES).toHex());
    const peer = options.peerAddress ? options.peerAddress(c) : (c.env?.peerAddress ?? null);
    const known = options.clientAddress
      ? options.clientAddress(c)
      : clientAddress(peer, c.req.header("x-forwarded-for"), trustedProxies);
    c.set("clientAddress", known);
    c.set("isOperator", isOperator);
    await next();
    for (const [name, value] of Object.entries(API_HEADERS)) setHeader(c, name, value);
  };
}

/** Sets a header of the response. Hono would create another response for each. */
function setHeader(c: Context<Env>, name: string, value: string): void {
  try {
    c.res.headers.set(name, value);
  } catch {
    // A response of `fetch`, which a plugin may return as it is, cannot be changed.
    c.header(name, value);
  }
}

/** Measures each request by the path that its route declares, never by its URL. */
export function measureRequests(meter: Meter): MiddlewareHandler<Env> {
  return async function measureRequests(c, next) {
    const startedMs = performance.now();
    await next();
    meter.observe("sealpost_http_request_duration_seconds", (performance.now() - startedMs) / 1_000, {
      method: METHODS.find((known) => known === c.req.method) ?? OTHER,
      route: c.get("routePath") ?? OTHER,
      status: String(c.res.status),
    });
  };
}

/** Rejects larger bodies. @param maxSize in bytes */
export function limitBody(maxSize = MAX_BODY_BYTES): MiddlewareHandler<Env> {
  return async function limitBody(c, next) {
    const { raw } = c.req;
    assertLength(raw, maxSize);
    const isDeclared = raw.headers.has("content-length") && !raw.headers.has("transfer-encoding");
    // Only workerd passes on the body of a read. Unread, it would end the connection of the client.
    if (raw.body !== null && (isReading(c) || !isDeclared)) {
      const body = await readBody(raw, maxSize);
      if (!isReading(c)) c.req.raw = new Request(raw, { body });
    }
    await next();
  };
}

/** Asserts that the body of a request is not declared to be larger. @throws {SealpostError} `too_large`. */
export function assertLength({ headers }: Request, maxBytes: number): void {
  if (Number(headers.get("Content-Length")) > maxBytes) throw bodyTooLarge(maxBytes);
}

/** Whether a request only reads, so that its body is ignored. */
export function isReading({ req: { method } }: Context): boolean {
  return method === "GET" || method === "HEAD";
}

/**
 * Returns the canonical address of the client: the peer, or the address that trusted proxies name in `X-Forwarded-For`,
 * read from the right. `null` if it is unknown, or if a trusted proxy wrote something other than an address.
 * @param peer address of the other end of the connection; `null` if it is unknown
 */
export function clientAddress(
  peer: string | null,
  forwardedFor: string | undefined,
  trusted: readonly CidrBlock[],
): string | null {
  const isTrusted = (address: string) => trusted.some((block) => block.contains(address));
  let client = peer === null ? null : canonicalIp(peer);
  const hops = forwardedFor === undefined ? [] : forwardedFor.split(",");
  while (client !== null && isTrusted(client)) {
    const hop = hops.pop();
    if (hop === undefined) return client;
    client = canonicalIp(withoutPort(hop.trim()));
  }
  return client;
}

/** Returns the address of `192.0.2.1:443` or `[2001:db8::1]:443`, as some load balancers write it; else the text. */
function withoutPort(hop: string): string {
  const [, ipv4, ipv6] = ADDRESS_AND_PORT.exec(hop) ?? [];
  return ipv4 ?? ipv6 ?? hop;
}

/** Rejected in the query, which proxies and servers log. */
const SECRETS = [
  ...SECRET_NAMES.map((name) => DEFINITION_FIELDS[name].parameter),
  "pass",
  "pin",
  "otppin",
  "recoverycode",
  "confirm",
  "verify",
  "secret",
  "option.secret",
  "option.headers",
];
const API_KEY_NAMES = /^(x-)?api[_-]?key$/i;
/** RFC 9110 7.2: `uri-host [ ":" port ]`. */
const HOST = /^(\[[\da-f:.]*\]|[\w.~!$&'()*+,;=%-]*)(:\d*)?$/i;
const INVALID_PERCENT = /%(?![0-9a-f]{2})/gi;

/** Rejects a malformed `Host`, and a URL that contains a secret, or escapes that are not UTF-8 and would change when decoded. */
export function checkUrl(): MiddlewareHandler {
  return async function checkUrl(c, next) {
    const url = URL.parse(c.req.url);
    // RFC 9112 3.2. Deno parses what other characters in it make of the URL.
    if (url === null || !HOST.test(c.req.header("host") ?? ""))
      throw invalidParameter("Host", "expected a host name or an address");
    const { pathname, search, searchParams } = url;
    if (!isEscapedUtf8(pathname)) throw invalidParameter("path", "expected UTF-8");
    if (search !== "") checkQuery(search, searchParams);
    await next();
  };
}

function checkQuery(search: string, searchParams: URLSearchParams): void {
  if (!isEscapedUtf8(search)) throw invalidParameter("query", "expected UTF-8");
  const hasKey = [...searchParams].some(
    ([name, value]) =>
      API_KEY_NAMES.test(name) || [name, value].some((text) => API_KEY.test(withoutScheme(text))),
  );
  if (hasKey)
    throw new SealpostError(
      "bad_token",
      "Authentication failure. An API key is not allowed in the query, which is logged: send it in a header",
    );
  const secret = SECRETS.find((name) => searchParams.has(name));
  if (secret !== undefined)
    throw invalidParameter(secret, "not allowed in the query, which is logged: send it in the body");
}

/** Returns a credential without the `Bearer` that may be before it. */
export function withoutScheme(text: string): string {
  return text.replace(/^Bearer\s+/i, "").trim();
}

/** Whether the percent escapes of a text are UTF-8. Decoders silently replace other bytes with U+FFFD. */
export function isEscapedUtf8(text: string): boolean {
  if (!text.includes("%")) return true;
  try {
    decodeURIComponent(text.replace(INVALID_PERCENT, "%25"));
    return true;
  } catch {
    // Only a URIError can occur here.
    return false;
  }
}

/** RFC 9110 8.8.3. */
const ENTITY_TAG = /^(W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/;
/** An element of a comma-separated list. A comma inside quotes belongs to a tag. */
const LIST_ELEMENT = /(?:"[^"]*"|[^,"])+/g;

/** Reads `If-Match` (RFC 9110 13.1). `*` matches any tag. Weak tags never match (RFC 9110 8.8.3.2). */
export function readIfMatch(header: string | undefined): ((etag: string) => boolean) | null {
  if (header === undefined) return null;
  if (header.trim() === "*") return () => true;
  // Elements may be empty (RFC 9110 5.6.1.2).
  const tags = (header.match(LIST_ELEMENT) ?? []).map((tag) => tag.trim()).filter((tag) => tag !== "");
  if (tags.length > 0 && tags.every((tag) => ENTITY_TAG.test(tag))) return (etag) => tags.includes(etag);
  throw invalidParameter("If-Match", "expected entity tags or *");
}

/** Whether `If-None-Match` allows only the creation. */
export function readCreateOnly(header: string | undefined): boolean {
  if (header === undefined) return false;
  if (header.trim() === "*") return true;
  throw invalidParameter("If-None-Match", "expected *");
}

/** Whether the client lists HTML among the types that it accepts, as browsers do when they navigate. */
export function isForBrowser(c: Context): boolean {
  return (c.req.header("accept") ?? "").toLowerCase().includes("text/html");
}
