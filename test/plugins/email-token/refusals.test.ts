import { describe, expect, test } from "bun:test";
import { type Directory, definePlugin, type SealpostEvent } from "sealpost/plugin";
import * as v from "valibot";
import type { Database } from "../../../src/contracts/database.ts";
import { createMemoryTransport } from "../../../src/transport/memory.ts";
import { openEmptyDatabase } from "../../fixtures/database.ts";
import { realRandomBytes } from "../../fixtures/instance.ts";
import { PIN, type Started, started, startedWithout, transactionOf, verdictOf, WRONG } from "./support.ts";

const DOWN = { phase: "connect", code: "refused" } as const;

async function withFaults() {
  const transport = createMemoryTransport();
  const it = await started({ transport });
  return { ...it, transport, [Symbol.asyncDispose]: it[Symbol.asyncDispose] };
}

/** ann has a token with a PIN, bob one without, carl none. There is no user called nobody. */
async function people(it: Started) {
  for (const username of ["bob", "carl"]) {
    await it.post("/user/", { username, email: `${username}@example.org` });
  }
  await it.enroll({ pin: PIN });
  await it.enroll({ user: "bob" });
}

describe("POST /validate/check without a code", () => {
  test("rejects unknown users, users without token or PIN, and wrong PINs with the same response", async () => {
    await using it = await started();
    await people(it);
    const responses = await Promise.all(
      ["nobody", "carl", "bob", "ann", "ann@default", "x@y"].map((user) => it.check({ user, pass: WRONG })),
    );
    const detail = { message: "No code was sent: check what you entered" };
    const result = { status: true, value: false, authentication: "REJECT" };
    for (const { body } of responses)
      expect([body.id, body.result, body.detail]).toEqual([2, result, detail]);
    expect(new Set(responses.map(({ headers }) => JSON.stringify([...headers]))).size).toBe(1);
    expect(it.sent).toEqual([]);
  });

  test("writes to the database equally often for each of them", async () => {
    const counted = counting(openEmptyDatabase({ randomBytes: realRandomBytes }));
    await using it = await started({ database: counted.database });
    await people(it);
    const writes = async (json: object) => {
      const before = counted.writes();
      await it.check(json);
      return counted.writes() - before;
    };
    // The first request creates the hash secret.
    await it.check({ user: "x", pass: WRONG });
    const found = [];
    for (const user of ["nobody", "carl", "bob", "ann"]) {
      found.push(await writes({ user, pass: WRONG }), await writes({ user, pass: "1", transaction_id: "2" }));
    }
    expect(found).toEqual([2, 1, 2, 1, 2, 1, 2, 1]);
  });

  test("compares one hash for each of them", async () => {
    // Ten milliseconds or more, much longer than everything else.
    await using it = await started({
      passwordCost: { ln: 13, r: 8, p: 1 },
      trustedClients: ["192.0.2.0/24"],
    });
    await people(it);
    const users = ["nobody", "carl", "bob", "ann"];
    const fastestMs = users.map(() => Number.POSITIVE_INFINITY);
    const ratio = () => Math.max(...fastestMs) / Math.min(...fastestMs);
    // A busy machine only adds to a time, so the fastest ones compare the work, and more of them do so better.
    for (let round = 0; round < 15 || (round < 150 && ratio() >= 1.8); round++) {
      for (const [index, user] of users.entries()) {
        const startedMs = performance.now();
        await it.check({ user, pass: WRONG });
        fastestMs[index] = Math.min(fastestMs[index] ?? 0, performance.now() - startedMs);
      }
    }
    expect(ratio()).toBeLessThan(1.8);
  });

  test("responds to a right PIN like to a wrong one when sending fails, but shows the reason to an admin who may trigger", async () => {
    await using it = await withFaults();
    await people(it);
    it.transport.fail({ ...DOWN, times: 3 });
    const anybody = await it.check({ user: "ann", pass: PIN });
    const wrong = await it.check({ user: "ann", pass: WRONG });
    expect([anybody.body.result, anybody.detail]).toEqual([wrong.body.result, wrong.detail ?? null]);
    const admin = await it.check({ user: "ann", pass: PIN }, { token: it.token });
    expect(verdictOf(admin)).toEqual([200, false, "REJECT"]);
    const failures = [{ type: "email", code: "refused", retry_after: null, delivery: { phase: "connect" } }];
    expect(admin.detail?.failures).toMatchObject(failures);
    const triggered = await it.trigger();
    expect(verdictOf(triggered)).toEqual([200, 0, "REJECT"]);
    expect(triggered.detail?.failures).toMatchObject(failures);
    expect(triggered.text).toContain("Nothing is listening on port 25");
  });
});

