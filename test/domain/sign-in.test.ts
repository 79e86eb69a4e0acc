import { describe, expect, test } from "bun:test";
import { PROVIDERS } from "../../src/domain/providers/index.ts";
import { signInOf } from "../../src/domain/sign-in.ts";

const FIELDS = {
  oauthAuthorizationUrl: "",
  oauthDeviceUrl: "",
  oauthScope: "",
  username: "box@example.org",
  tokenUrl: "https://login.example.org/oauth/token",
  isGraph: false,
};
const preset = (id: string) => PROVIDERS[id]?.oauth ?? null;

describe("signInOf()", () => {
  test("replaces the end of the token URL, and asks for the mailbox in the ID token", () => {
    expect(signInOf(FIELDS, null)).toEqual({
      authorizationUrl: "https://login.example.org/oauth/authorize",
      deviceUrl: "https://login.example.org/oauth/devicecode",
      scope: "openid email",
      parameters: { login_hint: "box@example.org" },
    });
    expect(signInOf({ ...FIELDS, tokenUrl: "https://login.example.org/get_token" }, null)).toMatchObject({
      authorizationUrl: null,
      deviceUrl: null,
    });
  });

  test("asks Microsoft for a refresh token, with the tenant of the token URL", () => {
    const tokenUrl = "https://login.microsoftonline.com/tenant/oauth2/v2.0/token";
    for (const given of [null, preset("microsoft365")]) {
      expect(signInOf({ ...FIELDS, tokenUrl }, given)).toEqual({
        authorizationUrl: "https://login.microsoftonline.com/tenant/oauth2/v2.0/authorize",
        deviceUrl: "https://login.microsoftonline.com/tenant/oauth2/v2.0/devicecode",
        scope: expect.stringMatching(
          /^https:\/\/outlook\.office\.com\/SMTP\.Send (?=.*offline_access)(?=.*openid)(?=.*profile)/,
        ),
        parameters: { login_hint: "box@example.org" },
      });
    }
    const graph = signInOf({ ...FIELDS, tokenUrl, isGraph: true }, null);
    expect(graph.scope).toStartWith("https://graph.microsoft.com/Mail.Send ");
  });

  test("asks Google for offline access and a new consent", () => {
    const tokenUrl = "https://oauth2.googleapis.com/token";
    expect(signInOf({ ...FIELDS, tokenUrl }, preset("gmail"))).toMatchObject({
      authorizationUrl: "https://accounts.google.com/o/oauth2/v2/auth",
      scope: "https://mail.google.com/ openid email",
      parameters: { access_type: "offline", prompt: "consent", login_hint: "box@example.org" },
    });
  });

  test("prefers the fields of the definition, and repeats no scope", () => {
    const own = {
      ...FIELDS,
      oauthAuthorizationUrl: "https://accounts.google.com/own",
      oauthDeviceUrl: "https://login.example.org/device",
      oauthScope: "  mail   openid ",
    };
    expect(signInOf(own, preset("gmail"))).toMatchObject({
      authorizationUrl: "https://accounts.google.com/own",
      deviceUrl: "https://login.example.org/device",
      scope: "mail openid email",
      parameters: { access_type: "offline" },
    });
  });
});
