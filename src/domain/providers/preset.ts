import { invalidParameter, missingParameter } from "../../errors.ts";
import { parseEndpoint, type TargetLimits } from "../endpoint.ts";
import { parseMailbox } from "../mailbox.ts";
import { isTargetAllowed } from "../network.ts";
import { type Notice, notice } from "../notices.ts";
import { CENSORED, type Secret } from "../secret.ts";
import { DEFINITION_DEFAULTS, type Endpoint, type ServerDefinition } from "../smtp-server.ts";
import { findProvider, PROVIDERS } from "./index.ts";
import {
  expectedUsername,
  isHostOf,
  isNamedAfter,
  type PortOf,
  type Provider,
  portsOf,
  preferredPort,
  serverText,
  sharedUsernames,
} from "./provider.ts";

/** RFC 6409: the port of message submission. */
const SUBMISSION_PORT = 587;

type EndpointFields = Pick<ServerDefinition, "server" | "port" | "tls">;
type LimitFields = Pick<ServerDefinition, "maxConnections" | "mailsPerMinute">;
type TokenFields = Pick<ServerDefinition, "auth" | "oauthFlow" | "oauthTokenUrl">;
type Stored = LimitFields & TokenFields & Pick<ServerDefinition, "provider">;

/** Fields that a preset fills, as a client sends them: `undefined` is absent, and `null` resets. */
type PresetInput = { readonly [K in keyof EndpointFields]: EndpointFields[K] | undefined } & {
  readonly [K in keyof Stored]?: Stored[K] | null | undefined;
};

/**
 * Returns the input with the fields that are absent, from its preset or by default. Never changes a field that was sent.
 * @param stored the definition that the input replaces. Default: none
 * @throws {SealpostError} `missing_parameter` or `invalid_parameter` if no `server` was sent and the preset has none.
 */
export function fillFromPreset<I extends PresetInput>(
  input: I,
  stored: Stored & EndpointFields = DEFINITION_DEFAULTS,
): Omit<I, keyof EndpointFields> & EndpointFields {
  const provider = input.provider === undefined ? stored.provider : (input.provider ?? "");
  const preset = presetOf(provider);
  return {
    ...input,
    ...endpointFields(input, preset, provider === stored.provider ? stored : DEFINITION_DEFAULTS),
    ...limitFields(input, preset, stored),
    ...tokenUrlField(input, preset, stored),
  };
}

/** Most definitions name no provider. */
function presetOf(provider: string): Provider | null {
  return provider === "" ? null : findProvider(provider);
}

function endpointFields(
  { server, port, tls }: PresetInput,
  preset: Provider | null,
  stored: EndpointFields,
): EndpointFields {
  if (server) {
    const plain = { server, port: port ?? DEFINITION_DEFAULTS.port, tls: tls ?? DEFINITION_DEFAULTS.tls };
    // A definition that has the defaults, such as from before its host was known, is saved again as it is.
    const isStored = server === stored.server && plain.port === stored.port && plain.tls === stored.tls;
    const known = preset && !isStored ? portAt(preset, server) : null;
    return known ? { server, port: port ?? known.port, tls: tls ?? known.security !== "none" } : plain;
  }
  if (preset === null) throw missingParameter("server");
  const { host, name, hostForm = "" } = preset;
  if (host === null) throw invalidParameter("server", `expected a host of ${name}, in the form ${hostForm}`);
  const known = portsOf(preset).find((one) => one.port === port) ?? preferredPort(preset);
  const endpoint = { host, ...known, port: port ?? known.port };
  return { server: serverText(endpoint), port: endpoint.port, tls: tls ?? known.security !== "none" };
}

/** Returns the port for a host of the provider, by the scheme in which it is written. `null` for another host. */
function portAt(preset: Provider, server: string): PortOf | null {
  const endpoint = parseEndpoint({ ...DEFINITION_DEFAULTS, server });
  if (endpoint === null || endpoint.protocol !== undefined) return null;
  if (!isHostOf(preset, endpoint.host) && !isNamedAfter(preset, endpoint.host)) return null;
  const isImplicit = endpoint.security === "implicit";
  const fits = portsOf(preset).find(({ security }) => (security === "implicit") === isImplicit);
  return fits ?? preferredPort(preset);
}

/** An absent limit keeps its value, unless it is still the one of the preset before. */
function limitFields(input: PresetInput, preset: Provider | null, stored: Stored): Partial<LimitFields> {
  const next = presetLimits(preset);
  const before = presetLimits(presetOf(stored.provider));
  const limitOf = (name: keyof LimitFields): Partial<LimitFields> => {
    const isReset = input[name] === null || (input[name] === undefined && stored[name] === before[name]);
    return isReset ? { [name]: next[name] } : {};
  };
  return { ...limitOf("maxConnections"), ...limitOf("mailsPerMinute") };
}

