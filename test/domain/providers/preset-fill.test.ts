import { describe, expect, test } from "bun:test";
import { PROVIDERS } from "../../../src/domain/providers/index.ts";
import { fillFromPreset } from "../../../src/domain/providers/preset.ts";

interface Input {
  readonly provider?: string | null;
  readonly server?: string;
  readonly port?: number;
  readonly tls?: boolean;
  readonly maxConnections?: number | null;
  readonly mailsPerMinute?: number | null;
}
const NONE = {
  ...{ provider: "", server: "", port: 25, tls: false, maxConnections: 5, mailsPerMinute: 0 },
  ...({ auth: "password", oauthFlow: "client_credentials", oauthTokenUrl: "" } as const),
};
/** Returns the endpoint that the input is filled with. */
function endpointOf(input: Input, stored = NONE) {
  const sent = { server: undefined, port: undefined, tls: undefined, ...input };
  const { server, port, tls } = fillFromPreset(sent, stored);
  return [server, port, tls];
}
/** Returns the limits as they will be stored: those sent, filled, or kept. */
function limitsOf(input: Input, stored = NONE) {
  const sent = { server: "mail.example.org", port: undefined, tls: undefined, ...input };
  const { maxConnections, mailsPerMinute } = { ...sent, ...fillFromPreset(sent, stored) };
  return [maxConnections ?? stored.maxConnections, mailsPerMinute ?? stored.mailsPerMinute];
}

describe("fillFromPreset() without a server", () => {
  test.each<[input: Input, expected: (string | number | boolean)[]]>([
    [{ provider: "microsoft365" }, ["smtp.office365.com", 587, true]],
    [{ provider: "gmail" }, ["smtps://smtp.gmail.com", 465, true]],
    [{ provider: "fastmail" }, ["smtps://smtp.fastmail.com", 465, true]],
    [{ provider: "mailpit" }, ["localhost", 1025, false]],
    [{ provider: "gmail", port: 587 }, ["smtp.gmail.com", 587, true]],
    [{ provider: "resend", port: 2465 }, ["smtps://smtp.resend.com:2465", 2465, true]],
    [{ provider: "sendgrid", port: 2525 }, ["smtp.sendgrid.net", 2525, true]],
    [{ provider: "sendgrid", tls: false }, ["smtp.sendgrid.net", 587, false]],
    [{ provider: "sendgrid", server: "" }, ["smtp.sendgrid.net", 587, true]],
  ])("fills %j with %j", (input, expected) => {
    expect(endpointOf(input)).toEqual(expected);
  });

  test.each(["", null, undefined])("rejects the provider %p, which gives no server", (provider) => {
    expect(() => endpointOf({ ...(provider !== undefined && { provider }) })).toThrow(
      "Missing parameter: server",
    );
  });

  test("rejects a preset whose host depends on the region", () => {
    expect(() => endpointOf({ provider: "ses" })).toThrow(
      "server: expected a host of Amazon SES, in the form email",
    );
  });

  test("fills every preset that has a host", () => {
    for (const [provider, { host }] of Object.entries(PROVIDERS)) {
      if (host !== null) expect(endpointOf({ provider })[0]).toEndWith(host);
    }
  });
});

