import { describe, expect, test } from "bun:test";
import { directory } from "sealpost/plugins/directory";
import { emailToken } from "sealpost/plugins/email-token";
import { events } from "sealpost/plugins/events";
import { smsGateway } from "sealpost/plugins/sms-gateway";
import { drain } from "../fixtures/delivered.ts";
import { testInstance } from "../fixtures/instance.ts";

const NAME = "Büro".normalize("NFC");
/** As macOS writes file names, and programs that read them. */
const DECOMPOSED = NAME.normalize("NFD");
const MAILTO = "{phone}@sms.example.org";
const ANN = { username: "ann", email: "ann@example.org", phone: "+49 170 1234567" };

/** An instance with a definition and a gateway of that name, and with ann. */
async function started() {
  const instance = await testInstance({ plugins: [directory(), smsGateway(), emailToken(), events()] });
  const post = async (path: string, json: object) => {
    const response = await instance.request("POST", path, { json });
    if (response.status !== 200) throw new Error(response.text);
    return response;
  };
  await post(`/smtpserver/${NAME}`, { server: "mail.example.org", sender: "app@example.org" });
  await post("/smsgateway", { name: NAME, "option.MAILTO": MAILTO, "option.SMTPIDENTIFIER": NAME });
  await post("/user/", ANN);
  return { ...instance, post, [Symbol.asyncDispose]: instance[Symbol.asyncDispose] };
}
type Started = Awaited<ReturnType<typeof started>>;

const sentAfter = async (it: Started, code: Promise<{ value: unknown }>) => {
  const { value } = await code;
  return [value, it.sent.length];
};
const init = { user: "ann", type: "email", dynamic_email: true };
const initSms = { user: "ann", type: "sms", dynamic_phone: true };

describe("a decomposed name is that of the definition or gateway", () => {
  test.each([
    ["email.identifier", init],
    ["sms.identifier", initSms],
  ] as const)("in the setting and the token's %s", async (name, enrollment) => {
    await using it = await started();
    const { serial } = (await it.post("/token/init", enrollment)).detail ?? {};
    const set = await it.post("/system/setConfig", { [name]: DECOMPOSED });
    expect(set.detail?.warnings).toBeUndefined();
    expect(await sentAfter(it, it.post("/validate/triggerchallenge", { serial }))).toEqual([1, 1]);
    const own = (await it.post("/token/init", { ...enrollment, [name]: DECOMPOSED })).detail?.serial;
    expect((await it.request("GET", "/token/", { query: { serial: String(own) } })).value).toMatchObject({
      tokens: [{ info: { [name]: NAME } }],
    });
    expect(await sentAfter(it, it.post("/validate/triggerchallenge", { serial: own }))).toEqual([1, 2]);
  });

  test("in SMTPIDENTIFIER of a gateway", async () => {
    await using it = await started();
    const gateway = { name: "g", "option.MAILTO": MAILTO, "option.SMTPIDENTIFIER": DECOMPOSED };
    expect((await it.post("/smsgateway", gateway)).detail?.warnings).toBeUndefined();
    const sent = it.post("/smsgateway/send_test_sms", { name: "g", phone: ANN.phone });
    expect(await sentAfter(it, sent)).toEqual([true, 1]);
  });

  test.each([
    ["sendmail", "emailconfig"],
    ["sendsms", "smsconfig"],
  ])("in an event's %s", async (action, option) => {
    await using it = await started();
    const binding = { name: "b", event: "user_update", handlermodule: "UserNotification", action };
    const saved = await it.post("/event", { ...binding, [`option.${option}`]: DECOMPOSED });
    expect(saved.detail?.warnings).toBeUndefined();
    await it.request("PUT", "/user/", { json: { user: "ann", surname: "Lee" } });
    await drain(it);
    expect(it.sent).toHaveLength(1);
  });

  test("in server of POST /mail/, and identifier of GET /mail/", async () => {
    await using it = await started();
    const message = { server: DECOMPOSED, to: "bob@example.org", text: "Hello", queue: false };
    await it.post("/mail/", message);
    expect(it.sent).toHaveLength(1);
    const { value } = await it.request("GET", "/mail/", { query: { identifier: DECOMPOSED } });
    expect(value).toMatchObject({ count: 1 });
  });
});
