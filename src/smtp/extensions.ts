/** The service extensions that a server lists in its reply to EHLO (RFC 5321 2.2 and 4.1.1.1). */
export interface Extensions {
  /** The lines after the first one, which holds the server's name and a greeting. */
  readonly lines: readonly string[];
  /** Keywords in upper case. */
  readonly keywords: ReadonlySet<string>;
  /** SASL mechanisms in upper case, as ordered by the server (RFC 4954 3). */
  readonly mechanisms: readonly string[];
  /** Largest message in octets (RFC 1870 4); null if the server declares no limit. */
  readonly sizeOctets: number | null;
}

/** A server that was not asked, or that only understands HELO. */
export const NO_EXTENSIONS: Extensions = { lines: [], keywords: new Set(), mechanisms: [], sizeOctets: null };

/** Reads the lines of a reply to EHLO. */
export function parseExtensions(reply: readonly string[]): Extensions {
  const lines = reply.slice(1).map((line) => line.trim());
  // Old servers write AUTH=LOGIN.
  const entries = lines.map((line) => line.toUpperCase().split(/[\s=]+/));
  const mechanisms = entries.flatMap(([keyword, ...names]) => (keyword === "AUTH" ? names : []));
  return {
    lines,
    keywords: new Set(entries.flatMap(([keyword = ""]) => (keyword === "" ? [] : [keyword]))),
    mechanisms: [...new Set(mechanisms.filter((name) => name !== ""))],
    sizeOctets: parseSize(entries.find(([keyword]) => keyword === "SIZE")?.[1]),
  };
}

/** RFC 1870 4: a parameter of digits only; zero and anything else set no limit. */
function parseSize(parameter: string | undefined): number | null {
  if (parameter === undefined || !/^\d{1,20}$/.test(parameter)) return null;
  const size = Number(parameter);
  return Number.isSafeInteger(size) && size > 0 ? size : null;
}
