import type { SealpostEvent } from "sealpost/plugin";

const SECRET_PREFIX = "whsec_";

/** Returns the key in a secret of Standard Webhooks, or `null` if the text is none. */
export function webhookKey(secret: string): Uint8Array<ArrayBuffer> | null {
  const [, key] = /^whsec_([A-Za-z\d+/]+={0,2})$/.exec(secret) ?? [];
  try {
    return key === undefined ? null : Uint8Array.fromBase64(key);
  } catch {
    return null;
  }
}

/**
 * Returns the headers of Standard Webhooks, of which receivers verify the signature.
 * @param secret `whsec_` and the key as base64.
 * @param seconds time of the attempt, in seconds since the epoch.
 * @throws {TypeError} for a secret without a key.
 */
export async function signedHeaders(
  secret: string,
  { id, seconds, body }: { readonly id: string; readonly seconds: number; readonly body: string },
): Promise<Record<string, string>> {
  const bytes = webhookKey(secret);
  if (bytes === null) throw new TypeError(`A secret starts with ${SECRET_PREFIX}`);
  const key = await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const signed = new TextEncoder().encode(`${id}.${seconds}.${body}`);
  const signature = new Uint8Array(await crypto.subtle.sign("HMAC", key, signed));
  return {
    "webhook-id": id,
    "webhook-timestamp": String(seconds),
    "webhook-signature": `v1,${signature.toBase64()}`,
  };
}

/**
 * Returns the body of an event. `data` has what the event itself has, in snake case, and who made the request, for an API
 * action and for what an admin changed. Events never contain a secret, a code, a subject or a body.
 */
export function webhookBody(event: SealpostEvent): string {
  const { name: type, at, plugin, action, status, success, actor, client, requestId } = event;
  const by = { admin: actor, client, request_id: requestId };
  const request = action === "" ? (actor === null ? {} : by) : { action, status, success, ...by };
  const known = Object.entries(event.data).filter(([, value]) => value !== "");
  const own = known.map(([name, value]) => [toSnakeCase(name), value]);
  const data = { ...Object.fromEntries(own), ...(plugin === "" ? {} : { plugin }), ...request };
  return JSON.stringify({ type, timestamp: at.toISOString(), data });
}

function toSnakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
