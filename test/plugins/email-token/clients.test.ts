import { describe, expect, test } from "bun:test";
import { PIN, started, startedWithout, transactionOf, verdictOf } from "./support.ts";

const REJECTED = [200, false, "REJECT"];

describe("what clients of privacyIDEA expect:", () => {
  test("an empty pass is rejected like a wrong one, with or without a PIN or a user, and sends no code", async () => {
    await using it = await started();
    await it.post("/user/", { username: "bob", email: "bob@example.org" });
    await it.enroll({ pin: PIN });
    await it.enroll({ user: "bob" });
    const responses = [];
    for (const user of ["ann", "bob", "carl"]) {
      const response = await it.check({ user, pass: "" });
      responses.push([verdictOf(response), response.detail]);
    }
    expect(new Set(responses.map((one) => JSON.stringify(one))).size).toBe(1);
    expect(responses[0]?.[0]).toEqual(REJECTED);
    expect(it.sent).toEqual([]);
    const missing = await it.check({ user: "ann" });
    expect([missing.status, missing.error?.message]).toEqual([400, "ERR905: Missing parameter: pass"]);
  });

  test("an empty code is rejected, and uses up no attempt", async () => {
    await using it = await startedWithout();
    const { detail } = await it.post("/token/init", { type: "email", email: "desk@example.org", pin: PIN });
    const { serial } = detail ?? {};
    const transaction_id = transactionOf(await it.check({ serial, pass: PIN }));
    for (let at = 0; at < 6; at++)
      expect(verdictOf(await it.check({ serial, pass: "", transaction_id }))).toEqual(REJECTED);
    expect((await it.check({ serial, pass: await it.code(), transaction_id })).value).toBe(true);
  });

  test("an empty pass is no guess: the right PIN and the right code work after many", async () => {
    await using it = await started();
    await it.enroll({ pin: PIN });
    const empty = async (json: object = {}) => verdictOf(await it.check({ user: "ann", pass: "", ...json }));
    for (let at = 0; at < 12; at++) expect(await empty()).toEqual(REJECTED);
    const transaction_id = transactionOf(await it.check({ user: "ann", pass: PIN }));
    for (let at = 0; at < 12; at++) expect(await empty({ transaction_id })).toEqual(REJECTED);
    expect((await it.check({ user: "ann", pass: await it.code(), transaction_id })).value).toBe(true);
    // They are work, so one client cannot send them without end.
    for (let at = 24; at < 100; at++) expect(await empty()).toEqual(REJECTED);
    expect((await it.check({ user: "ann", pass: "" })).status).toBe(429);
    expect(verdictOf(await it.check({ user: "ann", pass: "wrong" }))).toEqual(REJECTED);
  });

  test.each([257, 100_000])("a PIN, a code and a name of %p characters are wrong ones", async (length) => {
    await using it = await started();
    const pin = "x".repeat(256);
    const user = "u".repeat(255);
    await it.post("/user/", { username: user, email: "u@example.org" });
    await it.enroll({ pin });
    await it.enroll({ user, pin });
    const long = "x".repeat(length);
    expect(verdictOf(await it.check({ user: "ann", pass: long }))).toEqual(REJECTED);
    expect(verdictOf(await it.check({ user: "nobody", pass: long }))).toEqual(REJECTED);
    expect(verdictOf(await it.check({ user: "u".repeat(length), pass: pin }))).toEqual(REJECTED);
    const transaction_id = transactionOf(await it.check({ user: "ann", pass: pin }));
    const pass = await it.code();
    expect(verdictOf(await it.check({ user: "ann", pass: long, transaction_id }))).toEqual(REJECTED);
    expect(verdictOf(await it.check({ user: `ann@default${long}`, pass, transaction_id }))).toEqual(REJECTED);
    expect((await it.check({ user: "ann", pass, transaction_id })).value).toBe(true);
    expect(transactionOf(await it.check({ user, pass: pin }))).toMatch(/^\d{20}$/);
  });

  test("the address of another type of token, which forms keep, has no effect and a warning", async () => {
    await using it = await started();
    const init = { type: "email", user: "ann", dynamic_email: true };
    const sms = { phone: "+49 170 7654321", dynamic_phone: true };
    const kept = await it.post("/token/init", { ...init, ...sms });
    expect([kept.status, kept.detail?.warnings]).toEqual([
      200,
      Object.keys(sms).map(
        (name) => `The parameter ${name} has no effect: tokens of type email do not use it.`,
      ),
    ]);
    const { value } = await it.request("GET", "/token/", { query: { serial: String(kept.detail?.serial) } });
    expect(value).toMatchObject({ tokens: [{ info: { dynamic_email: true } }] });
    const empty = await it.post("/token/init", {
      ...init,
      phone: "",
      dynamic_phone: false,
      "sms.identifier": "",
    });
    expect([empty.status, empty.detail?.warnings]).toEqual([200, undefined]);
  });

  test("a challenge prefers the interactive mode", async () => {
    await using it = await started();
    await it.enroll({ pin: PIN });
    expect((await it.check({ user: "ann", pass: PIN })).detail).toMatchObject({
      preferred_client_mode: "interactive",
    });
    expect((await it.trigger()).detail).toMatchObject({ preferred_client_mode: "interactive" });
  });

  test("a poll is pending, for unknown transactions too, and spends nothing", async () => {
    await using it = await started();
    await it.enroll({ pin: PIN });
    const transaction_id = transactionOf(await it.check({ user: "ann", pass: PIN }));
    const poll = (path: string) => it.request("GET", `/validate/polltransaction${path}`, { token: null });
    for (const path of [
      `?transaction_id=${transaction_id}&`,
      `/${transaction_id}`,
      "/1",
      "?transaction_id=1",
    ]) {
      const { status, value, detail } = await poll(path);
      expect([status, value, detail]).toEqual([200, false, { challenge_status: "pending" }]);
    }
    for (const path of ["", "?transaction_id="]) {
      const { status, error } = await poll(path);
      expect([status, error?.code]).toEqual([400, 905]);
    }
    expect((await it.check({ user: "ann", pass: await it.code(), transaction_id })).value).toBe(true);
    expect((await it.request("GET", "/validate/check", { query: { user: "ann" } })).status).toBe(405);
  });
});
