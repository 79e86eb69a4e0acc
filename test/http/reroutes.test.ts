import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { openEmptyDatabase } from "../fixtures/database.ts";
import { realRandomBytes, type TestInstance } from "../fixtures/instance.ts";
import { ALLOWED, DENIED, GATEWAY, HOME, type Send, start, status, WRITE } from "./reroutes-support.ts";

const rows = async ({ database }: TestInstance) =>
  database.read.all("SELECT identifier, server, port, tls, username, api_url, timeout FROM smtp_server");
const auditInfo = async (instance: TestInstance, action: string) => {
  const { value } = await instance.request("GET", "/audit/", { query: { action, page_size: "1" } });
  return (value as { auditdata: { info: string }[] }).auditdata[0]?.info;
};

/** Changes that redirect the codes of a plugin. */
const REROUTES: readonly (readonly [string, string, string, unknown])[] = [
  ["another host", "POST", "/smtpserver/default", { ...HOME, server: "evil.example" }],
  ["another port", "POST", "/smtpserver/default", { ...HOME, port: 2525 }],
  ["another username", "POST", "/smtpserver/default", { ...HOME, username: "mallory" }],
  ["no TLS", "POST", "/smtpserver/default", { ...HOME, tls: false }],
  ["a mail API", "POST", "/smtpserver/default", { ...HOME, server: "ses://eu-central-1" }],
  ["an api_url", "POST", "/smtpserver/default", { ...HOME, api_url: "https://evil.example" }],
  ["a provider", "POST", "/smtpserver/default", { ...HOME, provider: "mailgun" }],
  ["a token endpoint", "POST", "/smtpserver/default", { ...HOME, oauth_token_url: "https://evil.example/t" }],
  ["its deletion", "DELETE", "/smtpserver/default", undefined],
  ["the first definition of a name in a fallback list", "POST", "/smtpserver/spare", HOME],
  ["a setting that names another definition", "POST", "/system/setConfig", { "email.identifier": "other" }],
  [
    "a list that ends elsewhere",
    "POST",
    "/system/setConfig",
    { "recovery.identifier": ["default", "other"] },
  ],
  ["a setting that names another gateway", "POST", "/system/setConfig", { "sms.identifier": "other" }],
  ["MAILTO", "POST", "/smsgateway/", { ...GATEWAY, "option.MAILTO": "mallory@evil.example" }],
  ["REGEXP", "POST", "/smsgateway/", { ...GATEWAY, "option.REGEXP": "/.*/+4917099/" }],
  ["SMTPIDENTIFIER", "POST", "/smsgateway/", { ...GATEWAY, "option.SMTPIDENTIFIER": "other" }],
  ["the deletion of a gateway", "DELETE", "/smsgateway/default", undefined],
];

/** Changes that leave every code where it went. */
const FREE: readonly (readonly [string, string, string, unknown])[] = [
  ["the same values", "POST", "/smtpserver/default", HOME],
  ["the host in another form", "POST", "/smtpserver/default", { ...HOME, server: "SMTP.example.org." }],
  ["timeout and description", "POST", "/smtpserver/default", { ...HOME, timeout: 42, description: "ours" }],
  ["a new password", "POST", "/smtpserver/default", { ...HOME, password: "new" }],
  ["stronger TLS", "POST", "/smtpserver/clear", { ...HOME, tls: true }],
  ["a definition that nothing uses", "POST", "/smtpserver/other", { ...HOME, server: "evil.example" }],
  ["a new definition that nothing uses", "POST", "/smtpserver/new", HOME],
  ["the deletion of one that nothing uses", "DELETE", "/smtpserver/other", undefined],
  ["the deletion of one that does not exist", "DELETE", "/smtpserver/spare", undefined],
  ["a setting that names no definition", "POST", "/system/setConfig", { "email.validtime": 60 }],
  ["the value that a setting has", "POST", "/system/setConfig", { "email.identifier": ["default", "spare"] }],
  ["a setting that is not set", "DELETE", "/system/recovery.identifier", undefined],
  ["the wording of a gateway", "POST", "/smsgateway/", { ...GATEWAY, "option.BODY": "Code: {otp}" }],
  [
    "a gateway that nothing uses",
    "POST",
    "/smsgateway/",
    { ...GATEWAY, name: "other", "option.MAILTO": "m@evil.example" },
  ],
];