describe("POST /validate/check with an Idempotency-Key", () => {
  test.each([
    ["is invalid", "x".repeat(300), 400],
    ["was used for a different request", "used", 409],
  ])("rejects a right and a wrong PIN alike when the key %s", async (_, key, status) => {
    await using it = await started();
    await people(it);
    const headers = { "Idempotency-Key": key };
    await it.check({ user: "nobody", pass: "1" }, { headers });
    for (const pass of [WRONG, PIN]) {
      expect([pass, (await it.check({ user: "ann", pass }, { headers })).status]).toEqual([pass, status]);
    }
    expect(it.sent).toEqual([]);
  });
});

describe("POST /validate/check with a code", () => {
  /** A host's directory that only knows ann, and the names that were looked up. */
  function watched() {
    const asked: string[] = [];
    const no = () => Promise.reject(new Error("Not expected in this test"));
    const users: Directory = {
      ...{ defaultRealm: "host", findByAddress: no, list: no, attribute: no, remove: no },
      ...{ verifyPassword: no, setPassword: no, create: no },
      async find({ username }) {
        asked.push(username);
        if (username !== "ann") return null;
        return { id: "1", username, realm: "host", email: "", phone: "", givenname: "", surname: "" };
      },
    };
    const plugin = definePlugin({
      name: "watched",
      options: v.object({}),
      provides: ["directory"],
      setup: () => ({ provides: { directory: users } }),
    });
    return { plugin: plugin(), asked };
  }

  test("looks no user up for an unknown transaction, and only the named user for a known one", async () => {
    const { plugin, asked } = watched();
    await using it = await startedWithout({ plugins: [plugin] });
    await it.enroll({ dynamic_email: false, email: "ann@example.org", pin: PIN });
    const challenge = await it.check({ user: "ann", pass: PIN });
    const transaction_id = transactionOf(challenge);
    asked.length = 0;
    for (const user of ["ann", "bob"]) await it.check({ user, pass: WRONG, transaction_id: "1" });
    await it.check({ serial: String(challenge.detail?.serial), pass: WRONG, transaction_id: "1" });
    expect(asked).toEqual([]);
    const pass = await it.code();
    expect((await it.check({ user: "bob", pass, transaction_id })).value).toBe(false);
    expect((await it.check({ user: "ann", pass, transaction_id })).value).toBe(true);
    expect(asked).toEqual(["bob", "ann"]);
  });
});

describe("a message that fails", () => {
  test("leaves no challenge, no waiting time and no count", async () => {
    await using it = await withFaults();
    await people(it);
    it.transport.fail({ ...DOWN, times: 6 });
    for (let time = 0; time < 6; time++) await it.trigger();
    expect(await it.database.read.all("SELECT * FROM email_token_challenge")).toEqual([]);
    const asked = await it.trigger();
    expect([asked.value, asked.detail?.resend_after]).toEqual([1, undefined]);
  });

  test("counts as sent if the server may have accepted it", async () => {
    await using it = await withFaults();
    await people(it);
    it.transport.fail({ phase: "data", code: "timeout", outcome: "unknown" });
    expect(verdictOf(await it.trigger())).toEqual([200, 1, "CHALLENGE"]);
    expect(await it.database.read.all("SELECT serial FROM email_token_challenge")).toHaveLength(1);
  });

  test("reports a missing address", async () => {
    await using it = await started();
    await it.post("/user/", { username: "dora" });
    await it.enroll({ user: "dora" });
    const { detail } = await it.trigger({ user: "dora" });
    expect(detail?.failures).toMatchObject([{ code: "no_address" }]);
  });

  test("goes through the next definition if several are set", async () => {
    await using it = await withFaults();
    await people(it);
    await it.post("/smtpserver/spare", { server: "spare.example.org", sender: "app@example.org" });
    await it.post("/system/setConfig", { "email.identifier": "default, spare" });
    it.transport.fail(DOWN);
    expect((await it.trigger()).value).toBe(1);
    expect(it.transport.sent.map(({ server }) => server.host)).toEqual(["spare.example.org"]);
  });
});

