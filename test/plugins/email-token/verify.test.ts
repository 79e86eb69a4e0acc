import { describe, expect, test } from "bun:test";
import { smsGateway } from "sealpost/plugins/sms-gateway";
import { ANN, PIN, type Started, started, transactionOf, verdictOf, WRONG } from "./support.ts";

const EMAIL = { type: "email", user: "ann", dynamic_email: true, pin: PIN } as const;

/** An instance whose tokens have to be verified. */
async function verifying() {
  const it = await started({ plugins: [smsGateway()] });
  await it.post("/smsgateway", { name: "default", "option.MAILTO": "{phone}@sms.example.org" });
  const settings = { "email.verify_enrollment": true, "sms.verify_enrollment": true };
  expect((await it.post("/system/setConfig", settings)).status).toBe(200);
  return it;
}

const init = (it: Started, json: object = {}) => it.post("/token/init", { ...EMAIL, ...json });

async function listed(it: Started, serial: string) {
  const { value } = await it.request("GET", "/token/", { query: { serial } });
  return (value as { tokens: Record<string, unknown>[] }).tokens[0];
}

describe("with email.verify_enrollment and sms.verify_enrollment, an enrolled token", () => {
  test("gets a code, and counts once it comes back as verify", async () => {
    await using it = await verifying();
    const asked = await init(it);
    const serial = String(asked.detail?.serial);
    expect([asked.status, asked.value, asked.detail]).toEqual([
      200,
      true,
      {
        serial,
        rollout_state: "verify",
        verify: {
          message: "Please enter the code that was sent by mail",
          valid_until: "2026-06-01T12:02:00.000Z",
        },
      },
    ]);
    expect(it.sent.map(({ recipient }) => recipient)).toEqual([ANN.email]);
    expect(await listed(it, serial)).toMatchObject({ rollout_state: "verify" });
    const verified = await init(it, { serial, verify: await it.code() });
    expect([verified.status, verified.value, verified.detail]).toEqual([
      200,
      true,
      { serial, rollout_state: "enrolled" },
    ]);
    expect(await listed(it, serial)).toMatchObject({ rollout_state: "", failcount: 0 });
    const login = await it.check({ user: "ann", pass: PIN });
    expect(verdictOf(login)[2]).toBe("CHALLENGE");
    const code = { user: "ann", transaction_id: transactionOf(login), pass: await it.code() };
    expect(verdictOf(await it.check(code))[2]).toBe("ACCEPT");
  });

  test("counts for nothing before: no code for its PIN, none by an admin, and its own code opens nothing", async () => {
    await using it = await verifying();
    const { detail } = await init(it);
    const serial = String(detail?.serial);
    const code = await it.code();
    expect(verdictOf(await it.check({ user: "ann", pass: PIN }))[2]).toBe("REJECT");
    expect((await it.trigger()).value).toBe(0);
    expect((await it.trigger({ serial })).value).toBe(0);
    expect(it.sent).toHaveLength(1);
    const [row] = await it.database.read.all<{ transaction_id: string }>(
      "SELECT transaction_id FROM email_token_challenge",
    );
    for (const named of [{ user: "ann" }, { serial }]) {
      const attempt = { ...named, transaction_id: row?.transaction_id, pass: code };
      expect(verdictOf(await it.check(attempt))[2]).toBe("REJECT");
    }
    expect((await init(it, { serial, verify: code })).value).toBe(true);
  });

  test("is rejected with 905 for a wrong code, and five of them void it, even parallel ones", async () => {
    await using it = await verifying();
    const serial = String((await init(it)).detail?.serial);
    const code = await it.code();
    const wrong = await Promise.all(Array.from({ length: 5 }, () => init(it, { serial, verify: WRONG })));
    expect(wrong.map(({ status, error }) => [status, error?.code])).toEqual(Array(5).fill([400, 905]));
    expect(await listed(it, serial)).toMatchObject({ failcount: 5, rollout_state: "verify" });
    expect((await init(it, { serial, verify: code })).error?.message).toContain("verify");
    expect((await init(it, { serial })).detail?.rollout_state).toBe("verify");
    const right = await it.code();
    const results = await Promise.all(
      Array.from({ length: 4 }, () => init(it, { serial, verify: ` ${right} ` })),
    );
    expect(results.filter(({ value }) => value === true)).toHaveLength(1);
  });

  test("needs another code after the first has expired, and a code of its own", async () => {
    await using it = await verifying();
    const serial = String((await init(it)).detail?.serial);
    const late = await it.code();
    it.clock.advance(121);
    expect((await init(it, { serial, verify: late })).error?.code).toBe(905);
    await init(it, { serial });
    const own = await it.code();
    const other = String((await init(it)).detail?.serial);
    expect((await init(it, { serial: other, verify: own })).error?.code).toBe(905);
    expect((await init(it, { serial, verify: own })).value).toBe(true);
    expect((await init(it, { serial, verify: own })).error?.code).toBe(905);
    expect((await init(it, { serial: "unknown", verify: own })).error?.code).toBe(601);
    expect((await init(it, { verify: own })).error?.message).toContain("serial");
    expect((await init(it, { type: "sms", serial: other, verify: await it.code() })).error?.code).toBe(601);
  });

  test("says why no code was sent, and waits for another request", async () => {
    await using it = await verifying();
    await it.request("DELETE", "/smtpserver/default");
    const { status, value, detail } = await init(it, { serial: "S1" });
    const failures = [expect.objectContaining({ serial: "S1", code: "server_unknown" })];
    expect([status, value, detail]).toEqual([
      200,
      false,
      { serial: "S1", rollout_state: "verify", failures },
    ]);
    await it.post("/smtpserver/default", { server: "mail.example.org", sender: "app@example.org" });
    expect((await init(it, { serial: "S1" })).value).toBe(true);
    expect((await init(it, { serial: "S1", verify: await it.code() })).value).toBe(true);
  });

  test("gets its code by SMS if it is one for SMS, and none while its setting is off", async () => {
    await using it = await verifying();
    const sms = { type: "sms", dynamic_email: false, phone: ANN.phone };
    const serial = String((await init(it, sms)).detail?.serial);
    expect(it.sent.map(({ recipient }) => recipient)).toEqual(["+491701234567@sms.example.org"]);
    expect((await init(it, { ...sms, serial, verify: await it.code() })).detail?.rollout_state).toBe(
      "enrolled",
    );
    await it.post("/system/setConfig", { "sms.verify_enrollment": false });
    expect((await init(it, sms)).detail).toEqual({ serial: expect.any(String) });
    expect(it.sent).toHaveLength(1);
  });
});
