import type { AdminName } from "./names.ts";

/** A request by which the operator uses an instance elsewhere. Everything here is signed. */
export interface OperatorCall {
  readonly method: string;
  /** Host and port as in the URL, so that another instance with the same keys does not accept the call. */
  readonly host: string;
  /** Path and query. */
  readonly path: string;
  /** Headers that change the meaning, by {@link SIGNED_HEADERS}; empty if the request does not have one. */
  readonly headers: readonly string[];
  /** SHA-256 of the body, in hex. */
  readonly bodyHash: string;
  /** Seconds since the Unix epoch. */
  readonly time: number;
  /** Random, and used once. */
  readonly nonce: string;
}

/** The credential of a call, in `Authorization`. */
interface OperatorCredential extends Pick<OperatorCall, "time" | "nonce" | "bodyHash"> {
  readonly keyId: string;
  /** HMAC-SHA-256. */
  readonly signature: Uint8Array<ArrayBuffer>;
}

/** Name of the header with the admin that a new API key belongs to, as {@link formatOwner} writes it. */
export const OWNER_HEADER = "sealpost-admin";
/** Names of the headers that an instance passes on to the route. */
export const SIGNED_HEADERS = [
  "content-type",
  "if-match",
  "if-none-match",
  "idempotency-key",
  OWNER_HEADER,
] as const;
export const NONCE_BYTES = 16;
/** Largest difference of the clocks, in seconds. */
export const MAX_CALL_AGE_SECONDS = 300;

const SCHEME = "Sealpost-Operator";
const CREDENTIAL = new RegExp(
  `^${SCHEME} key="([\\w-]{1,32})", time="(\\d{1,12})", nonce="([0-9a-f]{${2 * NONCE_BYTES}})", body="([0-9a-f]{64})", signature="([0-9a-f]{64})"$`,
  "i",
);

/** Returns the text that is signed. */
export function signedText(call: OperatorCall): string {
  const { method, host, path, headers, bodyHash, time, nonce } = call;
  // JSON keeps the fields apart; joined strings could be ambiguous.
  return JSON.stringify([SCHEME, 1, method, host, path, headers, bodyHash, time, nonce]);
}

/** Includes the hash of the body, so that the signature can be verified before the body is read. */
export function formatCredential(credential: OperatorCredential): string {
  const { keyId, time, nonce, bodyHash, signature } = credential;
  return `${SCHEME} key="${keyId}", time="${time}", nonce="${nonce}", body="${bodyHash}", signature="${signature.toHex()}"`;
}

/** Returns `null` for any other text. */
export function parseCredential(text: string): OperatorCredential | null {
  const [, keyId, time, nonce, bodyHash, signature] = CREDENTIAL.exec(text) ?? [];
  if (keyId === undefined || nonce === undefined || bodyHash === undefined || signature === undefined)
    return null;
  return {
    keyId,
    time: Number(time),
    nonce: nonce.toLowerCase(),
    bodyHash: bodyHash.toLowerCase(),
    signature: Uint8Array.fromHex(signature),
  };
}

/** Returns the name of an admin as a header may have it: the names may have any characters. */
export function formatOwner({ username, realm }: AdminName): string {
  return `${encodeURIComponent(username)}@${encodeURIComponent(realm)}`;
}
