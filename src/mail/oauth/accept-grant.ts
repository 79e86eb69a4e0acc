import { type AuditActor, auditEntry } from "../../domain/audit.ts";
import { DEFINITION_FIELDS } from "../../domain/definition-fields.ts";
import type { Failure } from "../../domain/delivery.ts";
import { addressKey } from "../../domain/mailbox.ts";
import { type Notice, notice } from "../../domain/notices.ts";
import { presentText } from "../../domain/redact.ts";
import type { Secret } from "../../domain/secret.ts";
import { SECRET_NAMES } from "../../domain/smtp-server.ts";
import { accountsIn } from "../../oauth/id-token.ts";
import type { IssuedTokens } from "../../oauth/token-request.ts";
import { untilCommitted } from "../../storage/epoch.ts";
import type { SmtpServerRepository, SmtpServerRow } from "../../storage/smtp-servers.ts";
import type { Servers } from "../servers/definitions.ts";
import { type CommitDefinitionDeps, commitDefinition } from "../servers/save.ts";
import { factsOf, unusedNotices } from "./sign-in-target.ts";

/**
 * Reasons why a sign-in stores nothing: an unknown state, an admin without the right, a definition that was changed, a
 * user who declined, a failed token request, a response without refresh token, and another mailbox.
 */
export type SignInProblem =
  | "state"
  | "admin"
  | "changed"
  | "denied"
  | "token"
  | "no_refresh_token"
  | "mailbox";

export interface FailedSignIn {
  readonly successful: false;
  readonly problem: SignInProblem;
  /** The reason and what to do, without secrets. */
  readonly message: string;
  /** For the audit log: the problem, and codes of the provider. */
  readonly info: string;
}

export type SignInResult =
  | { readonly successful: true; readonly identifier: string; readonly notices: readonly Notice[] }
  | FailedSignIn;

export interface AcceptGrantDeps extends CommitDefinitionDeps {
  readonly repository: SmtpServerRepository;
  readonly servers: Servers;
  readonly platform: { readonly now: () => Date };
}

/** Creates a failed sign-in. @param codes codes of the provider. */
export function failedSignIn(
  problem: SignInProblem,
  message: string,
  codes: readonly string[] = [],
): FailedSignIn {
  return { successful: false, problem, message, info: ["oauth sign-in", problem, ...codes].join(" ") };
}

/** Returns the sign-in that ended with a failed token request. */
export async function failedTokenRequest(
  failure: Failure,
  { server, port, username, provider, auth }: SmtpServerRow,
): Promise<FailedSignIn> {
  const { hintFor } = await import("../hints/hint-for.ts");
  const { oauth: report, code } = failure;
  const codes = [report?.error ?? code, ...(report?.codes ?? [])];
  const endpoint = { host: report?.host ?? "", port, security: "implicit" } as const;
  const hint =
    code === "oauth_unavailable"
      ? "Start the sign-in again later."
      : hintFor(failure, { ...endpoint, server, username, provider, auth, reply: null })?.text;
  const description = report?.description ? `: ${report.description}` : "";
  const reason = `The token endpoint issued no token (${codes.join(" ")})${description}`;
  return failedSignIn("token", hint === undefined ? reason : `${reason.replace(/\.$/, "")}. ${hint}`, codes);
}

/**
 * Stores the refresh token of a sign-in, if it is for the mailbox of the definition and that is still the one for which
 * the sign-in was started.
 * @param started the definition when the sign-in was started, or one with the same facts.
 */
export async function acceptGrant(
  deps: AcceptGrantDeps,
  started: SmtpServerRow,
  { refreshToken, idToken }: Pick<IssuedTokens, "refreshToken" | "idToken">,
  actor: AuditActor,
): Promise<SignInResult> {
  const accounts = comparable(idToken === null ? [] : accountsIn(idToken), started.username);
  const [first] = accounts;
  if (first !== undefined && !accounts.some((account) => isSame(account, started.username))) {
    return failedSignIn(
      "mailbox",
      `The provider granted the mailbox ${presentText(first, (text) => text)}, but the definition logs in as ${started.username}: sign in with that account`,
    );
  }
  if (refreshToken === null) {
    return failedSignIn(
      "no_refresh_token",
      "The provider sent no refresh token: add offline_access to oauth_scope, or remove the app from the account and consent again",
    );
  }
  const facts = await factsOf(started);
  const identifier = await untilCommitted(deps.epoch, () =>
    store(deps, { id: started.id, facts, refreshToken }, actor),
  );
  if (identifier === "") return changedSignIn();
  const notices = [
    ...unusedNotices(started),
    ...(accounts.length > 0 ? [] : [notice("mailbox_unverified", DEFINITION_FIELDS.username.parameter)]),
  ];
  return { successful: true, identifier, notices };
}

export function changedSignIn(): FailedSignIn {
  return failedSignIn(
    "changed",
    "The definition was changed since the sign-in was started: start the sign-in again",
  );
}

/**
 * Stores the token in the current version of the definition.
 * @returns the name of the definition, empty if other facts hold now; `null` if the rights have changed meanwhile.
 */
async function store(
  deps: AcceptGrantDeps,
  wanted: { readonly id: string; readonly facts: string; readonly refreshToken: Secret },
  actor: AuditActor,
): Promise<string | null> {
  const { repository, servers, platform } = deps;
  for (;;) {
    const row = (await repository.list()).find(({ id }) => id === wanted.id);
    if (row === undefined || (await factsOf(row)) !== wanted.facts) return "";
    const oauthRefreshToken = await servers.sealField(
      row.id,
      "oauthRefreshToken",
      wanted.refreshToken.reveal(),
    );
    const next = { ...row, oauthRefreshToken, version: row.version + 1 };
    const kept = [...SECRET_NAMES.filter((name) => name !== "oauthRefreshToken"), "signingKey"] as const;
    const { identifier } = row;
    const fields = DEFINITION_FIELDS.oauthRefreshToken.parameter;
    const entry = auditEntry(actor, platform.now(), {
      success: true,
      identifier,
      fields,
      info: "oauth sign-in",
    });
    const isWritten = await commitDefinition(deps, repository.update(next, kept), entry);
    if (isWritten === null) return null;
    if (isWritten) return identifier;
  }
}

/** Only an address can be compared with an address: `preferred_username` may be a short name. */
function comparable(accounts: readonly string[], username: string): readonly string[] {
  return accounts.filter((account) => account.includes("@") || !username.includes("@"));
}

function isSame(account: string, username: string): boolean {
  return addressKey(account) === addressKey(username);
}
