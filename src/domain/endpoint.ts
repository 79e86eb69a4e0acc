import { invalidParameter } from "../errors.ts";
import { asciiHostName, canonicalIp, type EgressPolicy } from "./network.ts";
import type { Endpoint, MailApi, Security, ServerDefinition } from "./smtp-server.ts";

/** RFC 8314 7.3: the port of implicit TLS submission. */
const IMPLICIT_TLS_PORT = 465;
const MAX_PORT = 65_535;
/** Historic forms of an IPv4 address, which resolvers still accept: `10`, `0x7f.1` (WHATWG URL, "ends in a number"). */
const ENDS_IN_NUMBER = /(^|\.)(\d+|0x[0-9a-f]*)\.?$/i;
const SERVER = /^(?:(smtps?):\/\/)?(\[[0-9a-f:.]+\]|[^[\]:/?#@\s]+)(?::(\d{1,5}))?$/i;
/** Mail APIs have a tenant or region in the place of the host, and nothing after it. */
const API = /^(graph|ses):\/\/([^/:?#@\s]+)$/i;
const HTTPS_PORT = 443;
/** Tenants without a domain: a GUID, or a word for those that Microsoft finds by the account. */
const TENANT = /^([\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}|common|organizations|consumers)$/;
/** Such as `eu-central-1` and `us-gov-west-1`. */
const REGION = /^[a-z]{2,4}(-[a-z]+){1,3}-\d{1,2}$/;
/** The forms of `server`, for messages. */
export const SERVER_FORMS =
  "host, host:port, smtp://host[:port], smtps://host[:port], graph://tenant or ses://region";
const BARE_IPV6 = /^[0-9a-f.]*:[0-9a-f.]*:[0-9a-f:.]*$/i;
/** The dots that end a host name. UTS #46 maps all of them to the ASCII dot. */
const FINAL_DOT = /[.。．｡]$/u;
/** Unlike `trim()`, this leaves line ends, which make the text invalid. */
const OUTER_BLANKS = /^\p{Zs}+|\p{Zs}+$/gu;
const STRENGTH: Readonly<Record<Security, number>> = { none: 0, starttls: 1, implicit: 1 };

/** The targets that an instance cannot send to, as far as they are known before a connection. */
export interface TargetLimits {
  /** Ports that the platform does not connect to, for warnings. Default: none. */
  readonly blockedPorts?: readonly number[];
  /** The policy under which the transport connects, for warnings. Default: none is known. */
  readonly egress?: EgressPolicy;
}

/**
 * Parses `server`, `port` and `tls` of a definition. `server` is one of {@link SERVER_FORMS}, with optional blanks around
 * it. An international host name becomes A-labels. An IPv6 address needs brackets unless it stands without port and scheme.
 * `port` and `tls` mean nothing for mail APIs, which use HTTPS.
 * @returns `null` if `server` has none of these forms.
 */
export function parseEndpoint(fields: Pick<ServerDefinition, "server" | "port" | "tls">): Endpoint | null {
  const server = fields.server.replace(OUTER_BLANKS, "");
  const [, api, place = ""] = API.exec(server) ?? [];
  if (api !== undefined) return parseApi(api.toLowerCase() as MailApi, place);
  const bare = BARE_IPV6.test(server) ? canonicalIp(server) : null;
  const [, scheme, rawHost, rawPort] = SERVER.exec(server) ?? [];
  const host = bare ?? (rawHost === undefined ? null : parseHost(rawHost));
  const portInside = rawPort === undefined ? null : Number(rawPort);
  if (host === null || (portInside !== null && (portInside < 1 || portInside > MAX_PORT))) return null;
  if (scheme?.toLowerCase() === "smtps") {
    return { host, port: portInside ?? IMPLICIT_TLS_PORT, security: "implicit" };
  }
  return { host, port: portInside ?? fields.port, security: fields.tls ? "starttls" : "none" };
}

/** @throws {SealpostError} `invalid_parameter` if `server` is not a host or URL. */
export function endpointOf(fields: Pick<ServerDefinition, "server" | "port" | "tls">): Endpoint {
  const endpoint = parseEndpoint(fields);
  if (endpoint) return endpoint;
  throw invalidParameter("server", `expected ${SERVER_FORMS}`);
}

/** Whether a secret stored for `kept` may be used with `next`: the same host and port, with TLS that is no weaker. */
export function keepsSecret(kept: Endpoint, next: Endpoint): boolean {
  return (
    kept.protocol === next.protocol &&
    kept.host === next.host &&
    kept.port === next.port &&
    STRENGTH[next.security] >= STRENGTH[kept.security]
  );
}

function parseApi(protocol: MailApi, text: string): Endpoint | null {
  const host = protocol === "graph" ? parseTenant(text) : text.toLowerCase();
  if (host === null || (protocol === "ses" && !REGION.test(host))) return null;
  return { protocol, host, port: HTTPS_PORT, security: "implicit" };
}

function parseTenant(text: string): string | null {
  const name = asciiHostName(text);
  if (name === null || TENANT.test(name)) return name;
  return name.includes(".") && !ENDS_IN_NUMBER.test(name) ? name : null;
}

function parseHost(text: string): string | null {
  if (text.startsWith("[")) return canonicalIp(text.slice(1, -1));
  const name = asciiHostName(text.replace(FINAL_DOT, ""));
  // Checked after the mapping, which turns full-width digits into digits.
  return name !== null && ENDS_IN_NUMBER.test(name) ? canonicalIp(name) : name;
}
