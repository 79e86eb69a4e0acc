import type { HttpRequest } from "../../contracts/http-client.ts";
import type { Secret } from "../../domain/secret.ts";

interface SigningOptions {
  readonly accessKeyId: string;
  readonly secretKey: Secret;
  readonly region: string;
  /** The name of the service in its signatures. */
  readonly service: string;
  readonly now: Date;
}

const ALGORITHM = "AWS4-HMAC-SHA256";

/**
 * Signs a request without a query string ("AWS Signature Version 4 for API requests"). This is all that SES needs, so
 * there is no library for it.
 * @returns the request with the fields `X-Amz-Date` and `Authorization`.
 */
export async function signRequest(request: HttpRequest, options: SigningOptions): Promise<HttpRequest> {
  const { url, method, body } = request;
  const { accessKeyId, secretKey, region, service, now } = options;
  const time = now.toISOString().replace(/[-:]|\.\d+/g, "");
  const headers = { ...request.headers, "X-Amz-Date": time };
  const scope = [time.slice(0, 8), region, service, "aws4_request"];
  const signed = Object.entries({ ...headers, Host: url.host })
    .map(([name, value]) => [name.toLowerCase(), value.trim()] as const)
    .toSorted(([left], [right]) => (left < right ? -1 : 1));
  const names = signed.map(([name]) => name).join(";");
  const canonical = [
    method,
    // The path is encoded once more for every service but S3.
    url.pathname.split("/").map(encodePart).join("/"),
    "",
    ...signed.map((field) => field.join(":")),
    "",
    names,
    await sha256(body),
  ];
  const text = [ALGORITHM, time, scope.join("/"), await sha256(canonical.join("\n"))].join("\n");
  let key = utf8(`AWS4${secretKey.reveal()}`);
  for (const part of scope) key = await hmac(key, part);
  const signature = (await hmac(key, text)).toHex();
  const credential = [accessKeyId, ...scope].join("/");
  const authorization = `${ALGORITHM} Credential=${credential}, SignedHeaders=${names}, Signature=${signature}`;
  return { ...request, headers: { ...headers, Authorization: authorization } };
}

/** RFC 3986 2.3: `encodeURIComponent` leaves five reserved characters. */
function encodePart(part: string): string {
  return encodeURIComponent(part).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

async function hmac(key: Uint8Array<ArrayBuffer>, text: string): Promise<Uint8Array<ArrayBuffer>> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", key, algorithm, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, utf8(text)));
}

async function sha256(data: string | Uint8Array<ArrayBuffer>): Promise<string> {
  const bytes = typeof data === "string" ? utf8(data) : data;
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
