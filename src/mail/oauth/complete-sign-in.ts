import type { AuditLog } from "../../access/audit-log.ts";
import type { Authentication } from "../../access/authentication.ts";
import type { Authorization } from "../../access/authorization.ts";
import { assertWithin } from "../../access/rate-limit.ts";
import type { Database } from "../../contracts/database.ts";
import type { AuditActor } from "../../domain/audit.ts";
import { clientNetwork } from "../../domain/network.ts";
import { presentText, secretRedactor } from "../../domain/redact.ts";
import { missingParameter, SealpostError } from "../../errors.ts";
import type { TokenRequestDeps } from "../../oauth/token-request.ts";
import { hashText } from "../../secrets/digest.ts";
import type { Keyring } from "../../secrets/keyring.ts";
import { open } from "../../secrets/seal.ts";
import type { SignInRepository, SignInRow } from "../../storage/oauth-sign-ins.ts";
import type { RateLimitRepository } from "../../storage/rate-limits.ts";
import type { SmtpServerRow } from "../../storage/smtp-servers.ts";
import {
  type AcceptGrantDeps,
  acceptGrant,
  changedSignIn,
  type FailedSignIn,
  failedSignIn,
  failedTokenRequest,
  type SignInResult,
} from "./accept-grant.ts";
import { factsOf, signInTargetOf, tokenClientOf } from "./sign-in-target.ts";
import { redirectUriOf, verifierPlace } from "./start-sign-in.ts";

/** The parameters with which the provider sends the browser back (RFC 6749 4.1.2). Absent ones are empty. */
interface SignInResponse {
  readonly state: string;
  readonly code: string;
  readonly error: string;
  readonly errorDescription: string;
}

/** The request that brings the response. It is anonymous: the state proves which admin started the sign-in. */
type Origin = Pick<AuditActor, "action" | "client" | "requestId">;

/**
 * Completes a sign-in: redeems the code and stores the refresh token. A state is used once.
 * @throws {SealpostError} `missing_parameter` without code and error; `too_many_tries` after many unknown states.
 */
export type CompleteSignIn = (response: SignInResponse, origin: Origin) => Promise<SignInResult>;

export interface CompleteSignInDeps extends AcceptGrantDeps, TokenRequestDeps {
  readonly database: Database;
  readonly signInRows: SignInRepository;
  readonly rateLimits: RateLimitRepository;
  readonly authentication: Pick<Authentication, "recheck">;
  readonly authorization: Pick<Authorization, "decide">;
  readonly auditLog: Pick<AuditLog, "failed" | "notAuthenticatedRecord">;
  readonly keyring: Keyring;
  readonly platform: TokenRequestDeps["platform"];
  readonly baseUrl: string;
}

/** The right to start a sign-in, which is needed until the end. */
const RIGHT = "smtpserver_write";
const MAX_UNKNOWN_STATES = { max: 30, windowSeconds: 60 };
/** RFC 6749 4.1.2.1. */
const ERROR_NAME = /^[a-z_]{1,50}$/;

export function createCompleteSignIn(deps: CompleteSignInDeps): CompleteSignIn {
  return async (response, origin) => {
    if (response.code === "" && response.error === "") throw missingParameter("code");
    const started = await takeStarted(deps, response.state, origin);
    if (started === null) {
      const message = "ERR905: Invalid parameter: state: unknown, used or expired; start the sign-in again";
      return failedSignIn("state", message);
    }
    const row = (await deps.repository.list()).find(({ id }) => id === started.definitionId);
    const { administrator, realm } = started;
    const actor = { ...origin, administrator, realm, policies: "" };
    const result = await complete(deps, { response, started, row, actor });
    if (!result.successful) {
      const target = { identifier: row?.identifier ?? "", recipient: "" };
      await deps.auditLog.failed(actor, target, result.info);
    }
    return result;
  };
}

/** Deletes the sign-in of a state and returns it; `null` for a state that is unknown, used or expired. */
async function takeStarted(
  { database, signInRows, rateLimits, audit, auditLog, platform }: CompleteSignInDeps,
  state: string,
  origin: Origin,
): Promise<SignInRow | null> {
  const now = platform.now();
  const stateHash = await hashText(state);
  const network = origin.client === "" ? "unknown" : clientNetwork(origin.client);
  const limit = { key: `oauth-callback:${network}`, ...MAX_UNKNOWN_STATES };
  const [found, windows] = await database.read.batch([
    signInRows.find(stateHash, now),
    rateLimits.windows([limit]),
  ]);
  if (found.length > 0) {
    const [[taken]] = await database.commit([signInRows.take(stateHash, now)]);
    if (taken) return taken;
  }
  assertWithin([limit], windows, now);
  const anonymous = { ...origin, administrator: "", realm: "", policies: "" };
  const { entry, shareKey } = auditLog.notAuthenticatedRecord(anonymous, "oauth sign-in state");
  await database.commit([rateLimits.consume(limit, now), audit.count(entry, shareKey)]);
  return null;
}

interface TakenSignIn {
  readonly response: SignInResponse;
  readonly started: SignInRow;
  readonly row: SmtpServerRow | undefined;
  readonly actor: AuditActor;
}

async function complete(
  deps: CompleteSignInDeps,
  { response, started, row, actor }: TakenSignIn,
): Promise<SignInResult> {
  try {
    // The commit at the end repeats this check if admins or policies have changed by then.
    await deps.epoch.allow(() => assertAdmin(deps, started));
    if (response.error !== "") return declined(response);
    if (row === undefined || (await factsOf(row)) !== started.facts) return changedSignIn();
    const target = signInTargetOf(row);
    const verifier = await open(deps.keyring, started.codeVerifier, verifierPlace(started.stateHash));
    const { redeemCode } = await import("../../oauth/authorization-code.ts");
    const outcome = await redeemCode(
      await tokenClientOf(deps.servers, target),
      { code: response.code, redirectUri: redirectUriOf(deps.baseUrl), codeVerifier: verifier.reveal() },
      deps,
    );
    if (!outcome.successful) return failedTokenRequest(outcome.failure, row);
    return await acceptGrant(deps, row, outcome.tokens, actor);
  } catch (error) {
    if (!(error instanceof SealpostError && error.code === "action_denied")) throw error;
    return failedSignIn("admin", error.message);
  }
}

/** @throws {SealpostError} `action_denied` unless the admin who started the sign-in may still change definitions. */
async function assertAdmin(
  { authentication, authorization }: CompleteSignInDeps,
  started: SignInRow,
): Promise<void> {
  const principal = await authentication.recheck(started).catch((error) => {
    if (error instanceof SealpostError && error.code === "expired_token") return null;
    throw error;
  });
  // The browser may be that of the mailbox's owner, so the address of the admin counts.
  const client = started.client === "" ? null : started.client;
  const isAllowed = principal !== null && (await authorization.decide(RIGHT, principal, client)).allowed;
  if (isAllowed) return;
  throw new SealpostError(
    "action_denied",
    "The admin who started the sign-in may no longer change definitions: start the sign-in again",
  );
}

/** RFC 6749 4.1.2.1: the user or the provider declined. */
function declined({ state, code, error, errorDescription }: SignInResponse): FailedSignIn {
  const name = ERROR_NAME.test(error) ? error : "an error";
  const description = presentText(errorDescription, secretRedactor([state, code]));
  const message = `The provider declined the sign-in with ${name}`;
  return failedSignIn("denied", description === "" ? message : `${message}: ${description}`, [name]);
}
