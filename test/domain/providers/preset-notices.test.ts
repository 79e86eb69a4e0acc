import { describe, expect, test } from "bun:test";
import { presetNotices } from "../../../src/domain/providers/preset.ts";
import { Secret } from "../../../src/domain/secret.ts";

const DEFINITION = {
  provider: "",
  server: "smtp.sendgrid.net",
  port: 587,
  tls: true,
  username: "apikey",
  auth: "password",
} as const;
type Change = Partial<Record<keyof typeof DEFINITION | "password", string | number | boolean>>;

function noticesOf({ password = "", ...change }: Change, blockedPorts: readonly number[] = []) {
  const definition = { ...DEFINITION, ...change } as Parameters<typeof presetNotices>[0];
  return presetNotices(definition, new Secret(String(password)), { blockedPorts });
}

describe("presetNotices()", () => {
  const microsoft = { provider: "microsoft365", server: "smtp.office365.com", username: "me@example.org" };
  const gmail = { provider: "gmail", server: "smtps://smtp.gmail.com", username: "me@example.org" };
  const ses = { provider: "ses", server: "email-smtp.eu-west-1.amazonaws.com", username: "AKIAEXAMPLE" };
  test.each<[title: string, definition: Change, codes: readonly string[]]>([
    ["nothing of a definition that fits", { provider: "sendgrid", password: "SG.abc" }, []],
    ["nothing without a preset", { username: "x", password: "x" }, []],
    ["nothing of a preset that was removed", { provider: "removed", username: "x" }, []],
    [
      "a username that is not the literal one",
      { provider: "sendgrid", username: "me" },
      ["provider_username"],
    ],
    [
      "a username where there is no login",
      { provider: "microsoft365-relay", server: "a.mail.protection.outlook.com" },
      ["provider_username"],
    ],
    ["a username that is no mailbox", { ...gmail, username: "me" }, ["provider_username"]],
    ["an API key that is not one", { provider: "sendgrid", password: "secret" }, ["provider_secret"]],
    [
      "an API key in the place of an SMTP key",
      { provider: "brevo", server: "smtp-relay.brevo.com", username: "a@b.example", password: "xkeysib-1" },
      ["provider_secret"],
    ],
    [
      "an account password in the place of an app password",
      { ...gmail, password: "Tr0ub4dor&3" },
      ["provider_secret"],
    ],
    ["the secret of an access key", { ...ses, password: "a".repeat(40) }, ["provider_secret"]],
    ["nothing of a kept password", gmail, []],
    ["nothing of a password that OAuth does not use", { ...gmail, auth: "oauth2", password: "x" }, []],
    ["a password that the provider is switching off", microsoft, ["provider_oauth"]],
    ["nothing of a login by OAuth", { ...microsoft, auth: "oauth2" }, []],
    ["nothing of a host in a region", { provider: "sendgrid", server: "smtp.eu.sendgrid.net" }, []],
    ["another host", { provider: "sendgrid", server: "smtp.sendgird.net" }, ["provider_host"]],
    [
      "a region without a server",
      { ...ses, server: "email-smtp.eu-west-9.amazonaws.com" },
      ["provider_region"],
    ],
    ["nothing of a region with a server", ses, []],
    ["a connection without TLS", { provider: "sendgrid", tls: false }, ["provider_tls"]],
    [
      "nothing of a catcher without TLS",
      { provider: "mailpit", server: "mailpit", port: 1025, tls: false, username: "" },
      [],
    ],
    [
      "STARTTLS on a port for implicit TLS",
      { ...gmail, server: "smtp.gmail.com", port: 465 },
      ["provider_implicit_tls"],
    ],
    [
      "nothing of a mail API",
      { provider: "ses", server: "ses://eu-west-1", username: "x", password: "y" },
      [],
    ],
  ])("reports %s", (_title, definition, codes) => {
    expect(noticesOf(definition).map(({ code }) => code)).toEqual([...codes] as never[]);
  });

  test.each([
    [
      { provider: "microsoft365-relay", server: "a.mail.protection.outlook.com", port: 25, username: "" },
      587,
    ],
    [{ provider: "ses", server: "email-smtp.eu-west-1.amazonaws.com", port: 25 }, 465],
    [{ provider: "", port: 25 }, 587],
  ])("names another port for %j where port 25 is blocked", (definition, other) => {
    const [blocked] = noticesOf(definition, [25]);
    expect(blocked).toEqual({
      code: "port_blocked",
      parameter: "port",
      text: `This platform does not connect to port 25: use ${other}.`,
    });
    expect(noticesOf(definition)).toEqual([]);
  });

  test("never contains the password", () => {
    expect(JSON.stringify(noticesOf({ provider: "sendgrid", password: "hunter2" }))).not.toContain("hunter2");
  });
});