describe("POST /validate/triggerchallenge", () => {
  test("needs the right and a name, and returns 0 if there is nothing to send", async () => {
    await using it = await started();
    await people(it);
    expect((await it.trigger({ user: "ann" }, { token: null })).status).toBe(401);
    expect((await it.trigger({})).error?.message).toBe("ERR905: Missing parameter: user");
    for (const params of [
      { user: "nobody" },
      { user: "carl" },
      { serial: "none" },
      { user: "bob", type: "sms" },
    ]) {
      const response = await it.trigger(params);
      expect([verdictOf(response), response.detail]).toEqual([
        [200, 0, "REJECT"],
        { message: "No code was sent: check what you entered" },
      ]);
    }
    expect((await it.trigger({ user: "bob@default" })).value).toBe(1);
  });

  test("returns the first response for a repeated Idempotency-Key, even later, and sends one message", async () => {
    await using it = await started();
    await people(it);
    const headers = { "Idempotency-Key": "login-1" };
    const first = await it.trigger({ user: "ann" }, { headers });
    it.clock.advance(60);
    const second = await it.trigger({ user: "ann" }, { headers });
    expect([second.value, second.detail]).toEqual([first.value, first.detail]);
    expect(it.sent).toHaveLength(1);
    expect((await it.trigger({ user: "bob" }, { headers })).status).toBe(409);
    const checked = { user: "ann", pass: PIN };
    const own = await it.check(checked, { headers });
    it.clock.advance(60);
    expect(transactionOf(await it.check(checked, { headers }))).toBe(transactionOf(own));
    expect(it.sent).toHaveLength(2);
  });
});

describe("events and audit log", () => {
  test("event handlers get the user, the token and the verdict", async () => {
    const events: SealpostEvent[] = [];
    const handler = (event: SealpostEvent) => void events.push(event);
    const probe = definePlugin({
      name: "probe",
      options: v.object({}),
      setup: () => ({ on: { token_init: handler, validate_check: handler, token_delete: handler } }),
    });
    await using it = await started({ plugins: [probe()] });
    const serial = await it.enroll({ pin: PIN });
    const asked = await it.check({ user: "ann", pass: PIN });
    await it.check({ user: "ann", pass: await it.code(), transaction_id: transactionOf(asked) });
    await it.check({ user: "ann", pass: WRONG });
    await it.request("DELETE", `/token/${serial}`);
    const token = { user: "ann", realm: "default", serial, tokentype: "email" };
    expect(events.map(({ name, data }) => [name, data])).toMatchObject([
      ["token_init", token],
      ["validate_check", { ...token, authentication: "CHALLENGE" }],
      ["validate_check", { ...token, authentication: "ACCEPT" }],
      ["validate_check", { ...token, authentication: "REJECT" }],
      ["token_delete", token],
    ]);
    expect(JSON.stringify(events)).not.toContain(PIN);
  });

  test("listing tokens is audited, because it reads addresses", async () => {
    await using it = await started();
    await it.enroll();
    await it.request("GET", "/token/?user=ann&type=email");
    const rows = await it.audited({ action: "GET /token/" });
    expect(rows).toMatchObject([
      { success: true, administrator: "admin", fields: "user,type", info: "1 tokens" },
    ]);
  });

  test("checks are audited without PIN and code", async () => {
    await using it = await started();
    const serial = await it.enroll({ pin: PIN });
    const asked = await it.check({ user: "ann", pass: PIN });
    const transaction_id = transactionOf(asked);
    const code = await it.code();
    await it.check({ user: "ann", pass: WRONG, transaction_id });
    await it.check({ user: "ann", pass: code, transaction_id });
    await it.check({ user: "ann", pass: code, transaction_id });
    await it.check({ user: "nobody", pass: WRONG });
    const rows = await it.audited({ action: "POST /validate/check", sortorder: "asc" });
    expect(rows.map(({ success, identifier, info }) => [success, identifier, info])).toEqual([
      [true, serial, "challenge"],
      [false, serial, "wrong code"],
      [true, serial, "code accepted"],
      [false, "", "no such code"],
      [false, "", "no token has this PIN"],
    ]);
    const [message] = await it.audited({ action: "plugin email-token" });
    expect(message).toMatchObject({ recipient: "ann@example.org", outcome: "sent" });
    const all = JSON.stringify(await it.audited());
    expect([all.includes(PIN), all.includes(code)]).toEqual([false, false]);
  });
});

/** A database that counts commits and appends. */
function counting(database: Database) {
  let count = 0;
  const counted: Database = {
    kind: database.kind,
    read: database.read,
    write: database.write,
    prepare: database.prepare,
    commit(statements, options) {
      count += 1;
      return database.commit(statements, options);
    },
    append(statement) {
      count += 1;
      return database.append(statement);
    },
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
  return { database: counted, writes: () => count };
}