describe("once an active policy names smtpserver_route", () => {
  let started: Awaited<ReturnType<typeof start>>;
  let writer: Send;
  beforeAll(async () => {
    started = await start();
    writer = await started.withRights("writer", WRITE);
    await started.withRights("router", `${WRITE}, smtpserver_route`);
    await started.admin("POST", "/smtpserver/clear", { ...HOME, tls: false });
    await started.admin("POST", "/smtpserver/other", HOME);
  });
  afterAll(() => started.instance[Symbol.asyncDispose]());

  test.each(REROUTES)("%s needs that right in addition", async (_, method, path, json) => {
    const before = await rows(started.instance);
    expect(await status(writer(method, path, json))).toEqual(DENIED);
    expect(await rows(started.instance)).toEqual(before);
    expect(started.events).toEqual([]);
  });

  test.each(FREE)("%s is free", async (_, method, path, json) => {
    expect(await status(writer(method, path, json))).toEqual(ALLOWED);
  });

  test("the reset of an option or a setting by which codes went elsewhere needs it as well", async () => {
    await started.admin("POST", "/smsgateway/", { ...GATEWAY, "option.REGEXP": "/^0/+49/" });
    await started.admin("POST", "/system/setConfig", { "email.identifier": "other" });
    const [{ id }] = (await started.instance.request("GET", "/smsgateway/default")).value as [{ id: number }];
    expect(await status(writer("DELETE", `/smsgateway/option/${id}/REGEXP`))).toEqual(DENIED);
    expect(await status(writer("DELETE", `/smsgateway/option/${id}/BODY`))).toEqual(ALLOWED);
    expect(await status(writer("DELETE", "/system/email.identifier"))).toEqual(DENIED);
    await started.admin("DELETE", "/system/email.identifier");
  });

  test("the API key of another account of a provider whose username is the same for all needs it", async () => {
    const resend = { server: "smtps://smtp.resend.com", username: "resend", password: "re_1" };
    await started.admin("POST", "/smtpserver/spare", resend);
    expect(await status(writer("POST", "/smtpserver/spare", { ...resend, password: "re_2" }))).toEqual(
      DENIED,
    );
    await started.admin("DELETE", "/smtpserver/spare");
  });

  test.each([
    ["smtp.eu.sendgrid.net", "apikey"],
    ["smtp.region-9.sendgrid.net", "apikey"],
    ["relay.example.org", "SMTP_Injection"],
    ["live.smtp.mailtrap.io", "api"],
    ["bulk.smtp.mailtrap.io", "smtp@mailtrap.io"],
  ])("so does another password at %s of the username %s", async (server, username) => {
    const spare = { server, port: 587, tls: true, username, password: "first" };
    await started.admin("POST", "/smtpserver/spare", spare);
    const send = (password: string) => status(writer("POST", "/smtpserver/spare", { ...spare, password }));
    expect(await send("second")).toEqual(DENIED);
    expect(await send("__CENSORED__")).toEqual(ALLOWED);
    await started.admin("DELETE", "/smtpserver/spare");
  });
});

test("a policy that excludes the right, or names it for someone else, switches it on; `*` and inactive ones do not", async () => {
  const { instance, admin, withRights } = await start();
  await using _running = instance;
  const writer = await withRights("writer", "smtpserver_write");
  const redirect = (port: number) => status(writer("POST", "/smtpserver/default", { ...HOME, port }));
  expect(await redirect(1)).toEqual(ALLOWED);
  await admin("POST", "/policy/other", {
    scope: "admin",
    action: "*, !smtpserver_route",
    adminuser: "someone",
  });
  expect(await redirect(2)).toEqual(DENIED);
  await admin("POST", "/policy/disable/other");
  expect(await redirect(3)).toEqual(ALLOWED);
  await admin("POST", "/policy/other", { scope: "admin", action: "smtpserver_route", adminuser: "someone" });
  expect(await redirect(4)).toEqual(DENIED);
  // `*` includes the right.
  await admin("POST", "/smtpserver/default", { ...HOME, port: 5 });
});

