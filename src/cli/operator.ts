import * as v from "valibot";
import { formatCredential, NONCE_BYTES, SIGNED_HEADERS, signedText } from "../domain/operator-call.ts";
import { PLATFORM } from "../runtime/platform.ts";
import { type Keyring, parseKeyring } from "../secrets/keyring.ts";
import { ApiError, type Send } from "./api.ts";

/** `result.error.code` for a URL without a route. */
const NO_ROUTE = 404;
const errorEnvelope = v.object({ result: v.object({ error: v.object({ code: v.number() }) }) });

/** Returns the keys from which the operator key follows; `null` if the environment has none. */
export function operatorKeys(): Keyring | null {
  const { SEALPOST_KEYS: keys = "" } = process.env;
  return keys === "" ? null : parseKeyring(keys);
}

/**
 * Signs requests with the operator key, which is never sent itself.
 * @param send sends them to the instance.
 * @param base URL of the instance.
 */
export function signing(send: Send, base: string, keyring: Keyring): Send {
  return async (path, init) => {
    const headers = new Headers(init.headers);
    const authorization = await credentialOf(
      keyring,
      new URL(path, base),
      init.method ?? "GET",
      headers,
      init.body,
    );
    const response = await send(path, {
      ...init,
      headers: { ...Object.fromEntries(headers), authorization },
    });
    const { host } = new URL(base);
    if (response.status === 401)
      throw new ApiError(
        `${host} does not accept the operator key: SEALPOST_KEYS needs a key of that instance, and the clocks may differ by 5 minutes`,
      );
    if (response.status === 404 && (await codeOf(response)) === NO_ROUTE)
      throw new ApiError(`${host} takes no operator key, as only Workers do: set SEALPOST_API_KEY`);
    return response;
  };
}

async function credentialOf(
  keyring: Keyring,
  { host, pathname, search }: URL,
  method: string,
  headers: Headers,
  body: RequestInit["body"],
): Promise<string> {
  const bytes = new TextEncoder().encode(typeof body === "string" ? body : "");
  const call = {
    method,
    host,
    path: pathname + search,
    headers: SIGNED_HEADERS.map((name) => headers.get(name) ?? ""),
    bodyHash: new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex(),
    time: Math.floor(PLATFORM.now().getTime() / 1_000),
    nonce: PLATFORM.randomBytes(NONCE_BYTES).toHex(),
  };
  const keyId = keyring.sealingId;
  const text = new TextEncoder().encode(signedText(call));
  const signature = await crypto.subtle.sign("HMAC", await keyring.operatorKey(keyId), text);
  return formatCredential({ ...call, keyId, signature: new Uint8Array(signature) });
}

async function codeOf(response: Response): Promise<number | null> {
  const given = await response
    .clone()
    .json()
    .catch(() => null);
  const envelope = v.safeParse(errorEnvelope, given);
  return envelope.success ? envelope.output.result.error.code : null;
}
