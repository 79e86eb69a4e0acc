import { describeRoute, resolver } from "hono-openapi";
import * as v from "valibot";

type Described = Parameters<typeof describeRoute>[0];

const time = v.pipe(v.number(), v.description("Seconds since the epoch"));

/** The schema of a good answer around its value. */
function successSchema(value: v.GenericSchema, detail?: v.GenericSchema) {
  return v.object({
    jsonrpc: v.literal("2.0"),
    id: v.number(),
    result: v.object({ status: v.literal(true), value, authentication: v.optional(v.string()) }),
    ...(detail ? { detail: v.optional(detail) } : {}),
    time,
    version: v.string(),
    versionnumber: v.string(),
  });
}

/** The schema of every refusal. */
const errorSchema = v.object({
  jsonrpc: v.literal("2.0"),
  id: v.number(),
  result: v.object({
    status: v.literal(false),
    error: v.object({ code: v.pipe(v.number(), v.integer()), message: v.string() }),
  }),
  detail: v.nullable(v.record(v.string(), v.unknown())),
  time,
  version: v.string(),
});

const FORM_TYPES = ["application/x-www-form-urlencoded", "multipart/form-data"];
const REFUSALS: Readonly<Record<number, string>> = {
  400: "A parameter is missing or wrong",
  401: "Not authenticated",
  403: "The right is missing",
  404: "There is no such thing",
  409: "It does not fit what is there, or somebody else changes the same thing",
  412: "The definition is not the one that the condition names",
  413: "The body is larger than 256 KiB",
  415: "The body is of another media type",
  429: "Too many tries",
  503: "The database is unavailable or too slow, or too many passwords wait to be checked",
};

interface OperationDoc {
  readonly summary: string;
  readonly operationId: string;
  readonly tag: string;
  /** Description of the value, and of `detail`. */
  readonly answer: v.GenericSchema;
  readonly detail?: v.GenericSchema;
  /** The parameters that a body may carry; listed for each media type that is read. */
  readonly body?: v.GenericSchema;
  readonly refusals?: readonly (keyof typeof REFUSALS)[];
  /** No token is needed. */
  readonly open?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  /** Media type of an answer that is no envelope, such as a page; `answer` then describes all of it. */
  readonly media?: string;
}

/** Describes one operation for the document of the interface. */
export function operation(doc: OperationDoc) {
  const refused = [
    ...(doc.open ? [] : [400, 401, 403]),
    ...(doc.body ? [400, 413, 415] : []),
    ...(doc.refusals ?? []),
    503,
  ];
  const refusal = { content: { "application/json": { schema: resolver(errorSchema) } } };
  const responses = Object.fromEntries(
    refused.map((status) => [String(status), { description: REFUSALS[status] ?? "Refused", ...refusal }]),
  );
  const good = {
    description: "Done",
    content: doc.media
      ? { [doc.media]: { schema: resolver(doc.answer) } }
      : { "application/json": { schema: resolver(successSchema(doc.answer, doc.detail)) } },
  };
  const described: Described = {
    summary: doc.summary,
    operationId: doc.operationId,
    tags: [doc.tag],
    responses: { 200: good, ...responses },
    ...(doc.open ? { security: [] } : {}),
    ...(doc.body ? { requestBody: formBody(doc.body) } : {}),
    ...(doc.headers ? { parameters: headerParameters(doc.headers) } : {}),
  };
  return describeRoute(described);
}

/** The JSON body comes from the middleware that checks it. */
function formBody(schema: v.GenericSchema) {
  return { content: Object.fromEntries(FORM_TYPES.map((type) => [type, { schema: resolver(schema) }])) };
}

function headerParameters(headers: Readonly<Record<string, string>>) {
  return Object.entries(headers).map(([name, description]) => ({
    name,
    description,
    in: "header",
    required: false,
    schema: { type: "string" as const },
  }));
}
