import { describe, expect, test } from "bun:test";
import { emailToken } from "sealpost/plugins/email-token";
import { ANN, PIN, type Started, started, startedWithout, transactionOf, verdictOf } from "./support.ts";

const opens = async (it: Started, json: object) => verdictOf(await it.check(json))[2] === "CHALLENGE";
const outcome = async (response: ReturnType<Started["post"]>) => {
  const { status, value, error } = await response;
  return status === 200 ? value : [status, error?.code];
};

async function listed(it: Started, serial: string) {
  const { value } = await it.request("GET", "/token/", { query: { serial } });
  return (value as { tokens: Record<string, unknown>[] }).tokens[0];
}

test.each([
  ["active = 0", { active: false }],
  ["revoked = 1", { revoked: true }],
  ["rollout_state = 'verify'", { rollout_state: "verify" }],
])("a token with %s gets no code, opens nothing, and its open code is void", async (change, shown) => {
  await using it = await started();
  const serial = await it.enroll({ pin: PIN });
  const transaction_id = transactionOf(await it.check({ user: "ann", pass: PIN }));
  const pass = await it.code();
  await it.database.commit([it.database.write.run(`UPDATE email_token_token SET ${change}, sent_at = 0`)]);
  const usable = { active: true, revoked: false, rollout_state: "" };
  expect(await listed(it, serial)).toMatchObject({ ...usable, ...shown });
  for (const named of [{ user: "ann" }, { serial }]) {
    expect(verdictOf(await it.check({ ...named, transaction_id, pass }))).toEqual([200, false, "REJECT"]);
    expect(verdictOf(await it.check({ ...named, pass: PIN }))).toEqual([200, false, "REJECT"]);
    expect(verdictOf(await it.trigger(named))).toEqual([200, 0, "REJECT"]);
  }
  expect(it.sent).toHaveLength(1);
});

test("an unusable token does not keep the user's others from working", async () => {
  await using it = await started();
  const serial = await it.enroll({ pin: PIN });
  const other = await it.enroll({ pin: PIN });
  await it.database.commit([
    it.database.write.run(`UPDATE email_token_token SET active = 0 WHERE serial = '${serial}'`),
  ]);
  const asked = await it.check({ user: "ann", pass: PIN });
  expect(asked.detail?.multi_challenge).toHaveLength(1);
  expect(asked.detail?.serial).toBe(other);
});

describe("an open code is void after", () => {
  test.each([
    ["disable", {}],
    ["revoke", {}],
    ["unassign", {}],
    ["assign", { user: "ann" }],
    ["init", { type: "email", user: "ann", dynamic_email: true }],
  ])("POST /token/%s, and the next code needs no wait", async (name, json) => {
    await using it = await started();
    const serial = await it.enroll({ pin: PIN });
    const before = transactionOf(await it.check({ user: "ann", pass: PIN }));
    const pass = await it.code();
    expect((await it.post(`/token/${name}`, { serial, ...json })).status).toBe(200);
    if (name === "disable") expect((await it.post("/token/enable", { serial })).value).toBe(1);
    for (const named of [{ user: "ann" }, { serial }]) {
      const response = await it.check({ ...named, transaction_id: before, pass });
      expect(verdictOf(response)).toEqual([200, false, "REJECT"]);
    }
    if (["revoke", "unassign"].includes(name)) return;
    const after = transactionOf(await it.check({ user: "ann", pass: PIN }));
    expect(after).not.toBe(before);
    const response = await it.check({ user: "ann", transaction_id: after, pass: await it.code() });
    expect(verdictOf(response)).toEqual([200, true, "ACCEPT"]);
  });
});

describe("POST /token/enable and /disable", () => {
  test("return how many tokens changed, by serial or by user, in body or path", async () => {
    await using it = await started();
    const serial = await it.enroll({ pin: PIN });
    await it.enroll();
    const change = (path: string, json: object = {}) => outcome(it.post(`/token/${path}`, json));
    expect(await change("enable", { serial })).toBe(0);
    expect(await change("disable", { serial })).toBe(1);
    expect(await listed(it, serial)).toMatchObject({ active: false, revoked: false });
    expect(await change("disable", { user: "ann" })).toBe(1);
    expect(await opens(it, { user: "ann", pass: PIN })).toBe(false);
    expect(await change(`enable/${serial}`)).toBe(1);
    expect(await change("enable", { user: "ann", realm: "default" })).toBe(1);
    expect(await opens(it, { user: "ann", pass: PIN })).toBe(true);
    await it.post("/user/", { username: "bob", email: "bob@example.org" });
    expect(await change("disable", { user: "bob" })).toBe(0);
    expect(await change("disable", { user: "nobody" })).toEqual([400, 904]);
  });
});

