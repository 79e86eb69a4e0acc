import type { AuditLog } from "../../access/audit-log.ts";
import type { AuditActor } from "../../domain/audit.ts";
import type { Notice } from "../../domain/notices.ts";
import type { TokenRequestDeps } from "../../oauth/token-request.ts";
import { serverNotFound } from "../servers/definitions.ts";
import {
  type AcceptGrantDeps,
  acceptGrant,
  type FailedSignIn,
  failedTokenRequest,
  type SignInResult,
} from "./accept-grant.ts";
import { knownEndpoint, signInTargetOf, tokenClientOf, unusedNotices } from "./sign-in-target.ts";

/** A sign-in on another device that waits for its user. */
interface StartedDeviceSignIn {
  readonly successful: true;
  /** The page that the user opens, and the code to enter there. */
  readonly verificationUri: string;
  readonly userCode: string;
  readonly expiresInSeconds: number;
  /** The account that has to sign in. */
  readonly username: string;
  readonly notices: readonly Notice[];
  /**
   * Polls until the user has decided, and stores the refresh token.
   * @param wait resolves after this time, in milliseconds; rejects to end the polling.
   * @throws the reason of `wait`.
   */
  finish(wait: (ms: number) => Promise<void>): Promise<SignInResult>;
}

/**
 * Starts a sign-in by device code (RFC 8628) for a definition.
 * @throws {SealpostError} `resource_not_found`; `invalid_parameter` if the definition lacks what a
 * sign-in needs.
 */
export type StartDeviceSignIn = (
  identifier: string,
  actor: AuditActor,
) => Promise<StartedDeviceSignIn | FailedSignIn>;

interface DeviceSignInDeps extends AcceptGrantDeps, TokenRequestDeps {
  readonly auditLog: Pick<AuditLog, "failed">;
  readonly platform: TokenRequestDeps["platform"];
}

export function createStartDeviceSignIn(deps: DeviceSignInDeps): StartDeviceSignIn {
  return async (identifier, actor) => {
    const row = await deps.repository.find(identifier);
    if (!row) throw serverNotFound();
    const audited = async <R extends SignInResult | StartedDeviceSignIn>(result: R): Promise<R> => {
      if (!result.successful) await deps.auditLog.failed(actor, { identifier, recipient: "" }, result.info);
      return result;
    };
    const target = signInTargetOf(row);
    const url = knownEndpoint(target, "oauthDeviceUrl");
    const { pollDeviceToken, requestDeviceCodes } = await import("../../oauth/device-code.ts");
    const { scope } = target;
    const asked = await requestDeviceCodes({ url, clientId: row.oauthClientId, scope }, deps);
    if (!asked.successful) return audited(await failedTokenRequest(asked.failure, row));
    const { verificationUri, userCode, expiresInSeconds } = asked.codes;
    return {
      successful: true,
      verificationUri,
      userCode,
      expiresInSeconds,
      username: row.username,
      notices: unusedNotices(row),
      async finish(wait) {
        const client = await tokenClientOf(deps.servers, target);
        const outcome = await pollDeviceToken(client, asked.codes, { ...deps, wait });
        if (!outcome.successful) return audited(await failedTokenRequest(outcome.failure, row));
        return audited(await acceptGrant(deps, row, outcome.tokens, actor));
      },
    };
  };
}
