import { describe, expect, test } from "bun:test";
import { events } from "sealpost/plugins/events";
import { smsGateway } from "sealpost/plugins/sms-gateway";
import { auditRows, deliveredMails, drain } from "../../fixtures/delivered.ts";
import type { TestInstance } from "../../fixtures/instance.ts";
import { addUser, bind, eventsInstance } from "./fixtures/bindings.ts";

const SMS = {
  action: "sendsms",
  "option.subject": undefined,
  "option.body": "{event}: {username}",
};
const GATEWAY = {
  name: "default",
  module: "privacyidea.lib.smsprovider.SmtpSMSProvider.SmtpSMSProvider",
  "option.MAILTO": "{phone}@sms.example.org",
};

async function smsInstance(): Promise<TestInstance> {
  const instance = await eventsInstance({ plugins: [smsGateway()] });
  await instance.request("POST", "/smsgateway/", { json: GATEWAY });
  return instance;
}

describe("the action sendsms", () => {
  test("sends a text to the phone of the user, or to fixed numbers, through the gateway", async () => {
    await using instance = await smsInstance();
    expect((await bind(instance, SMS)).status).toBe(200);
    const fixed = { ...SMS, "option.To": "phone", "option.To phone": "+49 170 1, 01702" };
    expect((await bind(instance, { ...fixed, "option.smsconfig": "default" })).status).toBe(200);
    await addUser(instance, { phone: "+491701234567" });
    const messages = await deliveredMails(instance);
    const sent = messages.map(({ to, text }) => [to?.[0]?.address, text?.trim()]);
    expect(sent.toSorted()).toEqual([
      ["+491701234567@sms.example.org", "user_add: ann"],
      ["+491701@sms.example.org", "user_add: ann"],
      ["01702@sms.example.org", "user_add: ann"],
    ]);
  });

  test("records in the audit log why nothing was sent, and causes no events itself", async () => {
    await using instance = await smsInstance();
    const event = "user_add,mail_sent,mail_failed";
    await bind(instance, { ...SMS, event });
    await bind(instance, {
      ...SMS,
      event,
      "option.To": "phone",
      "option.To phone": "0170",
      "option.smsconfig": "none",
    });
    await bind(instance, { ...SMS, event, name: "works", "option.To": "phone", "option.To phone": "01701" });
    await addUser(instance);
    for (let round = 0; round < 3; round++) await drain(instance);
    const infos = (await auditRows(instance, "event user_add")).map(({ info }) => info);
    expect(infos.toSorted()).toEqual([
      "gateway_unknown",
      "no recipients: the attribute phone of the user is empty",
    ]);
    expect(await deliveredMails(instance)).toHaveLength(1);
  });

  test("is 905 without a plugin that sends SMS, and takes only its own options", async () => {
    await using none = await eventsInstance();
    expect(await bind(none, SMS)).toMatchObject({ status: 400, error: { code: 905 } });
    await using instance = await smsInstance();
    for (const [more, message] of [
      [{ "option.subject": "x" }, "option.subject"],
      [{ "option.To": "email", "option.To email": "a@example.org" }, "option.To"],
      [{ "option.To": "phone" }, "Missing parameter: option.To phone"],
      [{ "option.To": "phone", "option.To phone": "ann" }, "option.To phone: expected phone numbers"],
    ] as const) {
      const { status, error } = await bind(instance, { ...SMS, ...more });
      expect([status, error?.message]).toEqual([400, expect.stringContaining(message)]);
    }
  });
});

describe("the option recipients", () => {
  const recipients = ["Example.org"];
  const HOOK = {
    action: "webhook",
    "option.subject": undefined,
    "option.body": undefined,
    "option.secret": `whsec_${new Uint8Array(24).toBase64()}`,
  };
  const SETTING = "events.admins";

  test.each<[Readonly<Record<string, unknown>>, string | null]>([
    [{ "option.To": "email", "option.To email": "Ops <ops@EXAMPLE.org>, a@sub.example.org" }, null],
    [{ "option.To": "email", "option.To email": "ops@example.org, a@evil.example" }, "option.To email"],
    [{ "option.To": "email", "option.To email": "a@badexample.org" }, "option.To email"],
    [{ "option.reply_to": "email", "option.reply_to email": "a@evil.example" }, "option.reply_to email"],
    [{ ...HOOK, "option.url": "https://hooks.example.org/" }, null],
    [{ ...HOOK, "option.url": "https://example.org.evil.example/" }, "option.url"],
    [{ ...SMS, "option.To": "phone", "option.To phone": "01701" }, "option.To"],
  ])("bounds the fixed recipients of %j", async (more, parameter) => {
    await using instance = await eventsInstance({ plugins: [smsGateway()] }, { recipients });
    const { status, error } = await bind(instance, more);
    expect(status).toBe(parameter === null ? 200 : 400);
    if (parameter !== null)
      expect(error).toMatchObject({ code: 905, message: expect.stringContaining(`${parameter}: `) });
  });

  test("bounds the addresses of admins, and recipients that were saved before", async () => {
    await using before = await eventsInstance();
    await bind(before, { "option.To": "email", "option.To email": "a@evil.example" });
    await before.request("POST", "/system/setConfig", { json: { [SETTING]: "ops=a@evil.example" } });
    await bind(before, { "option.To": "internal admin", "option.To internal admin": "ops" });
    await using instance = await eventsInstance({ database: before.database }, { recipients });
    const change = (value: string) =>
      instance.request("POST", "/system/setConfig", { json: { [SETTING]: value } });
    expect((await change("ops=a@evil.example")).status).toBe(400);
    expect((await change("ops=a@example.org")).status).toBe(200);
    await addUser(instance);
    const messages = await deliveredMails(instance);
    expect(messages.map(({ to }) => to?.[0]?.address)).toEqual(["a@example.org"]);
    const [row] = await auditRows(instance, "event user_add");
    expect(row?.info).toBe("no recipients: an address is outside the domains of recipients");
  });

  test("takes domains only", () => {
    for (const domain of ["", "a@b.org", "https://a.org", "a.org/x", "a.org:25", "*", ".a.org"]) {
      expect(events({ recipients: [domain] }).validate().problems).toHaveLength(1);
    }
  });
});
