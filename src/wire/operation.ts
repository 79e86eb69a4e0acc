import type { MiddlewareHandler } from "hono";
import { type DescribeRouteOptions, describeRoute, resolver, uniqueSymbol } from "hono-openapi";
import * as v from "valibot";
import type { Env } from "../contracts/env.ts";
import type { ErrorStatus, Route, RouteDescription } from "../contracts/route.ts";
import { noticeEntries, success } from "./envelope.ts";
import { actionOf, eventNameOf, isGuardedWrite } from "./route.ts";
import { named } from "./schemas.ts";

type Declaration = Route["declaration"];
type Described = DescribeRouteOptions;

const JSON_TYPE = "application/json";
/** JSON first: a generated client sends the first that it knows. */
const BODY_TYPES = [JSON_TYPE, "application/x-www-form-urlencoded", "multipart/form-data"];
const ARTICLES = ["a", "an", "the"];
const EXAMPLE_TIME = new Date("2026-06-01T12:00:00Z");

/** Error responses by status; each is a component of the document. */
const ERRORS: Readonly<Record<ErrorStatus, readonly [name: string, description: string]>> = {
  400: ["BadRequest", "A parameter is missing or invalid"],
  401: ["Unauthorized", "Not authenticated"],
  403: ["Forbidden", "The right is missing"],
  404: ["NotFound", "Not found"],
  409: ["Conflict", "Conflict with the current state or with a concurrent change"],
  412: ["PreconditionFailed", "The definition does not match the condition"],
  413: ["ContentTooLarge", "The body is larger than 256 KiB"],
  415: ["UnsupportedMediaType", "The media type of the body is not supported"],
  429: ["TooManyRequests", "Too many attempts"],
  503: [
    "ServiceUnavailable",
    "The database is unavailable or too slow, or too many password checks are waiting",
  ],
};

/** The header of routes that send at most one message for a key. */
export const IDEMPOTENCY_HEADER = {
  "Idempotency-Key": "Repeating a request with the same key within 24 hours returns the first response",
} as const;

const time = v.pipe(v.number(), v.description("Seconds since the epoch"));

const errorSchema = named(
  "Error",
  v.object({
    jsonrpc: v.literal("2.0"),
    id: v.number(),
    result: v.object({
      status: v.literal(false),
      error: v.object({ code: v.pipe(v.number(), v.integer()), message: v.string() }),
    }),
    detail: v.nullable(v.record(v.string(), v.unknown())),
    time,
    version: v.string(),
  }),
);

/** The error responses, for the components of the document. */
export const errorResponses = Object.fromEntries(
  Object.values(ERRORS).map(([name, description]) => [
    name,
    { description, content: { [JSON_TYPE]: { schema: resolver(errorSchema) } } },
  ]),
);

/** The schema of a success envelope. */
function envelopeSchema(value: v.GenericSchema, detail: v.GenericSchema | undefined) {
  const details: Readonly<Record<string, v.GenericSchema>> = detail ? { detail: v.optional(detail) } : {};
  return v.object({
    jsonrpc: v.literal("2.0"),
    id: v.number(),
    result: v.object({ status: v.literal(true), value, authentication: v.optional(v.string()) }),
    ...details,
    time,
    version: v.string(),
    versionnumber: v.string(),
  });
}

function detailOf(declaration: Declaration): v.GenericSchema | undefined {
  const { detail } = declaration;
  if (!isGuardedWrite(declaration)) return detail;
  if (detail === undefined) return v.object(noticeEntries);
  return "entries" in detail ? v.object({ ...Object(detail.entries), ...noticeEntries }) : detail;
}

/** Describes a route for the OpenAPI document. The returned handlers only carry the description. */
export function describeOperation(declaration: Declaration): MiddlewareHandler<Env>[] {
  const { path, query } = declaration.parameters ?? {};
  return [
    describeRoute(specOf(declaration)),
    ...(path ? [carrying({ target: "param", ...resolver(path) })] : []),
    ...(query ? [carrying({ target: "query", ...resolver(query) })] : []),
  ];
}

/** Returns a handler with the description of some parameters. */
function carrying(description: object): MiddlewareHandler<Env> {
  const pass: MiddlewareHandler<Env> = async (_, next) => next();
  return Object.assign(pass, { [uniqueSymbol]: description });
}

function specOf(declaration: Declaration): Described {
  const { method, path, summary, description, tag, open, headers = {}, parameters = {} } = declaration;
  const operationId = operationIdOf(declaration);
  return {
    summary: summary ?? actionOf(method, path),
    operationId,
    responses: { 200: successResponse(declaration, operationId), ...errorsOf(declaration) },
    ...(description && { description }),
    ...(tag && { tags: [tag.name] }),
    ...(open && { security: [] }),
    ...(parameters.body && { requestBody: requestBody(parameters.body, operationId, declaration.example) }),
    parameters: Object.entries(headers).map(([name, text]) => ({
      name,
      description: text,
      in: "header" as const,
      required: false,
      schema: { type: "string" as const },
    })),
  };
}

/** Returns the declared id, or the summary in camel case: `Delete a policy` is `deletePolicy`. */
function operationIdOf({ method, path, summary = "", operationId }: Declaration): string {
  const words = summary.toLowerCase().match(/[a-z0-9]+/g) ?? [];
  const [first, ...others] = words.filter((word) => !ARTICLES.includes(word));
  return (
    operationId ?? (first ? first + others.map(capitalized).join("") : eventNameOf(actionOf(method, path)))
  );
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function successResponse(declaration: Declaration, operationId: string) {
  const { response = v.unknown(), media, example } = declaration;
  if (media) return { description: "Done", content: { [media]: { schema: resolver(response) } } };
  const name = `${capitalized(operationId)}Response`;
  const schema = resolver(named(name, envelopeSchema(response, detailOf(declaration))));
  const shown = example?.value === undefined ? {} : { example: success(example.value, EXAMPLE_TIME) };
  return { description: "Done", content: { [JSON_TYPE]: { schema, ...shown } } };
}

/** References to the error responses that follow from the right and the parameters, and to those declared. */
function errorsOf({ open, parameters, errors = [] }: Declaration) {
  const statuses: readonly ErrorStatus[] = [
    ...(open ? [] : ([400, 401, 403] as const)),
    ...(parameters?.path || parameters?.query ? ([400] as const) : []),
    ...(parameters?.body ? ([400, 413, 415] as const) : []),
    ...errors,
    503,
  ];
  return Object.fromEntries(
    statuses.map((status) => [status, { $ref: `#/components/responses/${ERRORS[status][0]}` }]),
  );
}

function requestBody(body: v.GenericSchema, operationId: string, example: RouteDescription["example"]) {
  const name = `${capitalized(operationId)}Request`;
  const schema = resolver(named(name, body));
  const content = Object.fromEntries(BODY_TYPES.map((type) => [type, { schema }]));
  return {
    required: true,
    content: example?.body ? { ...content, [JSON_TYPE]: { schema, example: example.body } } : content,
  };
}
