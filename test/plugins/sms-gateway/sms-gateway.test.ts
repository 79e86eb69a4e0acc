import { describe, expect, test } from "bun:test";
import PostalMime from "postal-mime";
import { directory } from "sealpost/plugins/directory";
import { emailToken } from "sealpost/plugins/email-token";
import { smsGateway } from "sealpost/plugins/sms-gateway";
import { testSealpost } from "sealpost/testing";
import { testOwnPlugin } from "../../contract/plugin.ts";
import { type TestInstanceOptions, testInstance } from "../../fixtures/instance.ts";

const MODULE = "privacyidea.lib.smsprovider.SmtpSMSProvider.SmtpSMSProvider";
const GATEWAY = { name: "default", module: MODULE, "option.MAILTO": "{phone}@sms.example.org" };
const SERVER = { server: "mail.example.org", sender: "app@example.org" };
const PHONE = "+49 (170) 123-4567";

testOwnPlugin("sms-gateway", {
  factory: smsGateway,
  options: {},
  rejected: [[() => smsGateway({ linkOrigins: ["main"] }), "linkOrigins"]],
  async exercise(instance) {
    await instance.request("POST", "/smtpserver/default", { json: SERVER });
    await instance.request("POST", "/smsgateway/", { json: GATEWAY });
    const text = "the text of this message";
    const sent = await instance.request("POST", "/smsgateway/send_test_sms", {
      json: { name: "default", phone: PHONE, text },
    });
    expect(sent.value).toBe(true);
    return [text];
  },
});

async function started(options: TestInstanceOptions = {}) {
  const instance = await testInstance({ plugins: [smsGateway()], ...options });
  await instance.request("POST", "/smtpserver/default", { json: SERVER });
  return {
    ...instance,
    save: (json: object = {}) => instance.request("POST", "/smsgateway", { json: { ...GATEWAY, ...json } }),
    test: (json: object = {}, headers = {}) =>
      instance.request("POST", "/smsgateway/send_test_sms", {
        json: { name: "default", phone: PHONE, ...json },
        headers,
      }),
    mail: async () => PostalMime.parse(instance.sent.at(-1)?.bytes ?? new Uint8Array()),
    [Symbol.asyncDispose]: instance[Symbol.asyncDispose],
  };
}

describe("POST /smsgateway", () => {
  test("creates a gateway, and replaces it under the same ID", async () => {
    await using it = await started();
    const { value: id } = await it.save();
    await it.save({ name: "other" });
    expect((await it.save({ description: "new", "option.REGEXP": "/^\\+//" })).value).toBe(id);
    const options = {
      MAILTO: "{phone}@sms.example.org",
      SUBJECT: "{phone}",
      BODY: "{otp}",
      REGEXP: "/^\\+//",
      SMTPIDENTIFIER: "",
    };
    const view = { id, name: "default", providermodule: MODULE, description: "new", options, headers: {} };
    expect((await it.request("GET", `/smsgateway/${id}`)).value).toEqual([view]);
    expect((await it.request("GET", "/smsgateway/default")).value).toEqual([view]);
    const { value } = await it.request("GET", "/smsgateway/");
    expect((value as { name: string }[]).map(({ name }) => name)).toEqual(["default", "other"]);
  });

  test.each([
    [{ "option.MAILTO": "" }, "ERR905: Missing parameter: option.MAILTO"],
    [{ "option.MAILTO": "{phone}" }, "option.MAILTO: yields no email address for a number such as"],
    [{ "option.MAILTO": "{phone}@a.org, b@c.org" }, "option.MAILTO"],
    [{ "option.MAILTO": "{fone}@a.org" }, "option.MAILTO: there is no tag {fone}"],
    [{ "option.MAILTO": "{otp}@a.org" }, "option.MAILTO: there is no tag {otp}; expected {phone}"],
    [{ "option.SUBJECT": "{text}" }, "option.SUBJECT: there is no tag {text}"],
    [{ "option.BODY": "{otp.length}" }, "option.BODY: a single { is written {{"],
    [{ "option.REGEXP": "/(0+)+/x/" }, "option.REGEXP: a repeated group"],
    [{ "option.REGEXP": "/.*//" }, "option.MAILTO: yields no email address for"],
    [{ "option.REGEX": "/0/1/" }, "option.REGEX: expected option.MAILTO, option.SUBJECT"],
    [{ "header.X-Key": "1" }, "header.X-Key: expected option.MAILTO"],
    [{ module: "HttpSMSProvider" }, "module: expected privacyidea"],
    [{ name: "providers" }, "name: expected a name"],
  ])("rejects %j and says why", async (json, problem) => {
    await using it = await started();
    const { status, error } = await it.save(json);
    expect([status, error?.code]).toEqual([400, 905]);
    expect(error?.message).toContain(problem);
    expect((await it.request("GET", "/smsgateway/")).value).toEqual([]);
  });

  test("warns about a missing definition, and deleting a definition reports that the plugin uses it", async () => {
    await using it = await started();
    const { detail } = await it.save({ "option.SMTPIDENTIFIER": "default, spare" });
    expect(detail).toEqual({
      warnings: ["No SMTP server is named spare: create it or change the setting."],
      notices: [{ code: "server_missing", parameter: "option.SMTPIDENTIFIER" }],
    });
    const deleted = await it.request("DELETE", "/smtpserver/default");
    expect(deleted.detail).toEqual({ used_by: ["sms-gateway"] });
    const { value } = await it.request("GET", "/smsgateway/providers");
    expect(value).toMatchObject({ [MODULE]: { parameters: { SMTPIDENTIFIER: { values: [] } } } });
  });
});

