import { describe, expect, test } from "bun:test";
import { parseServiceAccount } from "../../src/domain/service-account.ts";
import { type TokenEndpointFields, tokenEndpointOf } from "../../src/domain/token-endpoint.ts";

const FIELDS: TokenEndpointFields = {
  oauthFlow: "client_credentials",
  oauthTokenUrl: "",
  oauthScope: "",
  graphTenant: null,
  oauthServiceAccount: "",
};
const MICROSOFT = "https://login.microsoftonline.com/tenant/oauth2/v2.0/token";
const GOOGLE = "https://oauth2.googleapis.com/token";
const ACCOUNT = { client_email: "a@b.iam.gserviceaccount.com", private_key: "PEM" };

describe("tokenEndpointOf()", () => {
  test.each<[string, Partial<TokenEndpointFields>, string, string]>([
    ["nothing", {}, "", ""],
    [
      "a token URL of Microsoft",
      { oauthTokenUrl: MICROSOFT },
      MICROSOFT,
      "https://outlook.office365.com/.default",
    ],
    [
      "one of a national cloud",
      { oauthTokenUrl: "https://login.microsoftonline.us/t/oauth2/v2.0/token" },
      "https://login.microsoftonline.us/t/oauth2/v2.0/token",
      "https://outlook.office365.us/.default",
    ],
    ["another token URL", { oauthTokenUrl: "https://id.example/token" }, "https://id.example/token", ""],
    ["a scope", { oauthTokenUrl: MICROSOFT, oauthScope: " one two " }, MICROSOFT, "one two"],
    ["a tenant of graph://", { graphTenant: "tenant" }, MICROSOFT, "https://graph.microsoft.com/.default"],
    [
      "a tenant and a token URL",
      { graphTenant: "tenant", oauthTokenUrl: "https://id.example/token" },
      "https://id.example/token",
      "https://graph.microsoft.com/.default",
    ],
    ["a refresh token", { oauthFlow: "refresh_token", oauthTokenUrl: MICROSOFT }, MICROSOFT, ""],
    ["the flow of Google", { oauthFlow: "jwt_bearer" }, GOOGLE, "https://mail.google.com/"],
    [
      "a service account",
      {
        oauthFlow: "jwt_bearer",
        oauthServiceAccount: JSON.stringify({ ...ACCOUNT, token_uri: "https://id.example/token" }),
      },
      "https://id.example/token",
      "https://mail.google.com/",
    ],
  ])("of %s", (_, fields, url, scope) => {
    expect(tokenEndpointOf({ ...FIELDS, ...fields })).toEqual({ url, scope });
  });
});

describe("parseServiceAccount()", () => {
  test("reads the members that it needs", () => {
    const file = { ...ACCOUNT, type: "service_account", private_key_id: "key", client_id: "12" };
    expect(parseServiceAccount(JSON.stringify(file))).toEqual({
      email: ACCOUNT.client_email,
      privateKey: "PEM",
      keyId: "key",
      clientId: "12",
      tokenUrl: null,
    });
  });

  test.each([
    "",
    "no JSON",
    "null",
    "[]",
    '"text"',
    '{"client_email":"a@b"}',
    '{"private_key":"PEM","client_email":1}',
  ])("rejects %p", (json) => {
    expect(parseServiceAccount(json)).toBeNull();
  });
});
