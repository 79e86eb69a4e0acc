import { describe, expect, test } from "bun:test";
import { directory } from "sealpost/plugins/directory";
import { emailToken } from "sealpost/plugins/email-token";
import { testOwnPlugin } from "../../contract/plugin.ts";
import { PIN, SERVER, started, startedWithout } from "./support.ts";

testOwnPlugin("email-token", {
  factory: emailToken,
  options: {},
  needs: () => [directory()],
  rejected: [
    [() => emailToken({ validSeconds: 5 }), "validSeconds"],
    [() => emailToken({ text: "{code}" }), "text"],
    [() => emailToken({ subject: "{text}" }), "subject"],
    [() => emailToken({ origin: "http://login.example.org" }), "origin"],
    [() => emailToken({ smsText: "{" }), "smsText"],
    // @ts-expect-error misspelled
    [() => emailToken({ sever: "main" }), "sever"],
  ],
  forAnyAdmin: ["GET /auth/rights"],
  async exercise(instance) {
    await instance.request("POST", "/smtpserver/default", { json: SERVER });
    const email = "desk@example.org";
    const enrolled = await instance.request("POST", "/token/init", {
      json: { type: "email", email, pin: PIN },
    });
    const { serial } = enrolled.detail ?? {};
    const asked = await instance.request("POST", "/validate/check", { json: { serial, pass: PIN } });
    const [code = ""] =
      /\d{6}/.exec(new TextDecoder().decode(instance.sent.at(-1)?.bytes).split("Subject")[1] ?? "") ?? [];
    const transaction_id = asked.detail?.transaction_id;
    await instance.request("POST", "/validate/check", { json: { serial, pass: "000000", transaction_id } });
    await instance.request("POST", "/validate/check", { json: { serial, pass: code, transaction_id } });
    return [PIN, code];
  },
});