describe("DELETE /smsgateway", () => {
  test("deletes a gateway by name, and returns 404 for an unknown one", async () => {
    await using it = await started();
    const { value: id } = await it.save();
    expect((await it.request("DELETE", "/smsgateway/default")).value).toBe(id);
    const again = await it.request("DELETE", "/smsgateway/default");
    expect([again.status, again.error?.code]).toEqual([404, 601]);
    expect((await it.request("GET", `/smsgateway/${id}`)).status).toBe(404);
  });

  test("resets an option to its default, unless it is required", async () => {
    await using it = await started();
    const { value: id } = await it.save({ "option.SUBJECT": "SMS" });
    expect((await it.request("DELETE", `/smsgateway/option/${id}/SUBJECT`)).value).toBe(true);
    const { value } = await it.request("GET", `/smsgateway/${id}`);
    expect(value).toMatchObject([{ options: { SUBJECT: "{phone}" } }]);
    expect((await it.request("DELETE", `/smsgateway/option/${id}/MAILTO`)).error?.code).toBe(905);
    expect((await it.request("DELETE", "/smsgateway/option/99/BODY")).status).toBe(404);
  });
});

describe("POST /smsgateway/send_test_sms", () => {
  test("sends the message for the gateway and returns its recipient", async () => {
    await using it = await started();
    await it.save({
      "option.SUBJECT": "SMS {phone}",
      "option.BODY": "<{otp}>",
      "option.REGEXP": "/^\\+/00/",
    });
    const { value, detail } = await it.test({ text: "Hi {phone} & you" });
    expect([value, detail?.recipient]).toEqual([true, "00491701234567@sms.example.org"]);
    expect(detail?.delivery).toMatchObject({ outcome: "sent", accepted: ["00491701234567@sms.example.org"] });
    const mail = await it.mail();
    expect([mail.subject, mail.text?.trim(), mail.html]).toEqual([
      "SMS 00491701234567",
      "<Hi {phone} & you>",
      undefined,
    ]);
  });

  test.each([
    ["+49 (0)170 1234567", "+491701234567"],
    ["0049-(0)-170-1234567", "00491701234567"],
    ["+(49)(0)1701234567", "+491701234567"],
    ["+49 170 (0)234567", "+491700234567"],
    ["(0)170 1234567", "01701234567"],
    ["+49 (170) 123-4567", "+491701234567"],
  ])("sends to %s as %s", async (phone, number) => {
    await using it = await started();
    await it.save({});
    const { detail } = await it.test({ phone });
    expect(detail?.recipient).toBe(`${number}@sms.example.org`);
  });

  test("reports a failure in the same form as the test of a definition", async () => {
    await using it = await started();
    await it.save({ "option.SMTPIDENTIFIER": "nowhere" });
    const { value, detail } = await it.test();
    const delivery = {
      phase: "policy",
      code: "server_unknown",
      hint: expect.stringContaining("No definition has this name"),
    };
    expect([value, detail]).toMatchObject([false, { delivery }]);
    expect((await it.test({ name: "none" })).status).toBe(404);
    await it.save({ "option.MAILTO": "x{phone}@sms.example.org" });
    expect((await it.test({ phone: "7" })).detail).toEqual({ code: "phone_unusable" });
    expect((await it.test({ phone: "1@evil.org" })).error?.message).toContain(
      "phone: expected a phone number",
    );
  });

  test("sends one SMS for one Idempotency-Key", async () => {
    await using it = await started();
    await it.save();
    const answers = [
      await it.test({}, { "Idempotency-Key": "k" }),
      await it.test({}, { "Idempotency-Key": "k" }),
    ];
    expect(answers.map(({ value }) => value)).toEqual([true, true]);
    expect(it.sent).toHaveLength(1);
  });
});

