import { describe, expect, test } from "bun:test";
import { type FailureCode, notSent, type OAuthReport } from "../../../src/domain/delivery.ts";
import { hintFor } from "../../../src/mail/hints/hint-for.ts";
import type { HintContext } from "../../../src/mail/hints/rule.ts";
import { rejection } from "../../../src/smtp/failures.ts";
import { replyOf } from "../../fixtures/smtp/reply.ts";

const CONTEXT: HintContext = {
  ...{ host: "smtp.office365.com", server: "smtp.office365.com", port: 587 },
  ...{ security: "starttls", username: "box@example.com", provider: "", auth: "oauth2", reply: null },
};
const REPORT: OAuthReport = {
  ...{ host: "login.microsoftonline.com", status: 400, error: null, codes: [], description: null },
  ...{ traceId: null, correlationId: null, clockSkewSeconds: 0 },
};

function hintOf(code: FailureCode, report: Partial<OAuthReport>) {
  return hintFor({ ...notSent("oauth", code), oauth: { ...REPORT, ...report } }, CONTEXT);
}

describe("hintFor() of a token request", () => {
  test.each<[string, FailureCode, Partial<OAuthReport>, string]>([
    [
      "the secret ID in place of the secret",
      "oauth_client",
      { codes: ["AADSTS7000215"] },
      "Value of the secret",
    ],
    ["an expired secret", "oauth_client", { codes: ["AADSTS7000222"] }, "has expired"],
    ["an unknown app", "oauth_client", { codes: ["AADSTS700016"], clientId: "app-1" }, "no app app-1"],
    [
      "a rejected certificate",
      "oauth_client",
      { codes: ["AADSTS700027"], thumbprint: "AB12" },
      "thumbprint AB12",
    ],
    ["an assertion outside its time", "oauth_client", { codes: ["AADSTS700024"] }, "agrees with"],
    ["a scope without /.default", "oauth_scope", { codes: ["AADSTS1002012"] }, "/.default"],
    ["a missing consent", "oauth_consent", { codes: ["AADSTS65001"], clientId: "app-1" }, "app app-1 lacks"],
    ["Conditional Access", "oauth_consent", { codes: ["AADSTS53003"] }, "exclude the app"],
    ["an idle refresh token", "oauth_grant", { codes: ["AADSTS700082"] }, "Sign in again"],
    ["a second factor", "oauth_grant", { codes: ["AADSTS50076"] }, "second factor"],
    ["a disabled account", "oauth_grant", { codes: ["AADSTS50057"] }, "mailbox in username"],
    [
      "missing delegation",
      "oauth_consent",
      {
        error: "unauthorized_client",
        description: "not authorized for any of the scopes requested",
        clientId: "12",
      },
      "client ID 12 with the scope https://mail.google.com/",
    ],
    [
      "an unknown user of Google",
      "oauth_grant",
      { error: "invalid_grant", description: "Invalid email or User ID" },
      "Workspace user",
    ],
    [
      "a consent screen in Testing",
      "oauth_grant",
      { error: "invalid_grant", description: "Token has been expired or revoked." },
      "7 days",
    ],
    ["no known error", "oauth_client", { error: "invalid_client" }, "oauth_client_id"],
  ])("explains %s", (_, code, report, words) => {
    expect(hintOf(code, report)?.text).toContain(words);
  });

  test("names the parameter to change", () => {
    expect(hintOf("oauth_client", { codes: ["AADSTS700025"] })?.remedy).toEqual({
      parameter: "oauth_client_secret",
      value: "",
    });
    expect(hintOf("oauth_scope", { error: "invalid_scope" })?.remedy?.parameter).toBe("oauth_scope");
  });

  test("names the field without which no token was requested", () => {
    const unsent = (description: string, status: number | null = null) =>
      hintOf("oauth_client", { status, description });
    expect(unsent("oauth_token_url is missing")).toEqual({
      text: "oauth_token_url is missing. Set it and save.",
      sentences: [{ code: "field_missing", values: { parameter: "oauth_token_url" } }],
      remedy: { parameter: "oauth_token_url", value: null },
    });
    expect(unsent("oauth_refresh_token is missing")?.text).toContain("Sign in for the definition");
    // An endpoint may say the same of a field of its own.
    expect(unsent("oauth_token_url is missing", 400)?.remedy?.parameter).toBe("oauth_client_secret");
  });

  test("tells by how many seconds the clock is off, if it is more than 60", () => {
    const words = (clockSkewSeconds: number, code: FailureCode = "oauth_grant") =>
      hintOf(code, { error: "invalid_grant", clockSkewSeconds })?.text;
    expect(words(61)).toContain("The clock of this machine is 61 s behind that of the token endpoint.");
    expect(words(-300)).toContain("is 300 s ahead of that");
    expect(words(60)).not.toContain("clock");
    expect(words(900, "oauth_unavailable")).not.toContain("clock");
  });

  test("tells it for an error about time in any case, and once", () => {
    const hint = hintOf("oauth_client", { codes: ["AADSTS700024"], clockSkewSeconds: 120 })?.text ?? "";
    expect(hint.match(/120 s behind/g)).toHaveLength(1);
    expect(hintOf("oauth_client", { codes: ["AADSTS700024"], clockSkewSeconds: -9 })?.text).toContain(
      "9 s ahead",
    );
  });
});

describe("hintFor() of a login with an access token", () => {
  const afterLogin = (line: string, auth: HintContext["auth"] = "oauth2", provider = "") => {
    const reply = replyOf(line);
    const failure = rejection("auth", reply, { isTls: true, hasLogin: true });
    return hintFor(failure, { ...CONTEXT, auth, provider, reply })?.text;
  };
  const REJECTED = "535 5.7.8 Username and Password not accepted";

  test.each(["", "gmail", "fastmail"])(
    "is about the token, not about a password, with the provider %p",
    (provider) => {
      expect(afterLogin(REJECTED, "oauth2", provider)).toContain("rejected the access token");
      expect(afterLogin(REJECTED, "password", provider)).toContain("app password");
    },
  );

  test("names a known cause that a token shares with a password", () => {
    expect(afterLogin("535 5.7.139 SmtpClientAuthentication is disabled")).toContain("SMTP AUTH is disabled");
    expect(afterLogin("535 5.7.3 Authentication unsuccessful", "oauth2", "microsoft365")).toContain(
      "object ID",
    );
  });

  test("names the mechanisms where the server offers none of them", () => {
    expect(hintFor(notSent("auth", "auth_not_offered"), CONTEXT)?.text).toContain("XOAUTH2, OAUTHBEARER");
  });

  test("suggests waiting after a 4xx", () => {
    expect(afterLogin("454 4.7.0 Temporary authentication failure")).toContain("later");
  });
});
