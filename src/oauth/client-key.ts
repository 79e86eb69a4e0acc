/** The kinds of key that sign assertions, by the names of `smime/`. */
type ClientKeyAlgorithm = "rsa" | "p256" | "p384" | "p521" | "ed25519";

/** A private key that signs assertions. */
interface ClientKey {
  /** `PrivateKeyInfo` (RFC 5958), not encrypted. */
  readonly pkcs8: Uint8Array<ArrayBuffer>;
  readonly algorithm: ClientKeyAlgorithm;
}

/** Reads a private key in PEM. Rejects if there is none. */
export type ReadClientKey = (pem: string) => Promise<ClientKey>;

/** Returns the DER of the first certificate of a PEM text; `null` if there is none. */
export type ReadCertificate = (pem: string) => Uint8Array<ArrayBuffer> | null;

type ImportParams = Parameters<SubtleCrypto["importKey"]>[2];

/** RFC 7518 3.1 and RFC 9864: PS256, ES256, ES384, ES512 and Ed25519. */
const CLIENT_ALGORITHMS: Readonly<Record<ClientKeyAlgorithm, ImportParams>> = {
  rsa: { name: "RSA-PSS", hash: "SHA-256" },
  p256: { name: "ECDSA", namedCurve: "P-256" },
  p384: { name: "ECDSA", namedCurve: "P-384" },
  p521: { name: "ECDSA", namedCurve: "P-521" },
  ed25519: { name: "Ed25519" },
};
const RS256 = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };

/** Imports a key for private_key_jwt. */
export function importClientKey({ pkcs8, algorithm }: ClientKey): Promise<CryptoKey> {
  return crypto.subtle.importKey("pkcs8", pkcs8, CLIENT_ALGORITHMS[algorithm], false, ["sign"]);
}

/** The thumbprints of a certificate: base64url of SHA-256 (RFC 7515 4.1.8), and hex of SHA-1, as Microsoft shows it. */
export interface Thumbprints {
  readonly sha256: string;
  readonly sha1: string;
}

/** Returns the thumbprints of a certificate in DER. */
export async function thumbprintsOf(der: Uint8Array<ArrayBuffer>): Promise<Thumbprints> {
  const digest = async (name: string) => new Uint8Array(await crypto.subtle.digest(name, der));
  return {
    sha256: toBase64url(await digest("SHA-256")),
    sha1: (await digest("SHA-1")).toHex().toUpperCase(),
  };
}

/** Signs a JWT with RS256 (RFC 7515 7.1, RFC 7518 3.3). */
export async function signRs256(
  header: Readonly<Record<string, unknown>>,
  claims: Readonly<Record<string, unknown>>,
  { pkcs8 }: ClientKey,
): Promise<string> {
  const key = await crypto.subtle.importKey("pkcs8", pkcs8, RS256, false, ["sign"]);
  const signed = [{ alg: "RS256", typ: "JWT", ...header }, claims].map(encodeJson).join(".");
  const signature = await crypto.subtle.sign(RS256.name, key, new TextEncoder().encode(signed));
  return `${signed}.${toBase64url(new Uint8Array(signature))}`;
}

function encodeJson(value: unknown): string {
  return toBase64url(new TextEncoder().encode(JSON.stringify(value)));
}

function toBase64url(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}
