import type { Platform } from "../../contracts/platform.ts";
import type { Principal } from "../../domain/admin.ts";
import { type AuditActor, auditEntry } from "../../domain/audit.ts";
import type { Notice } from "../../domain/notices.ts";
import { invalidParameter } from "../../errors.ts";
import { hashText, randomText } from "../../secrets/digest.ts";
import type { Keyring } from "../../secrets/keyring.ts";
import { type SealContext, seal } from "../../secrets/seal.ts";
import type { AuditRepository } from "../../storage/audit-log.ts";
import { type Epoch, untilCommitted } from "../../storage/epoch.ts";
import { SIGN_IN_MS, type SignInRepository } from "../../storage/oauth-sign-ins.ts";
import type { SmtpServerRepository } from "../../storage/smtp-servers.ts";
import { serverNotFound } from "../servers/definitions.ts";
import { factsOf, knownEndpoint, signInTargetOf, unusedNotices } from "./sign-in-target.ts";

/** A sign-in that waits for the browser of an admin. */
interface StartedSignIn {
  /** The URL to open in a browser. It contains the state. */
  readonly url: string;
  /** The URL to which the provider sends the browser back. The app has to list it. */
  readonly redirectUri: string;
  readonly expiresAt: Date;
  readonly notices: readonly Notice[];
}

/**
 * Starts a sign-in for a definition: authorization code with PKCE.
 * @throws {SealpostError} `resource_not_found`; `invalid_parameter` if the definition lacks what a
 * sign-in needs, or without a public URL.
 */
export type StartSignIn = (identifier: string, admin: Principal, actor: AuditActor) => Promise<StartedSignIn>;

interface StartSignInDeps {
  readonly epoch: Epoch;
  readonly repository: SmtpServerRepository;
  readonly signInRows: SignInRepository;
  readonly audit: AuditRepository;
  readonly keyring: Keyring;
  readonly platform: Platform;
  /** Public URL without its final slash. Empty if not set. */
  readonly baseUrl: string;
}

export function createStartSignIn(deps: StartSignInDeps): StartSignIn {
  return (...call) => untilCommitted(deps.epoch, () => start(deps, ...call));
}

/** @returns `null` if the rights of the admin have changed meanwhile. */
async function start(
  { epoch, repository, signInRows, audit, keyring, platform, baseUrl }: StartSignInDeps,
  ...[identifier, admin, actor]: Parameters<StartSignIn>
): Promise<StartedSignIn | null> {
  const redirectUri = redirectUriOf(baseUrl);
  const row = await repository.find(identifier);
  if (!row) throw serverNotFound();
  const target = signInTargetOf(row);
  const url = knownEndpoint(target, "oauthAuthorizationUrl");
  // As base64url they are a valid code verifier (RFC 7636 4.1).
  const [state, codeVerifier] = [randomText(platform), randomText(platform)];
  const stateHash = await hashText(state);
  const now = platform.now();
  const expiresAt = new Date(now.getTime() + SIGN_IN_MS);
  const started = {
    stateHash,
    definitionId: row.id,
    facts: await factsOf(row),
    adminId: admin.adminId,
    generation: admin.generation,
    administrator: actor.administrator,
    apiKeyId: admin.apiKey?.id ?? "",
    realm: admin.realm,
    client: actor.client,
    codeVerifier: await seal(keyring, codeVerifier, verifierPlace(stateHash), platform),
    expiresAt,
  };
  const entry = auditEntry(actor, now, { success: true, identifier });
  const results = await epoch.commit(
    [],
    [signInRows.prune(now), signInRows.insert(started), audit.insert(entry)],
  );
  if (results === null) return null;
  const { authorizationUrl } = await import("../../oauth/authorization-code.ts");
  const request = { ...target, url, clientId: row.oauthClientId, redirectUri, state, codeVerifier };
  return { url: await authorizationUrl(request), redirectUri, expiresAt, notices: unusedNotices(row) };
}

/**
 * Returns the redirect URI of this instance. Never from a request, whose Host header anyone can choose.
 * @throws {SealpostError} `invalid_parameter` without a public URL.
 */
export function redirectUriOf(baseUrl: string): string {
  if (baseUrl !== "") return `${baseUrl}/oauth/callback`;
  throw invalidParameter(
    "SEALPOST_BASE_URL",
    "set it to the public URL of this server, where the provider sends the browser after the sign-in",
  );
}

/** The place to which the code verifier is sealed. */
export function verifierPlace(stateHash: string): SealContext {
  return { table: "oauth_sign_in", row: stateHash, column: "code_verifier" };
}
