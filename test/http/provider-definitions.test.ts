import { describe, expect, test } from "bun:test";
import { reply, startSmtpServer } from "../../src/testing/smtp/index.ts";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";
import type { TestResponse } from "../fixtures/request.ts";
import { makeTransport } from "../transport/support.ts";

const MICROSOFT = { provider: "microsoft365", username: "app@example.org" };
const FILLED = { server: "smtp.office365.com", port: 587, tls: true };

const save = (instance: TestInstance, json: object, name = "a") =>
  instance.request("POST", `/smtpserver/${name}`, { json });
const send = (instance: TestInstance, json: object) =>
  instance.request("POST", "/smtpserver/send_test_email", {
    json: { sender: "app@example.org", recipient: "ann@example.net", ...json },
  });
const shown = async (instance: TestInstance, name = "a") => {
  const { value, detail } = await instance.request("GET", `/smtpserver/${name}`);
  return { ...(value as object), ...(detail?.limits as object), provider: detail?.provider };
};
const codesOf = ({ detail }: TestResponse) =>
  ((detail?.notices ?? []) as { code: string; parameter: string }[]).map(
    ({ code, parameter }) => `${code} ${parameter}`,
  );

describe("a definition with a provider", () => {
  test("needs nothing else to be saved, and shows what the preset fills", async () => {
    await using instance = await testInstance();
    expect(await save(instance, MICROSOFT)).toMatchObject({ status: 200, value: true });
    expect(await shown(instance)).toMatchObject({
      ...{ ...FILLED, provider: "microsoft365", max_connections: 3, mails_per_minute: 30 },
    });
  });

  test("writes smtps:// where the provider expects TLS from the first byte", async () => {
    await using instance = await testInstance();
    await save(instance, { provider: "fastmail" });
    expect(await shown(instance)).toMatchObject({ server: "smtps://smtp.fastmail.com", port: 465 });
  });

  test("keeps every value that is sent", async () => {
    await using instance = await testInstance();
    const sent = { server: "relay.example.org", port: 2525, tls: false };
    const limits = { max_connections: 1, mails_per_minute: 0 };
    await save(instance, { ...MICROSOFT, ...sent, ...limits });
    expect(await shown(instance)).toMatchObject({ ...sent, ...limits, provider: "microsoft365" });
  });

  test("fills what a form leaves empty", async () => {
    await using instance = await testInstance();
    const form = { ...MICROSOFT, server: "", port: "", tls: "", max_connections: "" };
    await instance.request("POST", "/smtpserver/a", { form });
    expect(await shown(instance)).toMatchObject({ ...FILLED, max_connections: 3 });
  });

  test("keeps its provider when a client of 14 keys saves it", async () => {
    await using instance = await testInstance();
    await save(instance, MICROSOFT);
    await save(instance, { server: "smtp.office365.com", username: "app@example.org" });
    expect(await shown(instance)).toMatchObject({
      ...FILLED,
      provider: "microsoft365",
      mails_per_minute: 30,
    });
  });

  test("keeps its password while the preset still gives the same server", async () => {
    await using instance = await testInstance();
    await save(instance, { ...MICROSOFT, password: "secret" });
    expect((await save(instance, { ...MICROSOFT, description: "mail" })).status).toBe(200);
    const moved = await save(instance, { ...MICROSOFT, provider: "gmail" });
    expect([moved.status, moved.error?.code]).toEqual([400, 905]);
    expect(moved.error?.message).toContain("password: required again");
  });

  test("is saved again unchanged with the defaults that it has", async () => {
    await using instance = await testInstance();
    const zoho = { provider: "zoho", server: "smtp.zoho.com.cn", username: "app@example.org" };
    const plain = { port: 25, tls: false };
    await save(instance, { ...zoho, ...plain, password: "secret" });
    expect((await save(instance, zoho)).status).toBe(200);
    expect(await shown(instance)).toMatchObject({ ...zoho, ...plain });
  });

  test("loses the limits of its provider together with the provider", async () => {
    await using instance = await testInstance();
    await save(instance, MICROSOFT);
    await save(instance, { provider: null, server: "mail.example.org" });
    expect(await shown(instance)).toMatchObject({
      ...{ provider: "", port: 25, tls: false, max_connections: 5, mails_per_minute: 0 },
    });
  });

  test.each([
    ["mircosoft365", "microsoft365"],
    ["Gmail", "gmail"],
    ["constructor", "postmark"],
  ])("is 905 with the unknown provider %s, and names %s", async (provider, nearest) => {
    await using instance = await testInstance();
    for (const response of [await save(instance, { provider }), await send(instance, { provider })]) {
      expect([response.status, response.error?.code]).toEqual([400, 905]);
      expect(response.error?.message).toStartWith("ERR905: Invalid parameter: provider: expected the ID of");
      if (provider !== "constructor") expect(response.error?.message).toContain(nearest);
    }
  });

  test.each([{}, { provider: "" }, { provider: null }, { server: "" }])(
    "is 905 as %j, without a server",
    async (json) => {
      await using instance = await testInstance();
      for (const response of [await save(instance, json), await send(instance, json)]) {
        expect([response.status, response.error?.message]).toEqual([
          400,
          "ERR905: Missing parameter: server",
        ]);
      }
    },
  );

  test("is 905 where the preset leaves the host open, and names its form", async () => {
    await using instance = await testInstance();
    const { status, error } = await save(instance, { provider: "ses" });
    expect([status, error?.code]).toEqual([400, 905]);
    expect(error?.message).toContain("server: expected a host of Amazon SES");
  });

  test("is saved with warnings about what does not fit", async () => {
    await using instance = await testInstance();
    const sendgrid = {
      provider: "sendgrid",
      username: "me",
      password: "not-a-key-7",
      server: "smtp.sendgird.net",
    };
    const saved = await save(instance, { ...sendgrid, tls: true });
    expect(codesOf(saved)).toEqual([
      "provider_host server",
      "provider_username username",
      "provider_secret password",
    ]);
    expect(saved.detail?.warnings).toHaveLength(3);
    expect(saved.text).not.toContain("not-a-key-7");
    const tested = await send(instance, { ...sendgrid, tls: true });
    expect(codesOf(tested)).toEqual(codesOf(saved));
  });

  test("is saved without warnings if everything fits", async () => {
    await using instance = await testInstance();
    const saved = await save(instance, { provider: "sendgrid", username: "apikey", password: "SG.abc" });
    expect([saved.status, saved.detail]).toEqual([200, undefined]);
  });

  test("is warned of port 25 where the platform blocks it", async () => {
    await using instance = await testInstance({ blockedPorts: [25] });
    expect(codesOf(await save(instance, { server: "mail.example.org" }))).toEqual(["port_blocked port"]);
    expect(codesOf(await save(instance, { server: "mail.example.org", port: 587 }))).toEqual([]);
  });
});

