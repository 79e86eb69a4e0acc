import { describe, expect, test } from "bun:test";
import { PIN, type Started, started, verdictOf } from "./support.ts";

const opens = async (it: Started, json: object) => verdictOf(await it.check(json))[2] === "CHALLENGE";

async function listed(it: Started, serial: string) {
  const { value } = await it.request("GET", "/token/", { query: { serial } });
  return (value as { tokens: Record<string, unknown>[] }).tokens[0];
}

describe("tokens are changed by", () => {
  test("POST /token/setpin: the PIN of the user, for all tokens, found by serial or by user", async () => {
    await using it = await started();
    const serial = await it.enroll({ pin: PIN });
    await it.enroll();
    expect((await it.post("/token/setpin", { serial, otppin: "4321" })).value).toBe(2);
    expect(await opens(it, { user: "ann", pass: PIN })).toBe(false);
    expect(await opens(it, { user: "ann", pass: "4321" })).toBe(true);
    expect((await it.post("/token/setpin", { user: "ann", otppin: "by user" })).value).toBe(2);
    expect((await it.post(`/token/setpin/${serial}`, { otppin: "in path" })).value).toBe(2);
    expect(await opens(it, { user: "ann", pass: "by user" })).toBe(false);
    expect(await opens(it, { user: "ann", pass: "in path" })).toBe(true);
    expect((await it.post("/token/setpin", { serial, otppin: "" })).value).toBe(2);
    expect(await listed(it, serial)).toMatchObject({ has_pin: false });
  });

  test("POST /token/setpin, which leaves the tokens of other users and those without an owner alone", async () => {
    await using it = await started();
    const nameless = { type: "email", email: "desk@example.org", pin: "desk" };
    const [desk, other] = await Promise.all([
      it.post("/token/init", nameless),
      it.post("/token/init", nameless),
    ]);
    await it.post("/user/", { username: "bea", email: "bea@example.org" });
    await it.enroll({ user: "bea", pin: "of bea" });
    const serial = desk.detail?.serial;
    expect((await it.post("/token/setpin", { serial, otppin: "new" })).value).toBe(1);
    expect(await opens(it, { serial, pass: "new" })).toBe(true);
    expect(await opens(it, { serial: other.detail?.serial, pass: "desk" })).toBe(true);
    expect(await opens(it, { user: "bea", pass: "of bea" })).toBe(true);
  });

  test("POST /token/set and /token/description: the description, with the serial in body or path", async () => {
    await using it = await started();
    const serial = await it.enroll();
    for (const [path, json, value] of [
      ["set", { serial, description: "one" }, 1],
      [`set/${serial}`, { description: "two" }, 1],
      ["description", { serial, description: "three" }, true],
      [`description/${serial}`, { description: "four" }, true],
    ] as const) {
      expect((await it.post(`/token/${path}`, json)).value).toBe(value);
      expect(await listed(it, serial)).toMatchObject({ description: json.description });
    }
  });

  test.each(["setpin", "set", "description"])(
    "POST /token/%s, for known tokens, by its right only",
    async (name) => {
      await using it = await started();
      const serial = await it.enroll();
      const change = (path: string, json: object) =>
        it.post(`/token/${path}`, { otppin: "1", description: "x", ...json });
      for (const unknown of [await change(name, { serial: "PIEM0" }), await change(`${name}/PIEM0`, {})])
        expect([unknown.status, unknown.error?.code]).toEqual([404, 601]);
      expect((await change(name, {})).error?.message).toBe("ERR905: Missing parameter: serial");
      const right = name === "description" ? "setdescription" : name;
      const allow = (action: string) =>
        it.post("/policy/p", { scope: "admin", action: `policywrite, ${action}` });
      await allow("reset, delete, enrollEMAIL");
      expect((await change(name, { serial })).error?.code).toBe(303);
      await allow(right);
      expect((await change(name, { serial })).status).toBe(200);
    },
  );

  test("an audit row that names the field and no PIN", async () => {
    await using it = await started();
    const serial = await it.enroll();
    await it.post("/token/setpin", { serial, otppin: "secret pin" });
    const [row] = await it.audited({ action: "POST /token/setpin" });
    expect(row).toMatchObject({ success: true, identifier: serial, fields: "pin" });
    expect(JSON.stringify(row)).not.toContain("secret pin");
    const query = { otppin: "secret pin" };
    expect((await it.request("POST", `/token/setpin/${serial}`, { query })).error?.message).toContain(
      "otppin",
    );
  });

  test("POST /token/setpin/<serial> with another user: 404, and the PIN stays", async () => {
    await using it = await started();
    const serial = await it.enroll({ pin: PIN });
    await it.post("/user/", { username: "bea", email: "bea@example.org" });
    await it.enroll({ user: "bea", pin: "of bea" });
    for (const path of [`setpin/${serial}`, `enable/${serial}`]) {
      const response = await it.post(`/token/${path}`, { user: "bea", otppin: "1" });
      expect([response.status, response.error?.code]).toEqual([404, 601]);
    }
    expect(await opens(it, { user: "ann", pass: PIN })).toBe(true);
    expect((await it.post(`/token/setpin/${serial}`, { user: "ann", otppin: "1" })).value).toBe(1);
    expect(await opens(it, { user: "ann", pass: "1" })).toBe(true);
  });

  test.each(["setpin", "reset"])(
    "POST /token/%s, which rejects an unknown user, and returns 0 for one without tokens",
    async (name) => {
      await using it = await started();
      const change = (user: string) => it.post(`/token/${name}`, { user, otppin: "1" });
      const unknown = await change("carl");
      expect([unknown.status, unknown.error?.code]).toEqual([400, 904]);
      const none = await change("ann");
      expect([none.status, none.value]).toEqual([200, 0]);
    },
  );

  test.each(["set", "description"])(
    "POST /token/%s, which clears nothing that was not sent",
    async (name) => {
      await using it = await started();
      const serial = await it.enroll({ pin: PIN, description: "Ann's phone" });
      for (const json of [{ max_failcount: 5 }, { description: null }, { user: "ann" }]) {
        const { error, status } = await it.post(`/token/${name}`, { serial, ...json });
        expect([status, error?.message]).toEqual([400, "ERR905: Missing parameter: description"]);
      }
      expect(await listed(it, serial)).toMatchObject({ description: "Ann's phone" });
      expect((await it.post(`/token/${name}`, { serial, description: "" })).status).toBe(200);
      expect(await listed(it, serial)).toMatchObject({ description: "", has_pin: true });
    },
  );

  test("POST /token/set and /token/description by user: all tokens of that user", async () => {
    await using it = await started();
    const serials = [await it.enroll(), await it.enroll()];
    await it.post("/user/", { username: "bea", email: "bea@example.org" });
    const other = await it.enroll({ user: "bea" });
    expect((await it.post("/token/set", { user: "ann", description: "one" })).value).toBe(2);
    for (const serial of serials) expect(await listed(it, serial)).toMatchObject({ description: "one" });
    expect((await it.post("/token/description", { user: "ann@default", description: "two" })).value).toBe(
      true,
    );
    for (const serial of serials) expect(await listed(it, serial)).toMatchObject({ description: "two" });
    expect(await listed(it, other)).toMatchObject({ description: "" });
    const foreign = await it.post("/token/set", { user: "ann", serial: other, description: "x" });
    expect([foreign.status, foreign.error?.code]).toEqual([404, 601]);
    expect((await it.post("/token/set", { user: "carl", description: "x" })).error?.code).toBe(904);
  });

  test("POST /token/set with a pin: the PIN of the user, with the right setpin as well", async () => {
    await using it = await started();
    const serial = await it.enroll({ pin: PIN, description: "Ann's phone" });
    await it.enroll();
    expect((await it.post("/token/set", { serial, pin: "new" })).value).toBe(2);
    expect(await opens(it, { user: "ann", pass: PIN })).toBe(false);
    expect(await opens(it, { user: "ann", pass: "new" })).toBe(true);
    expect(await listed(it, serial)).toMatchObject({ description: "Ann's phone" });
    expect((await it.post(`/token/set/${serial}`, { pin: "other", description: "both" })).value).toBe(2);
    expect(await listed(it, serial)).toMatchObject({ description: "both" });
    const [row] = await it.audited({ action: "POST /token/set/<serial>" });
    expect(row).toMatchObject({ success: true, fields: "description,pin" });
    const allow = (action: string) =>
      it.post("/policy/p", { scope: "admin", action: `policywrite, ${action}` });
    await allow("set");
    expect((await it.post("/token/set", { serial, pin: "third" })).error?.code).toBe(303);
    expect((await it.post("/token/set", { serial, description: "set" })).status).toBe(200);
    await allow("set, setpin");
    expect((await it.post("/token/set", { serial, pin: "third" })).status).toBe(200);
    expect(await opens(it, { user: "ann", pass: "third" })).toBe(true);
  });
});
