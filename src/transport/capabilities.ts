/** What a server's answer to EHLO says (RFC 5321 4.1.1.1). */
export interface Capabilities {
  /** Keywords in upper case. */
  readonly keywords: ReadonlySet<string>;
  /** SASL mechanisms in upper case (RFC 4954 3). */
  readonly mechanisms: ReadonlySet<string>;
  /** Largest message in octets (RFC 1870); null if not said, or unlimited. */
  readonly sizeOctets: number | null;
}

/** What is known when the server only speaks HELO. */
export const NO_CAPABILITIES: Capabilities = { keywords: new Set(), mechanisms: new Set(), sizeOctets: null };

export function parseCapabilities(lines: readonly string[]): Capabilities {
  // The first line is the server's name and a greeting. Old servers write AUTH=LOGIN.
  const entries = lines.slice(1).map((line) =>
    line
      .trim()
      .toUpperCase()
      .split(/[\s=]+/),
  );
  const size = Number(entries.find(([keyword]) => keyword === "SIZE")?.[1] ?? 0);
  return {
    keywords: new Set(entries.map(([keyword = ""]) => keyword)),
    mechanisms: new Set(entries.filter(([keyword]) => keyword === "AUTH").flatMap(([, ...names]) => names)),
    sizeOctets: Number.isSafeInteger(size) && size > 0 ? size : null,
  };
}

export type Mechanism = "PLAIN" | "LOGIN" | "CRAM-MD5";

/** In order of preference: in clear, the one that does not show the password comes first. */
const PREFERENCE = {
  tls: ["PLAIN", "LOGIN", "CRAM-MD5"],
  clear: ["CRAM-MD5", "PLAIN", "LOGIN"],
} as const satisfies Record<string, readonly Mechanism[]>;

/** The mechanism to log in with; null if the server offers none that we have. */
export function chooseMechanism(capabilities: Capabilities, isTls: boolean): Mechanism | null {
  const order = PREFERENCE[isTls ? "tls" : "clear"];
  return order.find((mechanism) => capabilities.mechanisms.has(mechanism)) ?? null;
}