describe("a target that the egress policy denies", () => {
  const egress = { egress: "public", ports: [587] } as const;

  test("is saved and tested with one and the same warning", async () => {
    await using instance = await testInstance({ egress });
    const denied = [
      "169.254.169.254",
      "10.0.0.1",
      "[::1]",
      "[::ffff:10.0.0.1]",
      "smtp://mail.example.org:25",
    ];
    for (const server of denied) {
      const saved = await save(instance, { server, port: 587 });
      expect([server, saved.status, saved.detail]).toEqual([
        server,
        200,
        {
          warnings: [
            "This instance may not send to that server or port: see SEALPOST_EGRESS and SEALPOST_EGRESS_PORTS.",
          ],
          notices: [{ code: "egress_denied", parameter: "server" }],
        },
      ]);
      expect(codesOf(await send(instance, { server, port: 587 }))).toEqual(["egress_denied server"]);
    }
  });

  test("may be behind a name, which is not resolved and has no warning", async () => {
    await using instance = await testInstance({ egress });
    for (const server of [
      "mail.example.org",
      "localhost",
      "192.0.2.1.example.org",
      "8.8.8.8",
      "graph://common",
    ])
      expect([server, codesOf(await save(instance, { server, port: 587 }))]).toEqual([server, []]);
  });
});

describe("a test of a definition with a provider", () => {
  test("sends to the server of the preset", async () => {
    await using instance = await testInstance();
    expect(await send(instance, { provider: "fastmail", username: "app@example.org" })).toMatchObject({
      value: true,
    });
    const [mail] = instance.sent;
    expect(mail?.server).toMatchObject({ host: "smtp.fastmail.com", port: 465, security: "implicit" });
  });

  test("takes server and provider from the stored definition of its identifier", async () => {
    await using instance = await testInstance();
    await save(instance, MICROSOFT);
    expect(await send(instance, { identifier: "a", username: "app@example.org" })).toMatchObject({
      value: true,
    });
    const [mail] = instance.sent;
    expect(mail?.server).toMatchObject({ host: "smtp.office365.com", port: 587, security: "starttls" });
  });

  test.each([
    ["microsoft365", "535 5.7.3 Authentication unsuccessful", "Microsoft 365 rejected the login"],
    ["resend", "535 Invalid username", "Set username to resend"],
    ["brevo", "535 5.7.8 Authentication failed", "an SMTP key"],
    ["", "535 5.7.8 Authentication failed", "The server rejected username and password"],
    [
      "postmark",
      "535 5.7.139 SmtpClientAuthentication is disabled for the Tenant",
      "Postmark rejected the login",
    ],
    ["", "535 5.7.139 SmtpClientAuthentication is disabled for the Tenant", "SMTP AUTH is disabled"],
  ])("has the hint of the provider %p for %p", async (provider, line, hint) => {
    await using smtp = await startSmtpServer({
      ...{ users: { mailer: "secret" }, script: { credentials: reply(line) } },
    });
    await using instance = await testInstance({ transport: makeTransport() });
    const definition = { server: `127.0.0.1:${smtp.port}`, username: "mailer", password: "secret", provider };
    for (const until of ["auth", undefined]) {
      const unsaved = await send(instance, { ...definition, until });
      expect(unsaved.detail?.delivery).toMatchObject({
        code: "auth_rejected",
        hint: expect.stringContaining(hint),
      });
    }
    await save(instance, { ...definition, sender: "app@example.org" }, "stored");
    const stored = await instance.request("POST", "/smtpserver/stored/send_test_email", {
      json: { recipient: "ann@example.net" },
    });
    expect(stored.detail?.delivery).toMatchObject({ retryable: false, hint: expect.stringContaining(hint) });
  });
});
