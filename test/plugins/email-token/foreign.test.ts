import { describe, expect, test } from "bun:test";
import PostalMime from "postal-mime";
import { smsGateway } from "sealpost/plugins/sms-gateway";
import { ANN, PIN, type Started, started, startedWithout } from "./support.ts";

const FOREIGN = { type: "email", user: "ann", email: "mallory@example.net" };

/** Gives all admins these rights only. */
const allow = (it: Started, action: string) =>
  it.post("/policy/p", { scope: "admin", action: `policywrite, ${action}` });

const init = async (it: Pick<Started, "post">, json: object) => {
  const { status, error } = await it.post("/token/init", json);
  return status === 200 ? 200 : [status, error?.code];
};

/** Delivers queued messages. @returns the messages to the directory's address. */
async function notices({ services, sent }: Started) {
  const signal = new AbortController().signal;
  await services.drain({ signal, endsMs: performance.now() + 10_000, messageTimeoutMs: 1_000 });
  const toAnn = sent.filter(({ recipient }) => recipient === ANN.email);
  return Promise.all(toAnn.map(({ bytes }) => PostalMime.parse(bytes)));
}

async function withSms() {
  const it = await started({ plugins: [smsGateway()] });
  await it.post("/smsgateway", { name: "default", "option.MAILTO": "{phone}@sms.example.org" });
  return it;
}

describe("a token with another address than the directory's", () => {
  test("needs the right updateuser in addition to the enrolling one", async () => {
    await using it = await withSms();
    await allow(it, "enrollEMAIL, enrollSMS, assign");
    const sms = { type: "sms", user: "ann" };
    for (const own of [
      { ...FOREIGN, email: "ANN@Example.ORG" },
      { ...FOREIGN, dynamic_email: true },
      { ...FOREIGN, user: "" },
      { ...sms, phone: "+49 (170) 123-4567" },
      { ...sms, phone: "0049 170/1234567" },
    ]) {
      expect(await init(it, own)).toBe(200);
    }
    for (const foreign of [
      FOREIGN,
      { ...FOREIGN, user: "ANN@default", pin: PIN },
      { ...sms, phone: "+49 170 7654321" },
      { ...sms, phone: "0170 1234567" },
      { ...sms, phone: "+0049 170 1234567" },
    ]) {
      expect(await init(it, foreign)).toEqual([403, 303]);
    }
    await init(it, { type: "email", email: FOREIGN.email, serial: "FREE" });
    const assigned = await it.post("/token/assign", { serial: "FREE", user: "ann" });
    expect([assigned.status, assigned.error?.code]).toEqual([403, 303]);
    expect(await notices(it)).toHaveLength(0);

    await allow(it, "enrollEMAIL, enrollSMS, assign, updateuser");
    expect(await init(it, FOREIGN)).toBe(200);
    expect((await it.post("/token/assign", { serial: "FREE", user: "ann" })).value).toBe(true);
    expect(await init(it, { ...sms, phone: "+49 170 7654321" })).toBe(200);
    expect((await notices(it)).map(({ subject }) => subject)).toEqual(
      Array(3).fill("Codes for your account go to another address"),
    );
  });

  test("is made known to the directory's address, which learns no whole address", async () => {
    await using it = await withSms();
    expect(await init(it, { ...FOREIGN, serial: "S1" })).toBe(200);
    expect(await init(it, { type: "sms", user: "ann", phone: "+49 170 7654321" })).toBe(200);
    const texts = (await notices(it)).map(({ text }) => text).toSorted();
    expect(texts).toEqual([
      expect.stringContaining("sent to ***21"),
      expect.stringMatching(/sent to m\*\*\*@example\.net.*serial is S1\./),
    ]);
    expect(await init(it, { ...FOREIGN, serial: "S1", email: ANN.email })).toBe(200);
    expect(await notices(it)).toHaveLength(2);
  });

  test("is enrolled without a notice where the directory has no address, or there is no definition", async () => {
    await using it = await started();
    await it.post("/user/", { username: "bea" });
    expect(await init(it, { ...FOREIGN, user: "bea" })).toBe(200);
    await it.request("DELETE", "/smtpserver/default");
    expect(await init(it, FOREIGN)).toBe(200);
    expect(await notices(it)).toHaveLength(0);
    await allow(it, "enrollEMAIL");
    expect(await init(it, { ...FOREIGN, user: "bea" })).toEqual([403, 303]);
  });

  test("does not exist without a directory", async () => {
    await using it = await startedWithout();
    await it.post("/policy/p", { scope: "admin", action: "policywrite, enrollEMAIL" });
    expect(await init(it, FOREIGN)).toBe(200);
  });
});
