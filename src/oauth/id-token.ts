/** OpenID Connect Core 5.1, and Microsoft's name for the account. */
const MAILBOX_CLAIMS = ["email", "preferred_username", "upn"] as const;

/**
 * Returns the mailboxes and account names in an ID token. Its signature is not verified: it came directly from the token
 * endpoint (OpenID Connect Core 3.1.3.7). Empty if it has none, or is no JWT.
 */
export function accountsIn(idToken: string): readonly string[] {
  const claims = claimsOf(idToken);
  return MAILBOX_CLAIMS.flatMap((name) => {
    const value = claims.get(name);
    return typeof value === "string" && value !== "" ? [value] : [];
  });
}

function claimsOf(idToken: string): ReadonlyMap<string, unknown> {
  try {
    const payload = Uint8Array.fromBase64(idToken.split(".")[1] ?? "", { alphabet: "base64url" });
    const claims: unknown = JSON.parse(new TextDecoder().decode(payload));
    return new Map(typeof claims === "object" && claims !== null ? Object.entries(claims) : []);
  } catch {
    return new Map();
  }
}