describe("without such a policy, a change is reported", () => {
  test("in the audit log, by an event and in the response", async () => {
    const { instance, withRights, events } = await start();
    await using _running = instance;
    const writer = await withRights("writer", WRITE);
    const enroller = await withRights("enroller", "enrollEMAIL");
    const evil = { ...HOME, server: "evil.example", port: 25 };
    const saved = await writer("POST", "/smtpserver/default", evil);
    expect([saved.status, saved.detail]).toEqual([
      200,
      { used_by: ["directory", "sms-gateway", "email-token", "recovery"] },
    ]);
    expect(await auditInfo(instance, "POST /smtpserver/<identifier>")).toBe(
      "rerouted (server,port), used by directory,sms-gateway,email-token,recovery",
    );
    const gateway = await writer("POST", "/smsgateway/", { ...GATEWAY, "option.MAILTO": "m@evil.example" });
    expect([gateway.status, gateway.detail]).toEqual([200, { used_by: ["email-token"] }]);
    expect(await auditInfo(instance, "POST /smsgateway/")).toBe("rerouted (MAILTO), used by email-token");
    await writer("POST", "/system/setConfig", { "recovery.identifier": "other", "email.validtime": 60 });
    expect(await auditInfo(instance, "POST /system/setConfig")).toBe(
      "rerouted (recovery.identifier), used by recovery",
    );
    await enroller("POST", "/token/init", {
      type: "email",
      email: "a@example.org",
      "email.identifier": "other",
    });
    expect(await auditInfo(instance, "POST /token/init")).toBe(
      "email, rerouted (email.identifier), used by email-token",
    );
    const deleted = await writer("DELETE", "/smtpserver/default");
    expect(deleted.detail).toEqual({ used_by: ["directory", "sms-gateway", "email-token"] });
    await instance.services.settled();
    const about = events.map(({ actor, data }) => [actor?.username, data]);
    expect(about).toEqual([
      [
        "writer",
        {
          identifier: "default",
          change: "server,port",
          usedBy: ["directory", "sms-gateway", "email-token", "recovery"],
        },
      ],
      ["writer", { identifier: "default", change: "MAILTO", usedBy: ["email-token"] }],
      ["writer", { identifier: "recovery.identifier", change: "recovery.identifier", usedBy: ["recovery"] }],
      [
        "enroller",
        {
          identifier: expect.stringMatching(/^PIEM/),
          change: "email.identifier",
          usedBy: ["email-token"],
        },
      ],
      [
        "writer",
        { identifier: "default", change: "deleted", usedBy: ["directory", "sms-gateway", "email-token"] },
      ],
    ]);
  });
});

/** What another process commits between the decision on a change and its commit. */
const MEANWHILE = [
  [
    "the right is named",
    "/smtpserver/default",
    `INSERT INTO policy (id, name, scope, action, adminuser, adminrealm, client, time, active, priority, description)
      VALUES (99, 'late', 'admin', '{"smtpserver_route":true}', '["someone"]', '[]', '[]', '', 1, 1, '')`,
  ],
  [
    "a setting names the definition",
    "/smtpserver/other",
    `INSERT INTO plugin_config (key, value, sealed) VALUES ('email.identifier', '["other"]', '')`,
  ],
  [
    "a token names the definition",
    "/smtpserver/other",
    `INSERT INTO email_token_token (serial, type, user_id, username, realm, address, pin_hash, otp_length, description,
      fail_count, sent_at, transaction_id, created_at, identifier)
      VALUES ('A', 'email', '', '', '', 'a@example.org', '', 6, '', 0, 0, '', 0, 'other')`,
  ],
  [
    "a gateway names the definition",
    "/smtpserver/other",
    "UPDATE sms_gateway_gateway SET smtpidentifier = 'other'",
  ],
] as const;

describe("a change is denied when, between its decision and its commit,", () => {
  test.each(MEANWHILE)("%s", async (_, path, sql) => {
    const inner = openEmptyDatabase({ randomBytes: realRandomBytes });
    let before: (() => Promise<unknown>) | null = null;
    const database: typeof inner = Object.assign(Object.create(inner), {
      [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
      commit: async (...call: Parameters<typeof inner.commit>) => {
        const meanwhile = before;
        before = null;
        await meanwhile?.();
        return inner.commit(...call);
      },
    });
    const { instance, withRights } = await start({ database });
    await using _running = instance;
    const writer = await withRights("writer", "smtpserver_write");
    if (path !== "/smtpserver/default") await withRights("router", "smtpserver_route");
    const stored = await rows(instance);
    before = () => inner.commit([inner.write.run(sql)]);
    expect(await status(writer("POST", path, { ...HOME, server: "evil.example" }))).toEqual(DENIED);
    expect(before).toBeNull();
    expect(await rows(instance)).toEqual(stored);
  });
});
