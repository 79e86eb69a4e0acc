import Ajv2020, { type ValidateFunction } from "ajv/dist/2020.js";
import type { TestResponse } from "../fixtures/request.ts";
import type { Operation, Schema } from "./document.ts";

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;
const ajv = new Ajv2020({ strict: false, allErrors: true, formats: { uuid: UUID } });
const validators = new WeakMap<Schema, ValidateFunction>();

/** @returns what the document does not allow about a response. `null` if nothing. */
export function problemOf(
  { responses }: Pick<Operation, "responses">,
  { status, headers, body }: Pick<TestResponse, "status" | "headers" | "body">,
): string | null {
  if (status >= 500) return `status ${status}`;
  const declared = responses[status];
  if (declared === undefined) return `status ${status} is not declared`;
  const [type = ""] = headers.get("content-type")?.split(";") ?? [];
  const schema = declared[type];
  if (schema === undefined) return `status ${status} has the type "${type}"`;
  if (type !== "application/json") return null;
  const validate = validators.get(schema) ?? ajv.compile(closed(schema));
  validators.set(schema, validate);
  if (validate(body)) return null;
  return `status ${status}: ${ajv.errorsText(validate.errors, { dataVar: "body" })}`;
}

/** The schema without properties that it does not name: clients would not know them. */
function closed(schema: Schema): Schema {
  return JSON.parse(JSON.stringify(schema), (_, node) =>
    isObject(node) && node.additionalProperties === undefined
      ? { ...node, additionalProperties: false }
      : node,
  );
}

const isObject = (node: unknown): node is Schema =>
  typeof node === "object" &&
  node !== null &&
  "properties" in node &&
  "type" in node &&
  node.type === "object";
