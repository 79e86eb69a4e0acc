import { describe, expect, test } from "bun:test";
import { PHASES } from "../../../src/domain/delivery.ts";
import { parseEndpoint } from "../../../src/domain/endpoint.ts";
import { matchesReply } from "../../../src/domain/known-reply.ts";
import { PROVIDER_REPLIES, PROVIDERS } from "../../../src/domain/providers/index.ts";
import { preferredPort, serverText } from "../../../src/domain/providers/provider.ts";
import { replyOf } from "../../fixtures/smtp/reply.ts";

/** The presets that users ask for first. */
const FIRST =
  "microsoft365 gmail google-workspace google-workspace-relay ses sendgrid mailgun postmark brevo resend fastmail icloud";
const CATCHERS = ["mailpit", "maildev", "smtp4dev"];
const all = Object.entries(PROVIDERS);

describe("the table of presets", () => {
  test("has the providers that users ask for first, and the catchers", () => {
    expect(Object.keys(PROVIDERS)).toEqual(expect.arrayContaining([...FIRST.split(" "), ...CATCHERS]));
  });

  test.each(all)("%s has an ID of lower-case words, an https page and a date", (id, { docs, checked }) => {
    expect(id).toMatch(/^[a-z0-9]+([.-][a-z0-9]+)*$/);
    expect(new URL(docs).protocol).toBe("https:");
    expect(new Date(checked).toISOString()).toStartWith(checked);
  });

  test.each(all)("%s has a name that no other preset has", (_id, { name }) => {
    expect(all.filter(([, other]) => other.name === name)).toHaveLength(1);
  });

  test.each(all)("%s has valid hosts, or a form for them", (_id, { host, hostForm, regions = {} }) => {
    const hosts = Object.values(regions);
    if (host === null) expect(hostForm).toMatch(/^[^{}]*\{[a-z]+\}\.[a-z0-9.-]+$/);
    else if (hosts.length > 0) expect(hosts).toContain(host);
    for (const name of host === null ? hosts : [host, ...hosts]) {
      expect(parseEndpoint({ server: name, port: 25, tls: false })?.host).toBe(name);
    }
  });

  test.each(all)("%s uses TLS, unless it is a catcher on the same machine", (_id, preset) => {
    const { host, ports } = preset;
    expect(Object.keys(ports).length).toBeGreaterThan(0);
    if (ports.none !== undefined) expect([host, Object.keys(ports)]).toEqual(["localhost", ["none"]]);
  });

  test.each(all)("%s is reached by the server that its preset writes", (_id, preset) => {
    const { port, security } = preferredPort(preset);
    const endpoint = { host: preset.host ?? "mail.example.org", port, security };
    const server = serverText(endpoint);
    expect(parseEndpoint({ server, port, tls: security !== "none" })).toEqual(endpoint);
  });

  test.each(all)("%s names its username and its secret in words", (_id, { username, secret }) => {
    if (username.rule === "free") expect(username.expected).toMatch(/^(the|a|any) /);
    if (secret.pattern) {
      expect(secret.expected).toMatch(/^(the|an?) /);
      // Shown without flags.
      expect(secret.pattern.flags).toBe("");
    }
  });

  test.each(all)("%s has limits above zero", (_id, { limits = {} }) => {
    for (const limit of Object.values(limits)) expect(limit).toBeGreaterThan(0);
  });

  test.each(all)("%s has OAuth over https, with a scope for each flow", (_id, { oauth }) => {
    if (oauth === undefined) return;
    const { authorizationUrl, tokenUrl, deviceUrl = tokenUrl, scopes } = oauth;
    for (const url of [authorizationUrl, tokenUrl, deviceUrl]) expect(new URL(url).protocol).toBe("https:");
    expect(Object.values(scopes).every((scope) => scope.length > 0)).toBe(true);
  });

  test.each(all)("%s finds each known reply by its sign", (_id, { replies = [] }) => {
    for (const row of replies) {
      if (row.sign === undefined) continue;
      const phases = PHASES.filter((phase) => matchesReply(row, phase, replyOf(row.sign ?? "")));
      expect([row.sign, phases]).toEqual([row.sign, row.phases ? [...row.phases] : [...PHASES]]);
    }
  });

  test("limits Microsoft 365 to 3 connections and 30 messages a minute", () => {
    expect(PROVIDERS.microsoft365?.limits).toMatchObject({ maxConnections: 3, mailsPerMinute: 30 });
  });

  test("is the one of docs/providers.md", async () => {
    const page = await Bun.file(new URL("../../../docs/providers.md", import.meta.url)).text();
    const rows = [...page.matchAll(/^\| `(.+?)` \| \[(.+?)\]\((.+?)\) \| `(.+?)`/gm)];
    const expected = all.map(([id, preset]) => {
      const { host, hostForm, name, docs } = preset;
      return [id, name, docs, host === null ? hostForm : serverText({ host, ...preferredPort(preset) })];
    });
    expect(rows.map(([, ...cells]) => cells)).toEqual(expected as string[][]);
  });

  test("has each reply of a provider once", () => {
    const signs = PROVIDER_REPLIES.flatMap(({ sign }) => sign ?? []);
    expect(new Set(signs).size).toBe(signs.length);
  });
});

describe("the form of a secret", () => {
  const fits = (id: string, secret: string) => PROVIDERS[id]?.secret.pattern?.test(secret);
  test.each([
    ["gmail", "abcd efgh ijkl mnop", "Correct-Horse-9"],
    ["gmail", "abcdefghijklmnop", "abcdefghijklmno"],
    ["icloud", "abcd-efgh-ijkl-mnop", "Correct-Horse-9"],
    ["sendgrid", "SG.abc.def", "abc.def"],
    ["resend", "re_123456789", "SG.abc.def"],
    ["brevo", "xsmtpsib-0123-abc", "xkeysib-0123-abc"],
    ["ses", `B${"a".repeat(41)}+/`, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"],
  ])("of %s is that of %p, not of %p", (id, right, wrong) => {
    expect([fits(id, right), fits(id, wrong)]).toEqual([true, false]);
  });
});
