import type { Context } from "hono";
import * as v from "valibot";
import type { Env } from "../contracts/env.ts";
import { SealpostError, type SealpostErrorCode } from "../errors.ts";
import type { SignInProblem, SignInResult } from "../mail/oauth/accept-grant.ts";
import type { SignIns } from "../mail/oauth/sign-ins.ts";
import { noticeDetail, noticeEntries, respond } from "../wire/envelope.ts";
import { isForBrowser } from "../wire/request.ts";
import { route, tagged } from "../wire/route.ts";
import { described } from "../wire/schemas.ts";
import { definitionTag, identifierParams } from "./smtpserver-schema.ts";

/** `detail` of `POST /smtpserver/<identifier>/oauth/start`. */
export const startedSignInDetail = v.object({
  redirect_uri: described(v.string(), "Redirect URI to list in the settings of the app"),
  expires_at: described(v.string(), "RFC 3339"),
  ...noticeEntries,
});
const completed = v.object({ identifier: v.string(), ...noticeEntries });
const optionalText = v.optional(v.string(), "");
/** RFC 6749 4.1.2. Providers add parameters, which are ignored. */
const callbackParams = v.object({
  state: optionalText,
  code: optionalText,
  error: optionalText,
  error_description: optionalText,
});

const ERROR_CODES: Readonly<Record<SignInProblem, SealpostErrorCode>> = {
  state: "invalid_parameter",
  admin: "action_denied",
  changed: "stale",
  denied: "sign_in_failed",
  token: "sign_in_failed",
  no_refresh_token: "sign_in_failed",
  mailbox: "sign_in_failed",
};

/** Sign-ins of admins for definitions that log in with OAuth. */
export function oauthRoutes({ signIns }: { readonly signIns: Pick<SignIns, "start" | "complete"> }) {
  return tagged(definitionTag, [
    route(
      {
        method: "POST",
        path: "/smtpserver/:identifier/oauth/start",
        right: "smtpserver_write",
        parameters: { path: identifierParams },
        response: v.string(),
        detail: startedSignInDetail,
        summary: "Start an OAuth sign-in",
        description:
          "The value is the URL to open in a browser within 10 minutes, and to sign in with the mailbox of the definition.",
        operationId: "startOAuthSignIn",
        errors: [404],
      },
      async (c, { path: { identifier } }) => {
        const { url, redirectUri, expiresAt, notices } = await signIns.start(
          identifier,
          c.get("principal"),
          c.get("actor"),
        );
        const detail = { redirect_uri: redirectUri, expires_at: expiresAt.toISOString() };
        return respond(url, { detail: { ...detail, ...noticeDetail(notices) } });
      },
    ),
    route(
      {
        method: "GET",
        path: "/oauth/callback",
        open: true,
        parameters: { query: callbackParams },
        response: v.literal(true),
        detail: completed,
        summary: "Complete an OAuth sign-in",
        description:
          "The provider redirects the browser here. A state is valid once. A browser gets a page instead of JSON.",
        operationId: "completeOAuthSignIn",
        errors: [400, 403, 412, 429],
      },
      async (c, { query: { error_description: errorDescription, ...response } }) => {
        // Programs that preview links send HEAD, and the browser would come too late.
        if (c.req.method === "HEAD") {
          c.header("Allow", "GET");
          throw new SealpostError("method_not_allowed", "The method HEAD is not allowed here");
        }
        const { callbackHeaders } = await import("./oauth-page.ts");
        for (const [name, value] of Object.entries(await callbackHeaders())) c.header(name, value);
        const origin = {
          action: c.get("auditAction"),
          client: c.get("clientAddress") ?? "",
          requestId: c.get("requestId"),
        };
        return isForBrowser(c)
          ? page(c, () => signIns.complete({ ...response, errorDescription }, origin))
          : envelope(await signIns.complete({ ...response, errorDescription }, origin));
      },
    ),
  ]);
}

function envelope(result: SignInResult) {
  if (!result.successful) throw new SealpostError(ERROR_CODES[result.problem], result.message);
  const { identifier, notices } = result;
  return respond(true as const, { detail: { identifier, ...noticeDetail(notices) } });
}

async function page(c: Context<Env>, complete: () => Promise<SignInResult>): Promise<Response> {
  const { signInPage } = await import("./oauth-page.ts");
  try {
    const result = await complete();
    if (result.successful) return c.html(signInPage(c, "done"));
    const { status } = new SealpostError(ERROR_CODES[result.problem], result.message);
    return c.html(signInPage(c, result.problem), status);
  } catch (error) {
    if (!(error instanceof SealpostError) || error.number === -500) throw error;
    if (error.retryAfterSeconds !== null) c.header("Retry-After", String(error.retryAfterSeconds));
    return c.html(signInPage(c, "failed"), error.status);
  }
}
