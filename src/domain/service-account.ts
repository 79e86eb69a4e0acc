/** A Google service account, from its key file. */
export interface ServiceAccount {
  /** Issuer of its assertions. */
  readonly email: string;
  /** PEM text. */
  readonly privateKey: string;
  /** `kid` of its assertions; `null` if the file has none. */
  readonly keyId: string | null;
  /** The number that an admin enters for domain-wide delegation; `null` if the file has none. */
  readonly clientId: string | null;
  /** `null` if the file has none. */
  readonly tokenUrl: string | null;
}

/** Reads the JSON key file of a Google service account. Returns `null` for anything else. */
export function parseServiceAccount(json: string): ServiceAccount | null {
  const file = parseObject(json);
  const text = (name: string): string | null => {
    const value = file?.get(name);
    return typeof value === "string" && value !== "" ? value : null;
  };
  const email = text("client_email");
  const privateKey = text("private_key");
  if (email === null || privateKey === null) return null;
  return {
    email,
    privateKey,
    keyId: text("private_key_id"),
    clientId: text("client_id"),
    tokenUrl: text("token_uri"),
  };
}

function parseObject(json: string): ReadonlyMap<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null ? new Map(Object.entries(value)) : null;
  } catch {
    return null;
  }
}