describe("POST /token/init", () => {
  test("creates serials in privacyIDEA's form, or uses a given one once", async () => {
    await using it = await started();
    expect(await it.enroll()).toMatch(/^PIEM[0-9A-F]{8}$/);
    expect(await it.enroll({ serial: "MINE-1" })).toBe("MINE-1");
    const again = await it.post("/token/init", { type: "email", email: "a@b.org", serial: "MINE-1" });
    expect([again.status, again.error?.message]).toEqual([409, "A token with this serial exists"]);
  });

  test.each([
    [{}, "ERR905: Missing parameter: type"],
    [{ type: "hotp" }, "type: expected email or sms"],
    [{ type: "email" }, "ERR905: Missing parameter: email"],
    [{ type: "email", email: "ann" }, "email: expected one address"],
    [{ type: "email", email: "a@b.org, c@d.org" }, "email: expected one address"],
    [{ type: "email", dynamic_email: "yes" }, "dynamic_email: expected true or false"],
    [{ type: "email", dynamic_email: "1" }, "ERR905: Missing parameter: user"],
    [{ type: "email", email: "a@b.org", otplen: 5 }, "otplen: expected a whole number from 6 to 8"],
    [{ type: "email", email: "a@b.org", otplen: 9 }, "otplen: expected a whole number from 6 to 8"],
    [{ type: "email", email: "a@b.org", serial: "a b" }, "serial: expected at most 40 letters"],
    [{ type: "email", email: "a@b.org", user: "nobody" }, "ERR904: The user does not exist"],
    [{ type: "sms", phone: "+49170" }, "type: no plugin sends SMS"],
  ])("rejects %j and says why", async (json, problem) => {
    await using it = await started();
    const { status, error } = await it.post("/token/init", json);
    expect([status, error?.message]).toEqual([400, expect.stringContaining(problem)]);
    expect((await it.request("GET", "/token/")).value).toMatchObject({ count: 0 });
  });

  test("needs the right for the token type", async () => {
    await using it = await started();
    const allow = (action: string) =>
      it.post("/policy/p", { scope: "admin", action: `policywrite, policyread, ${action}` });
    const init = () => it.post("/token/init", { type: "email", email: "a@b.org" });
    await allow("enrollSMS");
    expect([(await init()).status, (await init()).error?.message]).toEqual([
      403,
      "Admin actions are defined, but the action enrollEMAIL is not allowed!",
    ]);
    await allow("enrollEMAIL");
    expect((await init()).status).toBe(200);
  });

  test("gives all tokens of a user the same PIN, even when several are enrolled concurrently", async () => {
    await using it = await started();
    await it.enroll({ pin: PIN });
    await it.enroll({ pin: PIN });
    await it.enroll();
    await it.check({ user: "ann", pass: PIN });
    expect(it.sent).toHaveLength(3);

    await it.post("/user/", { username: "bob", email: "bob@example.org" });
    await it.post("/policy/p", { scope: "admin", action: "policywrite, enrollEMAIL" });
    const params = { type: "email", user: "bob", dynamic_email: true };
    const created = await Promise.all(
      ["1111", "2222", "3333"].map((pin) => it.post("/token/init", { ...params, pin })),
    );
    expect(created.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(created.every(({ status }) => [200, 400, 409].includes(status))).toBe(true);
  });

  test("gives a user at most ten tokens", async () => {
    await using it = await started();
    for (let created = 0; created < 10; created++) await it.enroll();
    expect(it.enroll()).rejects.toThrow("user: has 10 tokens");
  });

  test("works without a directory for fixed addresses", async () => {
    const { testInstance } = await import("../../fixtures/instance.ts");
    await using instance = await testInstance({ plugins: [emailToken()] });
    const init = (json: object) =>
      instance.request("POST", "/token/init", { json: { type: "email", ...json } });
    expect((await init({ user: "ann", dynamic_email: true })).error?.message).toContain("no directory");
    expect((await init({ user: "ann", email: "ann@example.org", pin: PIN })).status).toBe(200);
    await instance.request("POST", "/smtpserver/default", { json: SERVER });
    const asked = await instance.request("POST", "/validate/check", { json: { user: "ANN", pass: PIN } });
    expect(asked.body.result.authentication).toBe("CHALLENGE");
  });
});

describe("GET /token/", () => {
  test("lists tokens by page and filter, without PINs or codes", async () => {
    await using it = await started();
    const serial = await it.enroll({ pin: PIN, description: "of ann", otplen: 7, serial: "A1" });
    await it.enroll({ user: "", dynamic_email: false, email: "desk@example.org", serial: "B2" });
    await it.trigger();
    const list = async (query: Record<string, string> = {}) =>
      (await it.request("GET", "/token", { query })).value;
    const ann = {
      ...{
        serial,
        tokentype: "email",
        active: true,
        revoked: false,
        rollout_state: "",
        locked: false,
        failcount: 0,
        maxfail: 10,
        otplen: 7,
      },
      ...{
        description: "of ann",
        username: "ann",
        user_realm: "default",
        realms: ["default"],
        has_pin: true,
      },
      ...{ info: { dynamic_email: true }, created: "2026-06-01T12:00:00.000Z" },
    };
    expect(await list({ user: "ann" })).toEqual({
      count: 1,
      current: 1,
      prev: null,
      next: null,
      tokens: [ann],
    });
    expect(await list({ pagesize: "1", page: "2" })).toMatchObject({
      ...{ count: 2, current: 2, prev: 1, next: null },
      tokens: [{ serial: "B2", info: { email: "desk@example.org" }, realms: [], has_pin: false }],
    });
    const counts = [{ serial: "B2" }, { type: "sms" }, { realm: "default" }, { user: "nobody" }].map(list);
    expect(await Promise.all(counts)).toMatchObject([1, 0, 1, 0].map((count) => ({ count })));
  });
});

describe("GET /token/ for clients of privacyIDEA", () => {
  test("counts with pagesize=0, and searches by patterns, realm of the owner and unknown types", async () => {
    await using it = await started();
    await it.enroll({ serial: "PIEM_1" });
    await it.enroll({ serial: "PIEMx1" });
    await it.enroll({ user: "", dynamic_email: false, email: "desk@example.org", serial: "B2" });
    const list = async (query: Record<string, string>) =>
      (await it.request("GET", "/token/", { query })).value;
    expect(await list({ pagesize: "0", type: "email" })).toEqual({
      ...{ count: 3, current: 1, prev: null, next: null },
      tokens: [],
    });
    const counts = {
      "serial=PI*": 2,
      "serial=pi*1": 2,
      "serial=PIEM_*": 1,
      "serial=*": 3,
      "serial=": 3,
      "serial=PIEM_1": 1,
      "serial=piem_1": 0,
      "serial=%25": 0,
      "type=hotp": 0,
      "type=hotp&pagesize=0": 0,
      "type=EMAIL": 3,
      "type=*mail*": 3,
      "tokenrealm=default": 2,
      "tokenrealm=DEFAULT": 2,
      "tokenrealm=def*": 2,
      "tokenrealm=corp": 0,
      "tokenrealm=": 3,
      "realm=default": 2,
      "realm=DEFAULT": 2,
      "realm=corp": 0,
      "tokenrealm=default&user=ann&serial=PIEM_1": 1,
    };
    for (const [query, count] of Object.entries(counts)) {
      const { value } = await it.request("GET", `/token/?${query}`);
      expect([query, value]).toEqual([query, expect.objectContaining({ count })]);
    }
    for (const query of ["pagesize=-1", "pagesize=1001", "serial=*a*b*c*"])
      expect((await it.request("GET", `/token/?${query}`)).status).toBe(400);
  });
});

test("GET /token/ finds a realm that no directory folds, in any letter case of a folded one", async () => {
  await using it = await startedWithout();
  const init = { type: "email", user: "ann", email: "ann@example.org" };
  for (const realm of ["Corp", "corp"]) await it.post("/token/init", { ...init, realm });
  const count = async (query: object) =>
    ((await it.request("GET", "/token/", { query: { ...query } })).value as { count: number }).count;
  for (const name of ["realm", "tokenrealm"]) {
    expect(await count({ [name]: "Corp" })).toBe(2);
    expect(await count({ [name]: "CORP" })).toBe(1);
  }
});

describe("DELETE /token/<serial>", () => {
  test("deletes the token and its code, and returns 404 for an unknown token", async () => {
    await using it = await started();
    const serial = await it.enroll();
    const { detail } = await it.trigger();
    expect((await it.request("DELETE", `/token/${serial}`)).value).toBe(1);
    const pass = await it.code();
    expect((await it.check({ user: "ann", transaction_id: detail?.transaction_id, pass })).value).toBe(false);
    const again = await it.request("DELETE", `/token/${serial}`);
    expect([again.status, again.error?.code]).toEqual([404, 601]);
    const rows = await it.database.read.all("SELECT * FROM email_token_challenge");
    expect(rows).toEqual([]);
  });

  test("the tokens of a deleted user do not pass to a new user of the same name", async () => {
    await using it = await started();
    const serial = await it.enroll({ pin: PIN });
    await it.request("DELETE", "/user/default/ann");
    await it.post("/user/", { username: "ann", email: "new@example.org" });
    expect((await it.check({ user: "ann", pass: PIN })).body.result.authentication).toBe("REJECT");
    expect((await it.check({ serial, pass: PIN })).body.result.authentication).toBe("REJECT");
    expect(it.sent).toEqual([]);
  });
});
