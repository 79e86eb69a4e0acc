import type { Hono } from "hono";
import { hc } from "hono/client";
import type { userRoutes } from "../../plugins/directory/routes.ts";
import type { stateRoutes } from "../../plugins/email-token/state-routes.ts";
import type { tokenRoutes } from "../../plugins/email-token/token-routes.ts";
import type { eventRoutes } from "../../plugins/events/routes.ts";
import type { gatewayRoutes } from "../../plugins/sms-gateway/routes.ts";
import type { SealpostApp } from "../app.ts";
import type { Env } from "../contracts/env.ts";
import type { SchemaOf } from "../wire/route.ts";
import { credential, endSession } from "./session.ts";

type PluginRoute = ReturnType<
  typeof userRoutes | typeof tokenRoutes | typeof stateRoutes | typeof gatewayRoutes | typeof eventRoutes
>[number];
type PluginApp = Hono<Env, SchemaOf<PluginRoute>>;

/** The part of every response that {@link call} reads. */
interface Envelope {
  readonly result: { readonly value: unknown };
  readonly detail?: unknown;
}

type ApiResponse = { json(): Promise<unknown> } & Pick<Response, "headers">;
/** The envelope of a response. A route that can return a file has another type in addition. */
type EnvelopeOf<R extends ApiResponse> = Extract<Awaited<ReturnType<R["json"]>>, Envelope>;
/** The value of a route: `ValueOf<typeof api.policy.$get>`. */
export type ValueOf<F extends (...given: never[]) => Promise<ApiResponse>> = EnvelopeOf<
  Awaited<ReturnType<F>>
>["result"]["value"];

/** A successful response. */
interface Result<T extends Envelope> {
  readonly value: T["result"]["value"];
  readonly detail: T["detail"];
  /** Version of the resource; `null` if the response has none. */
  readonly etag: string | null;
}

/** The API rejected a request, or could not be reached. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  /** HTTP status; 0 without a response. */
  readonly status: number;
  /** `result.error.code` of the envelope; 0 without one. */
  readonly code: number;
  /** Name of the parameter that is missing or invalid; `null` if no parameter is at fault. */
  readonly parameter: string | null;
  /** Seconds after which to try again; `null` if the response does not say. */
  readonly retryAfterSeconds: number | null;

  constructor(status: number, code: number, message: string, retryAfter: string | null = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.parameter = /^ERR905: (?:Missing|Invalid) parameter: ([\w.]+)/.exec(message)?.[1] ?? null;
    this.retryAfterSeconds = retryAfter === null ? null : Number(retryAfter);
  }
}

/** The session has ended: its token expired, or the admin is disabled. */
const ENDED = [4304, 4305, 4306];

/** The address of the API: the folder that contains the page's own. */
const BASE = new URL("..", document.baseURI).href.replace(/\/$/, "");

/** The API of this instance. Names in a path have to be encoded with `encodeURIComponent`. */
export const api = hc<SealpostApp>(BASE, { fetch: send });

/** The API of plugins, which an instance may lack. */
export const pluginApi = hc<PluginApp>(BASE, { fetch: send });

/**
 * Awaits a response.
 * @throws {ApiError} if the API rejected the request, or could not be reached.
 * @example
 * ```ts
 * const { value } = await call(api.smtpserver.$get({ query: { censor: "1" } }));
 * ```
 */
export async function call<R extends ApiResponse>(request: Promise<R>): Promise<Result<EnvelopeOf<R>>> {
  const response = await request;
  const envelope = (await response.json()) as EnvelopeOf<R>;
  return { value: envelope.result.value, detail: envelope.detail, etag: response.headers.get("etag") };
}

async function send(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  const headers = new Headers(init?.headers);
  const used = credential();
  if (used !== null) headers.set("Authorization", `Bearer ${used}`);
  const options: RequestInit = { ...init, headers, cache: "no-store", credentials: "same-origin" };
  const response = await fetch(input, options).catch(() => {
    throw new ApiError(0, 0, "");
  });
  if (response.ok) return response;
  const error = await errorOf(response);
  if (used !== null && used === credential() && ENDED.includes(error.code)) endSession("expired");
  throw error;
}

async function errorOf(response: Response): Promise<ApiError> {
  const { code, message } = readError(await response.json().catch(() => null));
  return new ApiError(response.status, code, message, response.headers.get("retry-after"));
}

/** Reads an error that may come from a proxy. */
function readError(body: unknown): { readonly code: number; readonly message: string } {
  const error = memberOf(memberOf(body, "result"), "error");
  const code = memberOf(error, "code");
  const message = memberOf(error, "message");
  return {
    code: typeof code === "number" ? code : 0,
    message: typeof message === "string" ? message : "",
  };
}

/** Returns a text of `detail`; empty if there is none. For plugins, whose types do not name every form of it. */
export function detailText(detail: unknown, name: string): string {
  const text = memberOf(detail, name);
  return typeof text === "string" ? text : "";
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? new Map(Object.entries(value)).get(name) : undefined;
}
