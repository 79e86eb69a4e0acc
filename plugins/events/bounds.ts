/** The domains that fixed recipients may have. */
export interface RecipientBounds {
  /** Whether there are any bounds. */
  readonly isBounded: boolean;
  /** Whether a domain, or the host of a URL, is one of them or lies within. */
  includes(domain: string): boolean;
}

const DOMAIN = /^[a-z\d]([a-z\d.-]*[a-z\d])?$/;

/** Returns the domain as hosts of URLs are written, with A-labels in lower case; `null` if it is none. */
export function canonicalDomain(domain: string): string | null {
  const url = URL.parse(`http://${domain}/`);
  const isHost = url !== null && url.href === `http://${url.hostname}/` && !/[/?#@:\\]/.test(domain);
  return isHost && DOMAIN.test(url.hostname) ? url.hostname : null;
}

/** @param domains canonical. None: any domain. */
export function createRecipientBounds(domains: readonly string[]): RecipientBounds {
  return {
    isBounded: domains.length > 0,
    includes(domain) {
      const name = canonicalDomain(domain);
      return domains.length === 0 || domains.some((one) => name === one || name?.endsWith(`.${one}`));
    },
  };
}