describe("tokens of type sms", () => {
  async function withTokens() {
    const it = await started({ plugins: [smsGateway(), directory(), emailToken()] });
    await it.request("POST", "/user/", { json: { username: "ann", phone: PHONE } });
    const token = { type: "sms", user: "ann", dynamic_phone: true, pin: "1234" };
    const enroll = (json: object = {}) => it.request("POST", "/token/init", { json: { ...token, ...json } });
    const check = (json: object) =>
      it.request("POST", "/validate/check", { json: { user: "ann", ...json }, token: null });
    return { ...it, enroll, check };
  }

  test("send a code to the gateway after the PIN, and the code logs the user in with ACCEPT", async () => {
    await using it = await withTokens();
    await it.save();
    expect(String((await it.enroll()).detail?.serial)).toMatch(/^PISM[0-9A-F]{8}$/);
    const asked = await it.check({ pass: "1234" });
    expect(asked.body.result.authentication).toBe("CHALLENGE");
    expect(asked.detail?.message).toBe("Please enter the code that was sent by SMS");
    expect(it.sent[0]?.recipient).toBe("+491701234567@sms.example.org");
    const [code = ""] = /\d{6}/.exec((await it.mail()).text ?? "") ?? [];
    const transaction_id = asked.detail?.transaction_id;
    expect((await it.check({ pass: code, transaction_id })).body.result.authentication).toBe("ACCEPT");
  });

  test("show the reason for a failure only to an admin", async () => {
    await using it = await withTokens();
    await it.enroll();
    const anonymous = await it.check({ pass: "1234" });
    expect([anonymous.value, anonymous.body.result.authentication]).toEqual([false, "REJECT"]);
    expect(anonymous.text).not.toContain("gateway_unknown");
    const triggered = await it.request("POST", "/validate/triggerchallenge", { json: { user: "ann" } });
    expect(triggered).toMatchObject({ value: 0, detail: { failures: [{ code: "gateway_unknown" }] } });
  });

  test("need a plugin that sends SMS, and a phone number", async () => {
    await using it = await withTokens();
    const problem = async (json: object) => (await it.enroll(json)).error?.message;
    expect(await problem({ dynamic_phone: false })).toBe("ERR905: Missing parameter: phone");
    await using without = await testInstance({ plugins: [emailToken()] });
    const refused = await without.request("POST", "/token/init", { json: { type: "sms", phone: PHONE } });
    expect(refused.error?.message).toContain("type: no plugin sends SMS");
  });
});

test("smsGateway() works in a host app's test", async () => {
  await using mail = await testSealpost({ plugins: [smsGateway()] });
  await mail.request("/smtpserver/default", { json: SERVER });
  await mail.request("/smsgateway", { json: GATEWAY });
  await mail.request("/smsgateway/send_test_sms", { json: { name: "default", phone: PHONE, text: "Hi" } });
  expect(mail.sent[0]).toMatchObject({
    recipient: "+491701234567@sms.example.org",
    message: { subject: "+491701234567" },
  });
});
