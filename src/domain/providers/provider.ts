import type { KnownReply } from "../known-reply.ts";
import type { OAUTH_FLOWS, OAUTH_MECHANISMS } from "../oauth.ts";
import type { Endpoint, Security } from "../smtp-server.ts";
import type { KnownTokenError } from "../token-errors.ts";

/** RFC 8314 7.3: the port that `smtps://` stands for. */
const IMPLICIT_TLS_PORT = 465;

/** The OAuth facts of a provider. URLs may contain `{tenant}`, which only the user knows. */
export interface OAuthPreset {
  readonly authorizationUrl: string;
  readonly tokenUrl: string;
  /** Device authorization endpoint (RFC 8628). Absent if the provider has none for mail. */
  readonly deviceUrl?: string;
  /** Scopes by flow, separated by blanks. A flow that is absent does not work with this provider. */
  readonly scopes: Readonly<Partial<Record<(typeof OAUTH_FLOWS)[number], string>>>;
  readonly mechanism: Exclude<(typeof OAUTH_MECHANISMS)[number], "auto">;
}

/** The form of a username. `literal`: this text, and empty for no login. `mailbox`: an email address. */
export type UsernameRule =
  | { readonly rule: "literal"; readonly value: string }
  | { readonly rule: "mailbox" }
  /** `expected` names it in a sentence. All customers have the `shared` ones. */
  | { readonly rule: "free"; readonly expected: string; readonly shared?: readonly string[] };

/** The form of `password`. */
export interface SecretRule {
  readonly kind: "password" | "app-password" | "api-key" | "oauth2" | "none";
  /** Matches every valid secret, without flags. Absent if the provider does not document its form. */
  readonly pattern?: RegExp;
  /** Names it in a sentence. */
  readonly expected?: string;
}

/** Documented limits. An absent one is not documented, or depends on the account. */
interface ProviderLimits {
  /** Connections at a time. */
  readonly maxConnections?: number;
  readonly mailsPerMinute?: number;
  /** In any 24 hours. */
  readonly recipientsPerDay?: number;
  readonly recipientsPerMessage?: number;
  /** Octets. */
  readonly messageSize?: number;
}

/** One preset: what a provider documents about its SMTP server. */
export interface Provider {
  readonly name: string;
  /** `null` if the user has to choose: one of `regions`, or a host of this `hostForm`. */
  readonly host: string | null;
  /** Hosts by region or stream. */
  readonly regions?: Readonly<Record<string, string>>;
  /** The form of a host with a part in braces that only the user knows. */
  readonly hostForm?: string;
  /** Port by kind of TLS, the preferred one first. `none` only for catchers on the same machine. */
  readonly ports: Readonly<Partial<Record<Security, number>>>;
  readonly username: UsernameRule;
  readonly secret: SecretRule;
  readonly limits?: ProviderLimits;
  readonly oauth?: OAuthPreset;
  /** Replies that call for another hint than the same reply of another server. */
  readonly replies?: readonly KnownReply[];
  readonly tokenErrors?: readonly KnownTokenError[];
  /** Page of the provider. */
  readonly docs: string;
  /** Date on which the row was compared with public pages. */
  readonly checked: string;
}

export const CHECKED = "2026-11-29";
export const MAILBOX: UsernameRule = { rule: "mailbox" };
export const ANY_PASSWORD: SecretRule = { kind: "password" };
export const APP_PASSWORD: SecretRule = { kind: "app-password" };
export const API_KEY: SecretRule = { kind: "api-key" };

/** Names the username that a provider expects, in a sentence. */
export function expectedUsername(username: UsernameRule): string {
  if (username.rule === "mailbox") return "a full email address";
  if (username.rule === "free") return username.expected;
  return username.value === "" ? "no username" : username.value;
}

/** Returns the usernames that a provider gives all its customers, so that the password alone names the account. */
export function sharedUsernames({ username }: Provider): readonly string[] {
  if (username.rule === "literal") return username.value === "" ? [] : [username.value];
  return username.rule === "free" ? (username.shared ?? []) : [];
}

/** The endpoint of a provider but its host. */
export type PortOf = Pick<Endpoint, "port" | "security">;

/** Returns the ports of a provider, the preferred one first. */
export function portsOf({ ports }: Provider): readonly PortOf[] {
  return (Object.entries(ports) as [Security, number][]).map(([security, port]) => ({ security, port }));
}

export function preferredPort(provider: Provider): PortOf {
  const [preferred] = portsOf(provider);
  if (preferred === undefined) throw new TypeError(`${provider.name} has no port`);
  return preferred;
}

/** Returns the value of `server` for an endpoint. `smtps://` ignores `port`, so another port than 465 stands inside. */
export function serverText({ host, port, security }: Endpoint): string {
  if (security !== "implicit") return host;
  return port === IMPLICIT_TLS_PORT ? `smtps://${host}` : `smtps://${host}:${port}`;
}

/** Whether a host is one of the provider. A catcher may run on any host. */
export function isHostOf({ host, regions = {}, hostForm, ports }: Provider, name: string): boolean {
  if (ports.none !== undefined || name === host || Object.values(regions).includes(name)) return true;
  const isOpenForm = hostForm !== undefined && Object.keys(regions).length === 0;
  return isOpenForm && name.endsWith(hostForm.slice(hostForm.indexOf("}") + 1));
}

/** The registered label, before a suffix such as `com` or `co.uk`. */
const REGISTERED = /([^.]+)\.(?:com?\.[a-z]{2}|[^.]+)$/;

/** Whether a host is in a domain with the name of the provider, such as one in a region that the preset does not list. */
export function isNamedAfter({ host, hostForm = "" }: Provider, name: string): boolean {
  const brand = REGISTERED.exec(host ?? hostForm)?.[1];
  return brand !== undefined && REGISTERED.exec(name)?.[1] === brand;
}
