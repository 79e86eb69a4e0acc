import type { Context, MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Env } from "../contracts/env.ts";
import type { Platform } from "../contracts/platform.ts";
import type { CidrBlock } from "../domain/network.ts";
import { SealpostError } from "../errors.ts";
import { clientAddress } from "./client-address.ts";

/** 256 KiB: ten times the size of a key with its certificate chain. */
const MAX_BODY_BYTES = 256 * 1024;
const REQUEST_ID_BYTES = 8;

export interface RequestOptions {
  readonly platform: Platform;
  readonly trustedProxies: readonly CidrBlock[];
  /** Returns the address of the peer. Default: the address that the HTTP server passes to `fetch`. */
  readonly peerAddress?: ((c: Context) => string | null) | undefined;
  /** Returns the address of the client. Default: the peer, or the client that trusted proxies name. */
  readonly clientAddress?: ((c: Context) => string | null) | undefined;
}

/** Sets the id and the client address of each request, and keeps its response out of caches. */
export function requestContext(options: RequestOptions): MiddlewareHandler<Env> {
  const { platform, trustedProxies } = options;
  return async function requestContext(c, next) {
    c.set("requestId", platform.randomBytes(REQUEST_ID_BYTES).toHex());
    const peer = options.peerAddress ? options.peerAddress(c) : (c.env?.peerAddress ?? null);
    const known = options.clientAddress
      ? options.clientAddress(c)
      : clientAddress(peer, c.req.header("x-forwarded-for"), trustedProxies);
    c.set("clientAddress", known);
    await next();
    c.header("Cache-Control", "no-store");
    c.header("X-Content-Type-Options", "nosniff");
  };
}

export function limitBody(): MiddlewareHandler<Env> {
  return bodyLimit({
    maxSize: MAX_BODY_BYTES,
    onError: () => {
      throw new SealpostError("too_large", `The body is larger than ${MAX_BODY_BYTES} bytes`);
    },
  });
}
