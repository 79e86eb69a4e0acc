/** RFC 1035 2.3.4: labels of at most 63 octets, 253 in all. The underscore occurs in names of local networks. */
const HOST_NAME =
  /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
// These part a host from the rest of a URL: the URL parser must see nothing but a host.
const URL_SYNTAX = /[\s/?#@:\\%[\]]/u;
const ADDED_LABEL = ".x";

/**
 * Returns a host name as DNS has it: lower case, international labels as A-labels (RFC 5890) by UTS #46,
 * non-transitional, so that `faß` and `fass` stay two names. Returns `null` for anything else, a final dot included.
 */
export function asciiHostName(text: string): string | null {
  const ascii = /^[\x21-\x7e]*$/.test(text) ? text.toLowerCase() : toAscii(text);
  return ascii !== null && HOST_NAME.test(ascii) ? ascii : null;
}

/** The host parser of WHATWG URL applies UTS #46 on every runtime. */
function toAscii(text: string): string | null {
  if (URL_SYNTAX.test(text)) return null;
  // UTS #46 maps the capital letter to ß since Unicode 15.1; workerd's older tables make it "ss".
  const name = text.replaceAll("ẞ", "ß");
  // The added label keeps the parser from reading full-width digits as one of the historic forms of an IPv4 address.
  return URL.parse(`http://${name}${ADDED_LABEL}`)?.hostname.slice(0, -ADDED_LABEL.length) ?? null;
}
