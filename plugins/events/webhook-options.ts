import {
  CENSORED,
  invalidParameter,
  isSafeUrl,
  jsonObject,
  missingParameter,
  type PluginContext,
} from "sealpost/plugin";
import * as v from "valibot";
import { type Binding, binding } from "./store.ts";
import { webhookKey } from "./webhook-request.ts";

const MAX_URL = 2_000;
const MIN_KEY_BYTES = 24;
const MAX_KEY_BYTES = 64;
const MAX_HEADERS = 20;
const MAX_HEADER_CHARACTERS = 4_000;
/** RFC 9110 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~\w-]{1,100}$/;
/** Visible ASCII, with blanks inside. */
const FIELD_VALUE = /^[!-~]([ -~]*[!-~])?$/;
/** Fields that the connection, the body or the signature determines (RFC 9110 7.6.1). */
const RESERVED =
  /^(connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|host|expect|date|content-.*|accept-encoding|webhook-.*)$/i;

/** `https:`, or `http:` to loopback, without user and fragment. */
export const webhookUrl = v.pipe(
  v.string("expected a URL"),
  v.maxLength(MAX_URL, `expected at most ${MAX_URL} characters`),
  v.check(
    (text) => isSafeUrl(text),
    "expected an https URL without user and fragment; http only to a loopback address",
  ),
);

/** A secret, `__CENSORED__` to keep the stored one, or an empty text. */
export const webhookSecret = v.pipe(
  v.string("expected whsec_ and a key as base64"),
  v.check((text) => {
    const length = webhookKey(text)?.length ?? 0;
    return isKept(text) || text === "" || (length >= MIN_KEY_BYTES && length <= MAX_KEY_BYTES);
  }, `expected whsec_ and ${MIN_KEY_BYTES} to ${MAX_KEY_BYTES} bytes as base64`),
);

const headerFields = v.pipe(
  jsonObject,
  v.record(
    v.pipe(
      v.string(),
      v.regex(TOKEN, "expected names of header fields"),
      v.check((name) => !RESERVED.test(name), "expected no header field that Sealpost sets itself"),
    ),
    v.pipe(
      v.string("expected texts as values"),
      v.maxLength(MAX_HEADER_CHARACTERS, `expected values of at most ${MAX_HEADER_CHARACTERS} characters`),
      v.regex(FIELD_VALUE, "expected values of visible ASCII characters"),
    ),
  ),
  v.check(
    (fields) =>
      new Set(Object.keys(fields).map((name) => name.toLowerCase())).size === Object.keys(fields).length,
    "expected each header field once",
  ),
  v.check(
    (fields) => Object.keys(fields).length <= MAX_HEADERS,
    `expected at most ${MAX_HEADERS} header fields`,
  ),
);

/** An object of header fields or its JSON, `__CENSORED__` to keep the stored ones, or an empty text. */
export const webhookHeaders = v.pipe(
  // The literal lets an empty text through, which clears the stored value.
  v.union([v.literal(""), v.string(), v.record(v.string(), v.unknown())], "expected a JSON object"),
  v.rawTransform(({ dataset, addIssue, NEVER }): string => {
    const given = dataset.value;
    if (typeof given === "string" && (isKept(given) || given === "")) return given;
    const result = v.safeParse(headerFields, given);
    if (result.success) return JSON.stringify(result.output);
    addIssue({ message: result.issues[0].message });
    return NEVER;
  }),
);

function isKept(text: string): boolean {
  return text === CENSORED;
}

/** The secrets of a webhook as a request has them: `undefined` or `__CENSORED__` keeps the stored one. */
export interface GivenSecrets {
  readonly secret: string | undefined;
  readonly headers: string | undefined;
}
export type SealedSecrets = Pick<Binding, "sealId" | "secret" | "headers">;
export const NO_SECRETS: SealedSecrets = { sealId: "", secret: "", headers: "" };

/**
 * Returns the encrypted secrets of a webhook to save.
 * @param stored the binding to replace; `undefined` for a new one.
 * @throws {SealpostError} `missing_parameter` without a secret; `invalid_parameter` if there is nothing to keep, or if a
 * stored value would go to another URL.
 */
export async function sealSecrets(
  { secrets, random }: Pick<PluginContext, "secrets" | "random">,
  given: GivenSecrets,
  { url, stored }: { readonly url: string; readonly stored: Binding | undefined },
): Promise<SealedSecrets> {
  const sealId = stored?.sealId || random.id();
  const sealedOf = async (name: keyof GivenSecrets): Promise<string> => {
    const value = given[name];
    if (value !== undefined && !isKept(value)) return secrets.seal(binding[name], sealId, value);
    const kept = stored?.[name] ?? "";
    if (kept === "" && value !== undefined)
      throw invalidParameter(`option.${name}`, "no stored value to keep; send the value itself");
    if (kept !== "" && stored?.options.url !== url)
      throw invalidParameter(`option.${name}`, "required again, because option.url changed");
    return kept;
  };
  const sealed = { sealId, secret: await sealedOf("secret"), headers: await sealedOf("headers") };
  if (sealed.secret === "") throw missingParameter("option.secret");
  return sealed;
}
