import type { Context } from "hono";
import { incompleteBody, invalidParameter, SealpostError } from "../errors.ts";
import { isEscapedUtf8, isReading } from "./request.ts";

/** Parameters as the client sent them, by name. */
export type RawParameters = ReadonlyMap<string, unknown>;

const NO_PARAMETERS: RawParameters = new Map();

/** Named by errors about the body as a whole. */
const BODY = "body";

type ReadBody = (c: Context) => Promise<RawParameters>;
const BODY_READERS: Readonly<Record<string, ReadBody>> = {
  "application/json": async (c) => jsonParameters(await bodyText(c)),
  "application/x-www-form-urlencoded": formParameters,
  "multipart/form-data": multipartParameters,
};

/**
 * Reads the parameters of a request from its query and its body, which is JSON or a form. The body takes precedence.
 * Clients that encode the values of forms and queries twice are known by their User-Agent.
 * @throws {SealpostError} `invalid_parameter` for a malformed body or a duplicate key, `unsupported_media_type`
 */
export async function readParameters(c: Context): Promise<RawParameters> {
  const { url, raw } = c.req;
  const query = url.includes("?") ? formPairs(c, new URL(url).searchParams) : NO_PARAMETERS;
  const body = raw.body === null || isReading(c) ? NO_PARAMETERS : await readBody(c);
  return query.size === 0 ? body : new Map([...query, ...body]);
}

async function readBody(c: Context): Promise<RawParameters> {
  const header = c.req.header("content-type");
  const type = header?.split(";")[0]?.trim().toLowerCase() ?? "";
  const reader =
    BODY_READERS[type] ?? (type.endsWith("+json") ? BODY_READERS["application/json"] : undefined);
  if (reader) return reader(c);
  if ((await bodyOf(c)).byteLength === 0) return new Map();
  throw new SealpostError(
    "unsupported_media_type",
    `Send ${Object.keys(BODY_READERS).join(", ")}, not ${header === undefined ? "a body without Content-Type" : "this Content-Type"}`,
  );
}

async function bodyOf(c: Context): Promise<ArrayBuffer> {
  return c.req.arrayBuffer().catch((error) => {
    throw incompleteBody(error);
  });
}

/** ASCII in UTF-16 is UTF-8, too, with NUL. */
const NUL = /\0|%00/;

/** A form body that starts with `{` is JSON that curl sent with its default media type. */
async function formParameters(c: Context): Promise<RawParameters> {
  const bytes = new Uint8Array(await bodyOf(c));
  const text = utf8TextOf(bytes);
  if (text?.trimStart().startsWith("{")) return jsonParameters(text);
  if (text !== null && !NUL.test(text) && isEscapedUtf8(text)) return formPairs(c, new URLSearchParams(text));
  const { readFormBytes } = await import("./form-bytes.ts");
  return formPairs(c, readFormBytes(bytes));
}

async function multipartParameters(c: Context): Promise<RawParameters> {
  const bytes = new Uint8Array(await bodyOf(c));
  const { readMultipart } = await import("./form-bytes.ts");
  return formPairs(c, await readMultipart(bytes, c.req.header("content-type") ?? ""));
}

async function bodyText(c: Context): Promise<string> {
  const text = utf8TextOf(await bodyOf(c));
  if (text === null) throw invalidParameter(BODY, "expected UTF-8");
  return text;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** @returns `null` if the bytes are not UTF-8 */
function utf8TextOf(bytes: ArrayBuffer | Uint8Array<ArrayBuffer>): string | null {
  try {
    return utf8.decode(bytes);
  } catch {
    return null;
  }
}

function jsonParameters(text: string): RawParameters {
  if (text.trim() === "") return new Map();
  const value = parseJson(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalidParameter(BODY, "expected a JSON object");
  }
  const repeated = duplicateKey(text);
  if (repeated !== null) throw invalidParameter(repeated, "given more than once");
  return new Map(Object.entries(value));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message quotes the body, which may contain a secret.
    throw invalidParameter(BODY, "malformed JSON");
  }
}

/** Clients that encode values once more, by the first product of their User-Agent in lower case, and how to undo it. */
const DECODERS: ReadonlyMap<string, (text: string) => string> = new Map([
  ["privacyidea-keycloak", formDecoded],
  ["entraid-via-keycloak", formDecoded],
  ["privacyidea-shibboleth", formDecoded],
  ["privacyidea-shibboleth-plugin", formDecoded],
  ["privacyidea-gluu", formDecoded],
  ["freeradius", percentDecoded],
]);
/** RFC 9110 10.1.5: a product is a token, and its version follows a slash. */
const FIRST_PRODUCT = /^[\w!#$%&'*+.^`|~-]+(?=[/ \t]|$)/;
const ESCAPES = /(?:%[0-9a-f]{2})+/gi;

function formPairs(c: Context, pairs: Iterable<readonly [string, unknown]>): RawParameters {
  const found = uniquePairs(pairs);
  const [product = ""] = FIRST_PRODUCT.exec(c.req.header("user-agent") ?? "") ?? [];
  const decode = DECODERS.get(product.toLowerCase());
  if (!decode) return found;
  return new Map(
    [...found].map(([name, value]) => [name, typeof value === "string" ? decode(value) : value]),
  );
}

function formDecoded(text: string): string {
  return percentDecoded(text.replaceAll("+", " "));
}

/** Keeps what is not an escape of UTF-8. */
function percentDecoded(text: string): string {
  return text.replace(ESCAPES, (escapes) => (isEscapedUtf8(escapes) ? decodeURIComponent(escapes) : escapes));
}

function uniquePairs(pairs: Iterable<readonly [string, unknown]>): RawParameters {
  const found = new Map<string, unknown>();
  for (const [name, value] of pairs) {
    if (found.has(name)) throw invalidParameter(name, "given more than once");
    found.set(name, value);
  }
  return found;
}

const MARK = /["{}[\]:]/g;

/**
 * Returns the first key that occurs twice in one object of a JSON text, or `null`. `JSON.parse` silently uses the last
 * of duplicate keys, other programs use the first.
 * @param text well-formed JSON
 */
export function duplicateKey(text: string): string | null {
  const open: Set<string>[] = [];
  let lastString = "";
  const marks = new RegExp(MARK);
  for (let mark = marks.exec(text); mark !== null; mark = marks.exec(text)) {
    const { 0: sign, index } = mark;
    if (sign === '"') {
      marks.lastIndex = endOfString(text, index);
      lastString = text.slice(index, marks.lastIndex);
    } else if (sign === "{" || sign === "[") open.push(new Set());
    else if (sign === "}" || sign === "]") open.pop();
    else {
      const key: string = JSON.parse(lastString);
      const seen = open.at(-1);
      if (seen?.has(key)) return key;
      seen?.add(key);
    }
  }
  return null;
}

/**
 * Returns the index after a string of JSON. Not by a regular expression: JavaScriptCore gives up on long strings.
 * @param start index of its first quote.
 */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    let first = end;
    while (text[first - 1] === "\\") first--;
    if ((end - first) % 2 === 0) return end + 1;
  }
}