describe("fillFromPreset() with a server", () => {
  test.each<[input: Input, expected: (string | number | boolean)[]]>([
    [{ server: "smtp.office365.com" }, [587, true]],
    [{ server: "SMTP.Office365.com." }, [587, true]],
    [{ server: "smtp.office365.com", port: 25, tls: false }, [25, false]],
    [{ server: "smtp.gmail.com", provider: "gmail" }, [587, true]],
    [{ server: "smtps://smtp.gmail.com", provider: "gmail" }, [465, true]],
    [{ server: "smtp.fastmail.com", provider: "fastmail" }, [465, true]],
    [{ server: "email-smtp.eu-west-1.amazonaws.com", provider: "ses" }, [587, true]],
    [{ server: "example-org.mail.protection.outlook.com", provider: "microsoft365-relay" }, [25, true]],
    [{ server: "mailpit", provider: "mailpit" }, [1025, false]],
    // A host in a region, listed or not.
    [{ server: "smtp.eu.sendgrid.net", provider: "sendgrid" }, [587, true]],
    [{ server: "smtp.region-9.sendgrid.net", provider: "sendgrid" }, [587, true]],
    [{ server: "smtp.zoho.com.au", provider: "zoho" }, [587, true]],
    [{ server: "smtp.ionos.co.uk", provider: "ionos" }, [587, true]],
    [{ server: "smtps://smtp.yandex.com.tr", provider: "yandex" }, [465, true]],
    [{ server: "email-smtp.af-south-1.amazonaws.com", provider: "ses" }, [587, true]],
    [{ server: "smtp.zoho.com.cn", provider: "zoho" }, [587, true]],
    [{ server: "email-smtp.cn-north-1.amazonaws.com.cn", provider: "ses" }, [587, true]],
    // Another host: the facts of the provider do not apply.
    [{ server: "relay.example.org" }, [25, false]],
    [{ server: "graph://example.org" }, [25, false]],
    [{ server: "relay.example.org", provider: "" }, [25, false]],
    [{ server: "relay.example.org", provider: "removed" }, [25, false]],
    // A label of it is the name of the provider, but not the one that is registered.
    [{ server: "sendgrid.example.org", provider: "sendgrid" }, [25, false]],
    [{ server: "mail.example.org", provider: "mail.ru" }, [25, false]],
    [{ server: "web.example.org", provider: "web.de" }, [25, false]],
    [{ server: "me.example.org", provider: "icloud" }, [25, false]],
    [{ server: "mailgun", provider: "mailgun" }, [25, false]],
  ])("keeps it, and fills %j with %j", (input, expected) => {
    const [server, ...others] = endpointOf({ provider: "microsoft365", ...input });
    expect(server).toBe(input.server);
    expect(others).toEqual(expected);
  });

  const ZOHO = { ...NONE, provider: "zoho", server: "smtp.zoho.com.cn" };
  test.each<[input: Input, stored: typeof NONE, expected: (string | number | boolean)[]]>([
    [{}, ZOHO, [25, false]],
    [{ tls: false }, ZOHO, [25, false]],
    [{ provider: "zoho", port: 25 }, ZOHO, [25, false]],
    // The definition changes, or has other values than the defaults.
    [{ port: 587 }, ZOHO, [587, true]],
    [{ tls: true }, ZOHO, [587, true]],
    [{ server: "smtp.zoho.com.au" }, ZOHO, [587, true]],
    [{ provider: "zoho" }, { ...ZOHO, provider: "" }, [587, true]],
    [{}, { ...ZOHO, port: 2525 }, [587, true]],
  ])("%j leaves what has the defaults as it is: %j", (input, stored, expected) => {
    const [, ...others] = endpointOf({ server: "smtp.zoho.com.cn", ...input }, stored);
    expect(others).toEqual(expected);
  });
});

describe("fillFromPreset() of limits", () => {
  const MICROSOFT = { ...NONE, provider: "microsoft365", maxConnections: 3, mailsPerMinute: 30 };
  test.each<[title: string, input: Input, stored: typeof NONE, expected: readonly number[]]>([
    ["a new definition has those of its provider", { provider: "microsoft365" }, NONE, [3, 30]],
    ["without a provider there are the defaults", {}, NONE, [5, 0]],
    ["a higher limit of connections does not raise the default", { provider: "socketlabs" }, NONE, [5, 0]],
    [
      "those that are sent win",
      { provider: "microsoft365", maxConnections: 9, mailsPerMinute: 0 },
      NONE,
      [9, 0],
    ],
    ["null resets to the provider", { maxConnections: null }, { ...MICROSOFT, maxConnections: 9 }, [3, 30]],
    ["absent ones stay with the same provider", {}, { ...MICROSOFT, maxConnections: 9 }, [9, 30]],
    ["another provider replaces those of the one before", { provider: "gmail" }, MICROSOFT, [5, 0]],
    [
      "a provider replaces defaults only",
      { provider: "microsoft365" },
      { ...NONE, maxConnections: 2 },
      [2, 30],
    ],
    ["removing the provider removes its limits", { provider: null }, MICROSOFT, [5, 0]],
  ])("%s", (_title, input, stored, expected) => {
    expect(limitsOf(input, stored)).toEqual([...expected]);
  });
});

describe("the token URL of a preset", () => {
  const tokenUrl = (json: object) =>
    Object.entries(
      fillFromPreset({ server: undefined, port: undefined, tls: undefined, provider: "gmail", ...json }),
    ).find(([name]) => name === "oauthTokenUrl")?.[1];
  const refreshed = { auth: "oauth2", oauthFlow: "refresh_token" } as const;

  test.each([
    ["is filled for OAuth", refreshed, "https://oauth2.googleapis.com/token"],
    [
      "is filled when it is reset",
      { ...refreshed, oauthTokenUrl: null },
      "https://oauth2.googleapis.com/token",
    ],
    [
      "does not replace one that was sent",
      { ...refreshed, oauthTokenUrl: "https://own.example/t" },
      "https://own.example/t",
    ],
    ["is not filled for a password", {}, undefined],
    ["is left to the service account", { ...refreshed, oauthFlow: "jwt_bearer" }, undefined],
    ["is not filled if it names a tenant", { ...refreshed, provider: "microsoft365" }, undefined],
  ])("%s", (_, json, expected) => {
    expect(tokenUrl(json)).toBe(expected);
  });
});