/** The token endpoint of the preset, if all customers have the same. A service account names its own. */
function tokenUrlField(
  input: PresetInput,
  preset: Provider | null,
  stored: Stored,
): Partial<Pick<TokenFields, "oauthTokenUrl">> {
  const isNeeded =
    (input.auth ?? stored.auth) === "oauth2" && (input.oauthFlow ?? stored.oauthFlow) !== "jwt_bearer";
  const given = input.oauthTokenUrl === undefined ? stored.oauthTokenUrl : input.oauthTokenUrl;
  const { tokenUrl = "" } = preset?.oauth ?? {};
  return isNeeded && !given && tokenUrl !== "" && !tokenUrl.includes("{") ? { oauthTokenUrl: tokenUrl } : {};
}

/** The limits of a definition that sets none. A provider's limit of connections only lowers the default. */
function presetLimits(preset: Provider | null): LimitFields {
  const { maxConnections, mailsPerMinute } = DEFINITION_DEFAULTS;
  return {
    maxConnections: Math.min(maxConnections, preset?.limits?.maxConnections ?? maxConnections),
    mailsPerMinute: preset?.limits?.mailsPerMinute ?? mailsPerMinute,
  };
}

/**
 * Whether the password alone may name the account of this username, because a provider gives it to all its customers. The
 * host does not matter: no preset knows all hosts of its provider.
 */
export function isAccountOfPassword(username: string): boolean {
  return Object.values(PROVIDERS).some((preset) => sharedUsernames(preset).includes(username));
}

type Definition = Pick<ServerDefinition, "provider" | "server" | "port" | "tls" | "username" | "auth">;

/**
 * Returns notices about values that do not fit the preset of a definition, or the platform.
 * @param password as sent: `undefined` or `__CENSORED__` if none was
 */
export function presetNotices(
  definition: Definition,
  password: Secret | undefined,
  { blockedPorts = [], egress }: TargetLimits,
): readonly Notice[] {
  const preset = presetOf(definition.provider);
  const endpoint = parseEndpoint(definition);
  // A mail API has neither a mail server nor its login.
  if (endpoint === null || endpoint.protocol !== undefined) return [];
  const { host, port } = endpoint;
  const blocked = [
    ...(egress && !isTargetAllowed(host, port, egress) ? [notice("egress_denied", "server")] : []),
    ...(blockedPorts.includes(port) ? [blockedNotice(preset, endpoint)] : []),
  ];
  if (preset === null) return blocked;
  const isOwn = isHostOf(preset, host);
  return [
    ...(isOwn ? tlsNotices(preset, endpoint) : [hostNotice(preset, endpoint)]),
    ...blocked,
    ...usernameNotices(preset, definition),
    ...(definition.auth === "password" ? secretNotices(preset, definition, password?.reveal() ?? "") : []),
  ];
}

function blockedNotice(preset: Provider | null, { port }: Endpoint): Notice {
  const other = Object.values(preset?.ports ?? {}).find((one) => one !== port) ?? SUBMISSION_PORT;
  return notice("port_blocked", "port", { port, other });
}

function hostNotice({ name, hostForm }: Provider, { host }: Endpoint): Notice {
  const [before = "", after = ""] = hostForm?.split(/\{\w+\}/) ?? [];
  const isOfForm = hostForm !== undefined && host.startsWith(before) && host.endsWith(after);
  if (!isOfForm) return notice("provider_host", "server", { provider: name, host });
  const region = host.slice(before.length, host.length - after.length);
  return notice("provider_region", "server", { provider: name, region });
}

function tlsNotices({ name, ports }: Provider, { host, port, security }: Endpoint): Notice[] {
  if (port === ports.implicit && security !== "implicit") {
    return [notice("provider_implicit_tls", "server", { port, host })];
  }
  const isClear = security === "none" && ports.none === undefined;
  return isClear ? [notice("provider_tls", "tls", { provider: name })] : [];
}

function usernameNotices({ name, username: rule }: Provider, { username }: Definition): Notice[] {
  const fits =
    rule.rule === "free" ||
    (rule.rule === "literal" ? username === rule.value : parseMailbox(username) !== null);
  if (fits) return [];
  return [notice("provider_username", "username", { provider: name, expected: expectedUsername(rule) })];
}

function secretNotices(
  { name, secret }: Provider,
  { username }: Definition,
  password: string,
): readonly Notice[] {
  if (secret.kind === "oauth2" && username !== "") {
    return [notice("provider_oauth", "auth", { provider: name })];
  }
  const { pattern, expected = "" } = secret;
  const isSent = password !== "" && password !== CENSORED;
  if (!isSent || pattern === undefined || pattern.test(password)) return [];
  return [notice("provider_secret", "password", { provider: name, expected })];
}
