import { describe, expect, test } from "bun:test";
import { smsGateway } from "sealpost/plugins/sms-gateway";
import { PIN, type Started, started, verdictOf } from "./support.ts";

const opens = async (it: Started, json: object) => verdictOf(await it.check(json))[2] === "CHALLENGE";

/** Gives all admins these rights only. */
const allow = (it: Started, action: string) =>
  it.post("/policy/p", { scope: "admin", action: `policywrite, ${action}` });

const init = async (it: Started, json: object) => {
  const { status, error } = await it.post("/token/init", {
    type: "email",
    user: "ann",
    email: "ann@example.org",
    ...json,
  });
  return status === 200 ? 200 : error?.code;
};

describe("parallel requests at POST /token/init and /token/assign", () => {
  test.each(["enrollEMAIL", "enrollEMAIL, setpin"])(
    "give a user first tokens with one PIN, none of them with 409: %s",
    async (rights) => {
      await using it = await started();
      await allow(it, `${rights}, tokenlist`);
      const statuses = await Promise.all(Array.from({ length: 10 }, () => init(it, { pin: PIN })));
      expect(statuses).toEqual(Array(10).fill(200));
      const { value } = await it.request("GET", "/token/", { query: { user: "ann" } });
      expect(value).toMatchObject({ count: 10 });
      expect(await opens(it, { user: "ann", pass: PIN })).toBe(true);
    },
  );

  test("leave all tokens of a user with the last PIN, and with ten tokens at most", async () => {
    await using it = await started();
    const pins = Array.from({ length: 14 }, (_, at) => `pin ${at}`);
    const statuses = await Promise.all(pins.map((pin) => init(it, { pin })));
    expect(statuses.toSorted()).toEqual([...Array(10).fill(200), ...Array(4).fill(905)]);
    const { rows } = await it.database.read.run("SELECT DISTINCT pin_hash FROM email_token_token");
    expect(rows).toHaveLength(1);
  });

  test("make and replace a token under one serial", async () => {
    await using it = await started();
    const statuses = await Promise.all(
      Array.from({ length: 8 }, () => init(it, { pin: PIN, serial: "ONE" })),
    );
    expect(statuses).toEqual(Array(8).fill(200));
  });

  test("give one user several tokens of no one", async () => {
    await using it = await started();
    const serials = ["A", "B", "C", "D"];
    for (const serial of serials) await init(it, { user: "", serial });
    const assigned = serials.map((serial) => it.post("/token/assign", { serial, user: "ann", pin: PIN }));
    expect((await Promise.all(assigned)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  });
});

describe("a PIN at POST /token/init", () => {
  test("becomes the user's, for all tokens, with the right setpin", async () => {
    await using it = await started();
    const first = await it.enroll();
    expect(await init(it, { pin: PIN })).toBe(200);
    expect(await opens(it, { serial: first, pass: PIN })).toBe(true);
    for (const pin of ["one", "two", "three"]) expect(await init(it, { pin })).toBe(200);
    expect(await opens(it, { serial: first, pass: PIN })).toBe(false);
    const asked = await it.check({ user: "ann", pass: "three" });
    expect(verdictOf(asked)[2]).toBe("CHALLENGE");
  });

  test("is a first one or the right one without it, and after ten wrong ones every PIN is 429", async () => {
    await using it = await started({ plugins: [smsGateway()] });
    await it.post("/smsgateway", { name: "default", "option.MAILTO": "{phone}@sms.example.org" });
    await it.enroll();
    await allow(it, "enrollEMAIL, enrollSMS, tokenlist");
    expect(await init(it, { pin: PIN, serial: "FIRST" })).toBe(200);
    expect(await init(it, { pin: PIN })).toBe(200);
    const wrong = [
      { pin: "0" },
      { pin: "1", user: "ANN" },
      { pin: "2", user: "ann@default" },
      { pin: "3", realm: "default" },
      { pin: "4", type: "sms", phone: "+49 170 1234567" },
      { pin: "5", serial: "FIRST" },
      { pin: "6", type: "sms", dynamic_phone: true },
      { pin: "7" },
      { pin: "8" },
      { pin: "9" },
    ];
    const responses = await Promise.all(wrong.map((json) => init(it, json)));
    expect(responses).toEqual(wrong.map(() => 905));
    expect(await init(it, { pin: PIN })).toBe(429);
    expect(await init(it, { pin: "10", type: "sms", dynamic_phone: true })).toBe(429);
    expect(await init(it, {})).toBe(200);
    it.clock.advance(601);
    expect(await init(it, { pin: PIN })).toBe(200);
    const { value } = await it.request("GET", "/token/");
    expect(value).toMatchObject({ count: 5 });
  });

  test("is counted for POST /token/assign as well, and right ones are not counted", async () => {
    await using it = await started();
    await it.enroll({ pin: PIN });
    const serial = (await it.post("/token/init", { type: "email", email: "desk@example.org" })).detail
      ?.serial;
    await allow(it, "assign, enrollEMAIL, unassign, updateuser");
    const assign = async (pin: string) =>
      (await it.post("/token/assign", { serial, user: "ann", pin })).status;
    for (let turn = 0; turn < 12; turn++) {
      expect(await assign(PIN)).toBe(200);
    }
    await it.post("/token/unassign", { serial });
    for (let turn = 0; turn < 5; turn++) {
      expect(await assign("wrong")).toBe(400);
      expect(await init(it, { pin: "wrong" })).toBe(905);
    }
    expect(await assign(PIN)).toBe(429);
    expect(await init(it, { pin: PIN })).toBe(429);
  });

  test("leaves the policy of the enrollment in the audit row, which names a changed PIN and shows none", async () => {
    await using it = await started();
    await it.enroll({ pin: PIN });
    await init(it, { pin: "a new pin" });
    expect(JSON.stringify(await it.audited())).not.toMatch(/a new pin|a pin of ann/);
    const rows = () => it.audited({ action: "POST /token/init" });
    expect((await rows())[0]).toMatchObject({ fields: "pin", success: true });
    await allow(it, "enrollEMAIL, auditlog");
    expect(await init(it, { pin: "a new pin" })).toBe(200);
    expect((await rows())[0]).toMatchObject({ fields: "", success: true, policies: "p" });
  });
});

describe("POST /token/init with the serial of a token", () => {
  test("of the same user replaces it: address, PIN, description and length, but not the fail counter", async () => {
    await using it = await started();
    const serial = await it.enroll({ pin: PIN, description: "old" });
    const transaction_id = String((await it.check({ user: "ann", pass: PIN })).detail?.transaction_id);
    await it.check({ user: "ann", transaction_id, pass: "000" });
    const json = { serial, email: "new@example.net", pin: "99", description: "new", otplen: 8 };
    expect(await init(it, json)).toBe(200);
    const { value } = await it.request("GET", "/token/");
    expect(value).toMatchObject({
      count: 1,
      tokens: [{ serial, failcount: 1, otplen: 8, description: "new", info: { email: "new@example.net" } }],
    });
    expect(await opens(it, { user: "ann", pass: PIN })).toBe(false);
    expect(await opens(it, { user: "ann", pass: "99" })).toBe(true);
    expect(it.sent.at(-1)?.recipient).toBe("new@example.net");
    const [row] = await it.audited({ action: "POST /token/init" });
    expect(row).toMatchObject({ success: true, identifier: serial, info: "email, replaced" });
  });

  test("keeps a disabled token disabled", async () => {
    await using it = await started();
    const serial = await it.enroll({ pin: PIN });
    await it.post("/token/disable", { serial });
    expect(await init(it, { serial })).toBe(200);
    expect(await opens(it, { user: "ann", pass: PIN })).toBe(false);
  });

  test("of another user, of no user or of another type is 409", async () => {
    await using it = await started({ plugins: [smsGateway()] });
    await it.post("/user/", { username: "bob", email: "bob@example.org" });
    const serial = await it.enroll({ user: "bob" });
    const free = await it.enroll({ user: "", dynamic_email: false, email: "desk@example.org" });
    const own = await it.enroll();
    expect(await init(it, { serial })).toBe(409);
    expect(await init(it, { serial: free })).toBe(409);
    expect(await init(it, { serial: free, user: "" })).toBe(409);
    expect(await init(it, { serial: own, type: "sms", dynamic_phone: true })).toBe(409);
  });
});
