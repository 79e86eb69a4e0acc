import { describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { type Directory, definePlugin } from "sealpost/plugin";
import { recovery } from "sealpost/plugins/recovery";
import * as v from "valibot";
import { auditRows } from "../../fixtures/delivered.ts";
import { PEER, testInstance } from "../../fixtures/instance.ts";
import {
  ANN,
  ANNS_PASSWORD,
  addUser,
  codeByMail,
  lastLink,
  NEW_PASSWORD,
  passwordIs,
  recover,
  recoveryInstance,
  reset,
} from "./fixtures/users.ts";

const MINUTES = 60;
/** A wrong code that starts like the right one. */
const almost = (code: string, end = "") => `${code.slice(0, 8)}${end}`;

/** More guesses with LONG_TESTS=1. */
const GUESSES = process.env.LONG_TESTS === "1" ? 10_000 : 2_000;

describe("POST /recover/reset", () => {
  test("accepts exactly one of many concurrent uses of a code", async () => {
    await using instance = await recoveryInstance();
    const code = await codeByMail(instance);
    const passwords = Array.from({ length: 4 }, (_, index) => `the new password ${index}`);
    const responses = await Promise.all(passwords.map((password) => reset(instance, code, { password })));
    const winners = passwords.filter((_, index) => responses[index]?.value === true);
    expect(winners).toHaveLength(1);
    expect(await passwordIs(instance, winners[0] ?? "")).toBe(true);
  });

  test("allows five attempts at a code, including the right one, and then voids it", async () => {
    await using instance = await recoveryInstance();
    const code = await codeByMail(instance);
    for (let time = 0; time < 4; time++) expect((await reset(instance, almost(code))).value).toBe(false);
    expect((await reset(instance, code)).value).toBe(true);
    const next = await codeByMail(instance);
    for (let time = 0; time < 5; time++) expect((await reset(instance, almost(next))).value).toBe(false);
    expect((await reset(instance, next)).value).toBe(false);
  });

  test("accepts a code immediately that an object was using when it ended", async () => {
    await using instance = await recoveryInstance();
    const { database, clock, services } = instance;
    const code = await codeByMail(instance);
    const endsAt = clock.now.getTime() + MINUTES * 1_000;
    await database.commit([
      database.write.run(
        sql`UPDATE recovery_code SET claim = 'left', claimed_until = ${endsAt} WHERE NOT decoy`,
      ),
    ]);
    expect((await reset(instance, code)).value).toBe(false);
    await services.plugins.work.abandonLeases();
    expect((await reset(instance, code)).value).toBe(true);
  });

  test("does not count attempts with a wrong start of the code, so a name alone cannot void it", async () => {
    await using instance = await recoveryInstance();
    const code = await codeByMail(instance);
    for (let time = 0; time < 20; time++) expect((await reset(instance, `wrong ${time}`)).value).toBe(false);
    expect((await reset(instance, code)).value).toBe(true);
  });

  test(`allows at most five attempts out of ${GUESSES} guesses from many clients`, async () => {
    await using instance = await recoveryInstance();
    const code = await codeByMail(instance);
    const json = { user: ANN.username, password: NEW_PASSWORD };
    const guess = async (index: number) => {
      const peer = `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`;
      const recoverycode = almost(code, String(index));
      return instance.request("POST", "/recover/reset", {
        json: { ...json, recoverycode },
        token: null,
        peer,
      });
    };
    for (let from = 0; from < GUESSES; from += 100) {
      const responses = await Promise.all(Array.from({ length: 100 }, (_, index) => guess(from + index)));
      expect(responses.every(({ value }) => value === false)).toBe(true);
    }
    const [row] = await instance.database.read.all("SELECT tries FROM recovery_code WHERE NOT decoy");
    expect(row).toEqual({ tries: 5 });
    expect((await reset(instance, code)).value).toBe(false);
  }, 60_000);

  test("accepts only the newest code", async () => {
    await using instance = await recoveryInstance();
    const first = await codeByMail(instance);
    const second = await codeByMail(instance);
    expect((await reset(instance, first)).value).toBe(false);
    expect((await reset(instance, second)).value).toBe(true);
  });

  test("rejects a code that would be valid longer because the clock was set back", async () => {
    await using instance = await recoveryInstance();
    const code = await codeByMail(instance);
    instance.clock.advance(-24 * 60 * MINUTES);
    expect((await reset(instance, code)).value).toBe(false);
    instance.clock.advance(24 * 60 * MINUTES);
    expect((await reset(instance, code)).value).toBe(true);
  });

  test("rejects an expired code and deletes it", async () => {
    await using instance = await recoveryInstance();
    const code = await codeByMail(instance);
    instance.clock.advance(60 * MINUTES);
    expect((await reset(instance, code)).value).toBe(false);
    instance.clock.advance(1);
    await instance.services.prune();
    expect(await instance.database.read.all("SELECT * FROM recovery_code")).toEqual([]);
  });

  test("rejects another user's code", async () => {
    await using instance = await recoveryInstance();
    await addUser(instance, { username: "bob", email: "bob@example.net", password: "bobs password" });
    await recover(instance, { user: "bob", email: "bob@example.net" });
    const code = new URLSearchParams((await lastLink(instance)).hash.slice(1)).get("code") ?? "";
    expect((await reset(instance, code)).value).toBe(false);
    expect(await passwordIs(instance, ANNS_PASSWORD)).toBe(true);
    expect((await reset(instance, code, { user: "bob" })).value).toBe(true);
  });

  test("rejects a short password without counting an attempt", async () => {
    await using instance = await recoveryInstance({ leastPasswordCharacters: 12 });
    const code = await codeByMail(instance);
    for (let short = 0; short < 9; short++) {
      const { status, error } = await reset(instance, code, { password: "eleven char" });
      expect([status, error?.message]).toEqual([400, expect.stringContaining("at least 12 characters")]);
    }
    expect((await reset(instance, code, { password: "twelve chars" })).value).toBe(true);
  });

  test("rejects the user's name as password, however the request names the user, and counts no attempt", async () => {
    await using instance = await recoveryInstance();
    const user = { username: "annabelle", realm: "default", email: "annabelle@example.net" };
    await addUser(instance, { ...user, password: ANNS_PASSWORD });
    await recover(instance, { user: user.username, email: user.email });
    const code = new URLSearchParams((await lastLink(instance)).hash.slice(1)).get("code") ?? "";
    for (const name of ["annabelle", ...Array(6).fill("annabelle@default")]) {
      const { status, error } = await reset(instance, code, { user: name, password: "annabelle" });
      expect([name, status, error?.code]).toEqual([name, 400, 905]);
    }
    expect((await reset(instance, code, { user: "annabelle@default" })).value).toBe(true);
  });

  test("rejects a code in the query", async () => {
    await using instance = await recoveryInstance();
    const query = { recoverycode: await codeByMail(instance) };
    const json = { user: ANN.username, password: NEW_PASSWORD };
    const { status, error } = await instance.request("POST", "/recover/reset", { query, json, token: null });
    expect([status, error?.message]).toEqual([400, expect.stringContaining("recoverycode")]);
  });

  test("audits each outcome without the code or the password", async () => {
    await using instance = await recoveryInstance();
    const code = await codeByMail(instance);
    await reset(instance, "wrong");
    await reset(instance, code);
    const rows = await auditRows(instance, "POST /recover/reset");
    expect(rows.map(({ success, identifier, info }) => [success, identifier, info])).toEqual([
      [0, "ann@default", "no valid code"],
      [1, "ann@default", ""],
    ]);
  });
});

/** A directory of a host app, with the `setPassword` of a test. */
async function withDirectory(setPassword: Directory["setPassword"]) {
  const user = {
    id: "1",
    username: "ann",
    realm: "default",
    email: ANN.email,
    phone: "",
    givenname: "",
    surname: "",
  };
  const users: Directory = {
    defaultRealm: "default",
    find: async ({ username }) => (username === "ann" ? user : null),
    findByAddress: async () => [user],
    list: async () => [user],
    attribute: async () => "",
    verifyPassword: async () => false,
    setPassword,
    create: async () => false,
    remove: async () => false,
  };
  const host = definePlugin({
    name: "host",
    options: v.object({}),
    provides: ["directory"],
    setup: () => ({ provides: { directory: users } }),
  });
  const instance = await testInstance({ plugins: [host(), recovery({ enabled: true, leastAnswerMs: 0 })] });
  const definition = { server: "mail.example.org", sender: "accounts@example.org" };
  await instance.request("POST", "/smtpserver/default", { json: definition, peer: PEER });
  return instance;
}

describe("a host's directory", () => {
  test("that does not set passwords does not use up the code", async () => {
    let isWilling = false;
    await using instance = await withDirectory(async (_, __, also = []) => {
      if (isWilling) await instance.database.commit([...also]);
      return isWilling;
    });
    const code = await codeByMail(instance);
    expect((await reset(instance, code)).value).toBe(false);
    isWilling = true;
    expect((await reset(instance, code)).value).toBe(true);
    expect((await reset(instance, code)).value).toBe(false);
  });

  test("that fails does not use up the code", async () => {
    let isAway = true;
    await using instance = await withDirectory(async (_, __, also = []) => {
      if (isAway) throw new Error("The directory is unavailable");
      await instance.database.commit([...also]);
      return true;
    });
    const code = await codeByMail(instance);
    expect((await reset(instance, code)).status).toBe(500);
    isAway = false;
    expect((await reset(instance, code)).value).toBe(true);
  });

  test("is called once per code even if it is slow, and again after a minute without a response", async () => {
    let calls = 0;
    await using instance = await withDirectory(async () => {
      calls += 1;
      return new Promise<boolean>(() => undefined);
    });
    const code = await codeByMail(instance);
    void reset(instance, code);
    while (calls === 0) await new Promise(setImmediate);
    expect((await reset(instance, code)).value).toBe(false);
    expect(calls).toBe(1);
    instance.clock.advance(1 * MINUTES);
    void reset(instance, code);
    while (calls === 1) await new Promise(setImmediate);
    expect(calls).toBe(2);
    instance.clock.advance(-30 * MINUTES);
    void reset(instance, code);
    while (calls === 2) await new Promise(setImmediate);
    expect(calls).toBe(3);
  });
});
