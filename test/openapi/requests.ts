import fc from "fast-check";
import type { RequestOptions } from "../fixtures/request.ts";
import type { Operation, Parameter, Schema } from "./document.ts";
import type { Known } from "./preparations.ts";
import { valuesOf, WRONG_VALUES } from "./values.ts";

/** Stands for the value that is right when the request is sent. */
const KNOWN = Symbol("known");

type Values = Readonly<Record<string, unknown>>;
type Form = "json" | "form" | "multipart";

/** A request before the known values are filled in. */
export interface Draft {
  readonly values: Values;
  readonly form: Form;
  readonly token: "right" | "none" | "garbage";
  /** Sent in place of the parameters of the body. */
  readonly raw: string | null;
}

/** Every other request is meant to be right; of the others, three have a single fault. */
const KINDS = ["right", "near", "right", "any", "right", "near", "right", "raw", "right", "near"] as const;

/** Optional in the document, because it depends on the others whether they are needed. */
const NEEDED =
  "server recipient to text private_key certificate username user password email serial pass otppin description transaction_id state code".split(
    " ",
  );
/** These are right only together with others. */
const DEPENDENT = /^(oauth_|tls|smime|dont_send|If-|auth$|error)/;

/** @param index of the request among those of the operation */
export function draftAt({ parameters }: Operation, known: Known, index: number): fc.Arbitrary<Draft> {
  const kind = KINDS[index % KINDS.length];
  const right = rightValues(parameters, known);
  const near = fc.tuple(right, faultIn(parameters)).map(([values, fault]) => ({ ...values, ...fault }));
  const values = kind === "any" ? anyValues(parameters) : kind === "near" ? near : right;
  const token = kind === "any" ? fc.constantFrom("right", "none", "garbage") : fc.constant("right");
  const raw = kind === "raw" ? RAW_BODIES : fc.constant(null);
  return fc.record<Draft>({
    values,
    raw,
    token: token as fc.Arbitrary<Draft["token"]>,
    form: fc.constantFrom<Form>("json", "form", "multipart"),
  });
}

const RAW_BODIES = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.json(),
  fc.json().map((text) => text.slice(0, -1)),
);

function rightValues(parameters: readonly Parameter[], known: Known): fc.Arbitrary<Values> {
  const given = parameters.filter(
    ({ name, schema, isRequired }) =>
      isRequired || (!DEPENDENT.test(name) && (name in known || isSelfEvident(schema))),
  );
  const entries = given.map(({ name, schema, isRequired }) => {
    const value = name in known ? fc.constant(KNOWN) : valuesOf(schema);
    const isNeeded = isRequired || NEEDED.includes(name);
    return [name, isNeeded ? value : fc.option(value, { freq: 1, nil: undefined })] as const;
  });
  return fc.record(Object.fromEntries(entries));
}

function isSelfEvident({ type, enum: choices }: Schema): boolean {
  return choices !== undefined || type === "boolean" || type === "integer";
}

function faultIn(parameters: readonly Parameter[]): fc.Arbitrary<Values> {
  const unknown = { name: "an_unknown_one", schema: {} };
  return fc
    .constantFrom(unknown, ...parameters)
    .chain(({ name, schema }) =>
      fc.oneof(valuesOf(schema), WRONG_VALUES, fc.constant(undefined)).map((value) => ({ [name]: value })),
    );
}

function anyValues(parameters: readonly Parameter[]): fc.Arbitrary<Values> {
  const all = parameters.map(({ name, schema }) => [name, fc.oneof(valuesOf(schema), WRONG_VALUES)] as const);
  return fc.record(Object.fromEntries(all), { requiredKeys: [] });
}

export interface GeneratedRequest {
  readonly method: string;
  readonly path: string;
  readonly options: RequestOptions;
}

/** Fills in the known values. @returns the request to send. */
export function requestOf(
  { method, path, parameters }: Operation,
  draft: Draft,
  known: Known,
): GeneratedRequest {
  const value = (name: string) => (draft.values[name] === KNOWN ? known[name] : draft.values[name]);
  const placeOf = (name: string) => parameters.find((one) => one.name === name)?.in ?? "body";
  const given = (place: Parameter["in"]): Values =>
    Object.fromEntries(
      Object.keys(draft.values)
        .filter((name) => placeOf(name) === place && value(name) !== undefined)
        .map((name) => [name, value(name)]),
    );
  const content = method === "GET" || method === "DELETE" ? {} : contentOf(draft, given("body"));
  return {
    method,
    path: path.replaceAll(/\{(\w+)\}/g, (_, name: string) => segment(value(name))),
    options: {
      ...content,
      ...(draft.token !== "right" && { token: draft.token === "none" ? null : "x.y.z" }),
      query: mapValues(given("query"), text),
      headers: { ...content.headers, ...mapValues(given("header"), header) },
    },
  };
}

function contentOf({ form, raw }: Draft, body: Values): RequestOptions {
  const type = form === "form" ? "application/x-www-form-urlencoded" : "application/json";
  if (raw !== null) return { body: raw.toWellFormed(), headers: { "content-type": type } };
  if (Object.keys(body).length === 0) return {};
  const isFlat = Object.values(body).every((one) => typeof one !== "object");
  return isFlat && form !== "json" ? { [form]: mapValues(body, text) } : { json: body };
}

const mapValues = (values: Values, show: (value: unknown) => string) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name.toWellFormed(), show(value)]));

const text = (value: unknown): string =>
  (typeof value === "object" ? JSON.stringify(value) : String(value)).toWellFormed();
/** A part of a path. Empty ones and dots would name another path. */
const segment = (value: unknown) => encodeURIComponent(text(value).replace(/^\.{0,2}$/, "x"));
const MAX_HEADER = 1_000;
/** A header has visible ASCII only. */
const header = (value: unknown) =>
  text(value)
    .replaceAll(/[^\x21-\x7e]/g, "")
    .slice(0, MAX_HEADER);