test.each(["enable", "disable", "assign", "unassign", "revoke"])(
  "POST /token/%s needs a serial, a known token and its right, in body or path",
  async (name) => {
    await using it = await started();
    const serial = await it.enroll();
    const change = (path: string, json: object = {}) =>
      it.post(`/token/${path}`, { ...(name === "assign" ? { user: "ann" } : {}), ...json });
    for (const unknown of [change(name, { serial: "PIEM0" }), change(`${name}/PIEM0`)])
      expect(await outcome(unknown)).toEqual([404, 601]);
    const without = await it.post(`/token/${name}`, {});
    expect(without.error?.message).toBe("ERR905: Missing parameter: serial");
    const allow = (action: string) =>
      it.post("/policy/p", { scope: "admin", action: `policywrite, ${action}` });
    const others = ["enable", "disable", "assign", "unassign", "revoke"].filter((one) => one !== name);
    await allow(`enrollEMAIL, reset, setpin, delete, ${others}`);
    expect(await outcome(change(name, { serial }))).toEqual([403, 303]);
    await allow(name);
    expect((await change(`${name}/${serial}`)).status).toBe(200);
  },
);

test("POST /token/revoke disables a token permanently", async () => {
  await using it = await started();
  const serial = await it.enroll({ pin: PIN });
  expect((await it.post("/token/revoke", { serial })).value).toBe(1);
  for (const path of ["enable", "disable", "revoke"])
    expect((await it.post(`/token/${path}`, { serial })).value).toBe(0);
  const again = it.post("/token/init", { type: "email", user: "ann", dynamic_email: true, serial });
  expect(await outcome(again)).toEqual([409, 409]);
  expect(await listed(it, serial)).toMatchObject({ active: false, revoked: true });
  expect(await opens(it, { user: "ann", pass: PIN })).toBe(false);
  expect((await it.request("DELETE", `/token/${serial}`)).value).toBe(1);
});

describe("POST /token/unassign and /assign", () => {
  test("take a token from its owner, whose PIN stays, and give it to another with that one's PIN", async () => {
    await using it = await started();
    await it.post("/user/", { username: "bob", email: "bob@example.org" });
    await it.enroll({ user: "bob", pin: "of bob" });
    const serial = await it.enroll({ pin: PIN });
    const assign = (json: object) => outcome(it.post("/token/assign", { serial, realm: "default", ...json }));
    expect(await assign({ user: "bob" })).toEqual([409, 409]);
    expect(await assign({ user: "nobody" })).toEqual([400, 904]);
    expect(await assign({})).toEqual([400, 905]);
    expect(await assign({ user: "ann" })).toBe(true);

    expect((await it.post("/token/unassign", { serial })).value).toBe(1);
    expect((await it.post(`/token/unassign/${serial}`, {})).value).toBe(0);
    expect(await listed(it, serial)).toMatchObject({
      username: "",
      user_realm: "",
      realms: [],
      has_pin: false,
    });
    expect(await opens(it, { serial, pass: PIN })).toBe(false);
    expect(await opens(it, { user: "ann", pass: PIN })).toBe(false);
    expect((await it.trigger({ serial })).detail?.failures).toMatchObject([{ serial, code: "no_address" }]);
    expect((await it.post("/token/description", { serial, description: "free" })).value).toBe(true);

    expect(await assign({ user: "bob" })).toBe(true);
    expect(await listed(it, serial)).toMatchObject({ username: "bob", user_realm: "default", has_pin: true });
    expect(await opens(it, { serial, pass: PIN })).toBe(false);
    expect(await opens(it, { serial, pass: "of bob" })).toBe(true);
    expect(it.sent.at(-1)?.recipient).toBe("bob@example.org");
    expect((await it.request("DELETE", `/token/${serial}`)).value).toBe(1);
  });

  test("work by user, and for the token of a user who was deleted", async () => {
    await using it = await started();
    const serial = await it.enroll({ pin: PIN });
    await it.request("DELETE", "/user/default/ann");
    await it.post("/user/", ANN);
    const assign = () => outcome(it.post("/token/assign", { serial, user: "ann" }));
    expect(await assign()).toEqual([409, 409]);
    expect(await opens(it, { user: "ann", pass: PIN })).toBe(false);
    expect((await it.post("/token/unassign", { serial })).value).toBe(1);
    expect(await assign()).toBe(true);
    expect((await it.post("/token/unassign", { user: "ann" })).value).toBe(1);
  });

  test("never give a user more than ten tokens", async () => {
    await using it = await started();
    const free = { type: "email", email: "desk@example.org" };
    const serials = await Promise.all(
      Array.from({ length: 12 }, async () => (await it.post("/token/init", free)).detail?.serial),
    );
    const assigned = await Promise.all(
      serials.map((serial) => outcome(it.post("/token/assign", { serial, user: "ann" }))),
    );
    expect(assigned.filter((one) => one === true)).toHaveLength(10);
  });

  test("work without a directory", async () => {
    await using it = await startedWithout({ token: emailToken() });
    const json = { type: "email", user: "ann", email: "ann@example.org", pin: PIN };
    const serial = (await it.post("/token/init", json)).detail?.serial;
    expect((await it.post("/token/unassign", { serial })).value).toBe(1);
    expect((await it.post("/token/assign", { serial, user: "ben", pin: "of ben" })).value).toBe(true);
    expect(verdictOf(await it.check({ user: "ben", pass: "of ben" }))[2]).toBe("CHALLENGE");
    expect(verdictOf(await it.check({ user: "ann", pass: PIN }))[2]).toBe("REJECT");
  });
});
