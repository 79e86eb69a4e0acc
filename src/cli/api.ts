import * as v from "valibot";
import { printable } from "./output.ts";

/** One request to the API. */
interface ApiRequest<V extends v.GenericSchema, D extends v.GenericSchema> {
  readonly method: "GET" | "POST" | "DELETE";
  /** Segments of the path, not yet encoded. The last one is empty for a collection. */
  readonly path: readonly string[];
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Parameters of the body; `undefined` leaves one out. */
  readonly body?: Readonly<Record<string, unknown>>;
  readonly value: V;
  readonly detail?: D;
}

/** The members of a response, checked, and as they came. */
interface ApiResponse<V, D> {
  readonly value: V;
  readonly detail: D;
  readonly raw: { readonly value: unknown; readonly detail?: unknown };
}

/** The API of an instance, in this process or at a URL. */
export interface Api {
  /** @throws {ApiError} with the message of an error response. */
  call<V extends v.GenericSchema, D extends v.GenericSchema = v.GenericSchema>(
    request: ApiRequest<V, D>,
  ): Promise<ApiResponse<v.InferOutput<V>, v.InferOutput<D>>>;
}

/** The API did not do what a command asked for. */
export class ApiError extends Error {
  override readonly name = "ApiError";
}

/** Sends a request. @param path relative, without a slash before it */
export type Send = (path: string, init: RequestInit) => Promise<Response>;

const DOTS = [".", ".."];
const envelopeSchema = v.object({
  result: v.variant("status", [
    v.object({ status: v.literal(true), value: v.unknown() }),
    v.object({ status: v.literal(false), error: v.object({ message: v.string() }) }),
  ]),
  detail: v.optional(v.unknown()),
});

/** Creates the client that all commands use. */
export function createApi(send: Send): Api {
  return {
    async call({ method, path, query = {}, headers = {}, body, value, detail = v.unknown() }) {
      const search = new URLSearchParams(query).toString();
      const response = await send(`${pathOf(path)}${search === "" ? "" : `?${search}`}`, {
        method,
        headers: { ...headers, ...(body && { "content-type": "application/json" }) },
        ...(body && { body: JSON.stringify(body) }),
      });
      const envelope = v.safeParse(envelopeSchema, await response.json().catch(() => null));
      if (!envelope.success)
        throw new ApiError(
          `Status ${response.status}, and no response of Sealpost: check the URL, its path included`,
        );
      const { result, detail: givenDetail } = envelope.output;
      if (!result.status) throw new ApiError(printable(result.error.message.replace(/^ERR\d+: /, "")));
      return {
        value: read(value, result.value, "value"),
        detail: read(detail, givenDetail, "detail"),
        raw: { value: result.value, ...(givenDetail !== undefined && { detail: givenDetail }) },
      };
    },
  };
}

/** @throws {ApiError} for a segment that a URL would resolve to another path. */
function pathOf(segments: readonly string[]): string {
  const dots = segments.find((segment) => DOTS.includes(segment));
  if (dots !== undefined) throw new ApiError(`"${dots}" is not a name`);
  return segments.map(encodeURIComponent).join("/");
}

/** The other side may be another version of Sealpost. */
function read<S extends v.GenericSchema>(schema: S, given: unknown, name: string): v.InferOutput<S> {
  const result = v.safeParse(schema, given);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const place = [name, v.getDotPath(issue)].filter((part) => part !== null).join(".");
  throw new ApiError(`The response is not as expected (${place}): is the server another version?`);
}
