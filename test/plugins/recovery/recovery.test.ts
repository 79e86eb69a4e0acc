import { describe, expect, test } from "bun:test";
import type { SealpostEvent } from "sealpost/plugin";
import { definePlugin } from "sealpost/plugin";
import { directory } from "sealpost/plugins/directory";
import { recovery } from "sealpost/plugins/recovery";
import * as v from "valibot";
import { testOwnPlugin } from "../../contract/plugin.ts";
import { auditRows, deliveredMails } from "../../fixtures/delivered.ts";
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

testOwnPlugin("recovery", {
  factory: recovery,
  options: { enabled: true, leastAnswerMs: 0 },
  needs: () => [directory()],
  rejected: [
    [() => recovery({ text: "{password}" }), "text"],
    [() => recovery({ validSeconds: 3 }), "validSeconds"],
    [() => recovery({ leastPasswordCharacters: 4 }), "leastPasswordCharacters"],
    [() => recovery({ leastAnswerMs: -1 }), "leastAnswerMs"],
    // @ts-expect-error misspelled
    [() => recovery({ sever: "main" }), "sever"],
  ],
  async exercise(instance) {
    const definition = { server: "mail.example.org", sender: "accounts@example.org" };
    await instance.request("POST", "/smtpserver/default", { json: definition });
    const created = await instance.request("GET", "/user/");
    if ((created.value as unknown[]).length === 0)
      await addUser(instance, { ...ANN, password: ANNS_PASSWORD });
    const code = await codeByMail(instance);
    const { value } = await reset(instance, code);
    expect(value).toBe(true);
    return [code, NEW_PASSWORD];
  },
});

describe("POST /recover", () => {
  test.each([
    { user: "ida@corp" },
    { user: "IDA@Corp" },
    { user: "ida@corp", realm: "corp" },
    { user: "ida", realm: "corp" },
  ])("finds the user of a realm as %p, and so does the reset", async (name) => {
    await using instance = await recoveryInstance();
    await addUser(instance, { username: "ida", realm: "corp", email: "ida@example.net" });
    expect((await recover(instance, { ...name, email: "ida@example.net" })).value).toBe(true);
    const given = Object.fromEntries(new URLSearchParams((await lastLink(instance)).hash.slice(1)));
    expect(given).toMatchObject({ user: "ida", realm: "corp" });
    expect((await reset(instance, given.code ?? "", name)).value).toBe(true);
    for (const action of ["POST /recover", "POST /recover/reset"]) {
      const rows = await auditRows(instance, action);
      expect(rows.map(({ success, identifier }) => [success, identifier])).toEqual([[1, "ida@corp"]]);
    }
  });

  test("finds a user whose name has an @, unless a realm has that name", async () => {
    await using instance = await recoveryInstance();
    await addUser(instance, { username: "ida@corp", email: "whole@example.net" });
    const ask = () => recover(instance, { user: "ida@corp", email: "whole@example.net" });
    await ask();
    expect(await deliveredMails(instance)).toHaveLength(1);
    await addUser(instance, { username: "bob", realm: "corp" });
    await ask();
    expect(await deliveredMails(instance)).toHaveLength(1);
  });

  test("leaves a link valid if no newer one can be sent", async () => {
    await using instance = await recoveryInstance();
    const code = await codeByMail(instance);
    await instance.request("DELETE", "/smtpserver/default");
    expect((await recover(instance)).value).toBe(true);
    const [, row] = await auditRows(instance, "POST /recover");
    expect([row?.success, row?.info]).toEqual([0, "no mail: it cannot be sent"]);
    expect((await reset(instance, code)).value).toBe(true);
  });

  test("sends a link whose code sets a new password once", async () => {
    await using instance = await recoveryInstance();
    expect((await recover(instance)).value).toBe(true);
    const link = await lastLink(instance);
    expect(link.href).toStartWith("https://sealpost.test/recover/reset#");
    const given = Object.fromEntries(new URLSearchParams(link.hash.slice(1)));
    expect(given).toEqual({ user: "ann", realm: "default", code: expect.stringMatching(/^\w{24}$/) });
    const more = { user: given.user, realm: given.realm };
    expect((await reset(instance, given.code ?? "", more)).value).toBe(true);
    expect(await passwordIs(instance, NEW_PASSWORD)).toBe(true);
    instance.clock.advance(120);
    expect((await reset(instance, given.code ?? "", { ...more, password: "another one" })).value).toBe(false);
    expect(await passwordIs(instance, NEW_PASSWORD)).toBe(true);
  });

  test("sends to the address in the directory, ignoring letter case", async () => {
    await using instance = await recoveryInstance();
    await recover(instance, { user: "ANN", email: "aNN@Example.NET" });
    const [mail] = await deliveredMails(instance);
    expect(mail?.to?.[0]?.address).toBe(ANN.email);
    expect(mail?.from?.address).toBe("accounts@example.org");
    expect(mail?.subject).toBe("Set a new password");
  });

  test.each([
    ["the user does not exist", { user: "nobody", email: "nobody@example.net" }],
    ["the user has another address", { user: "ann", email: "eve@example.net" }],
    ["the user does not exist", { user: "ann", realm: "elsewhere", email: ANN.email }],
  ])("returns the same response and sends nothing when %s", async (reason, given) => {
    await using instance = await recoveryInstance();
    const good = await recover(instance);
    const bad = await recover(instance, given);
    expect({ ...bad.body, time: 0 }).toEqual({ ...good.body, time: 0 });
    expect([...bad.headers.keys()]).toEqual([...good.headers.keys()]);
    expect(await deliveredMails(instance)).toHaveLength(1);
    const rows = await auditRows(instance, "POST /recover");
    expect(rows.map(({ success, info }) => [success, info])).toEqual([
      [1, "a code was created"],
      [0, `no mail: ${reason}`],
    ]);
  });

  test("writes the same number of rows whether or not it sends a message", async () => {
    await using instance = await recoveryInstance();
    const tables = ["recovery_code", "mail", "audit", "try_window"];
    const counts = async () => {
      const rows = await instance.database.read.all<Record<string, number>>(
        `SELECT ${tables.map((table) => `(SELECT count(*) FROM ${table}) AS ${table}`).join(", ")}`,
      );
      return tables.map((table) => rows[0]?.[table] ?? 0);
    };
    const written = async (given: Parameters<typeof recover>[1]) => {
      const before = await counts();
      await recover(instance, given);
      return (await counts()).map((count, index) => count - (before[index] ?? 0));
    };
    await recover(instance, { user: "first", email: "first@example.net" });
    const real = await written({ user: "ann", email: ANN.email });
    expect(real).toEqual([1, 1, 2, 4]);
    expect(await written({ user: "nobody", email: "nobody@example.net" })).toEqual(real);
    expect(await written({ user: "ann", email: "eve@example.net" })).toEqual(real);
  });

  test("returns the same response without a usable definition, for known and unknown users", async () => {
    await using instance = await recoveryInstance({ server: "gone" });
    const [known, unknown] = [
      await recover(instance),
      await recover(instance, { user: "no", email: "no@example.net" }),
    ];
    expect([known.value, unknown.value]).toEqual([true, true]);
    const rows = await auditRows(instance, "plugin recovery");
    expect(rows.map(({ success, info }) => [success, info])).toEqual([
      [0, "server_unknown"],
      [0, "server_unknown"],
    ]);
  });

  test("never builds a link from the Host header: without a base URL it sends nothing", async () => {
    await using instance = await recoveryInstance({}, { baseUrl: "" });
    expect((await recover(instance, undefined, { host: "evil.example" })).value).toBe(true);
    expect(await deliveredMails(instance)).toEqual([]);
    const [row] = await auditRows(instance, "POST /recover");
    expect(row).toMatchObject({ success: 0, info: "no mail: no base URL is set" });
  });

  test("sends a user three messages an hour from one client, and keeps the last code valid", async () => {
    await using instance = await recoveryInstance();
    const code =
      [await codeByMail(instance), await codeByMail(instance), await codeByMail(instance)].at(-1) ?? "";
    for (let more = 0; more < 3; more++) expect((await recover(instance)).value).toBe(true);
    expect(await deliveredMails(instance)).toHaveLength(3);
    expect((await reset(instance, code)).value).toBe(true);
    instance.clock.advance(3_600);
    await recover(instance);
    expect(await deliveredMails(instance)).toHaveLength(5);
  });

  test("a client that uses up its share keeps no other from recovery, and 25 messages an hour are the end", async () => {
    await using instance = await recoveryInstance();
    const askFrom = (client: number) =>
      instance.request("POST", "/recover", {
        json: { user: ANN.username, email: ANN.email },
        token: null,
        peer: `192.0.2.${client}`,
      });
    for (let more = 0; more < 9; more++) expect((await askFrom(1)).value).toBe(true);
    expect(await deliveredMails(instance)).toHaveLength(3);
    for (let client = 2; client < 10; client++)
      for (let more = 0; more < 3; more++) expect((await askFrom(client)).value).toBe(true);
    expect(await deliveredMails(instance)).toHaveLength(25);
  });

  test("does not count requests with a wrong address against the user's limit", async () => {
    await using instance = await recoveryInstance();
    for (let guess = 0; guess < 9; guess++)
      await recover(instance, { user: "ann", email: `guess${guess}@example.net` });
    for (let guess = 0; guess < 9; guess++)
      await recover(instance, { user: `guess${guess}`, email: ANN.email });
    await recover(instance);
    expect(await deliveredMails(instance)).toHaveLength(1);
  });

  test("accepts twenty requests an hour from one client", async () => {
    await using instance = await recoveryInstance();
    const responses = await Promise.all(
      Array.from({ length: 25 }, (_, index) =>
        recover(instance, { user: `u${index}`, email: "u@example.net" }),
      ),
    );
    expect(responses.filter(({ status }) => status === 200)).toHaveLength(20);
    expect(responses.filter(({ status }) => status === 429)).toHaveLength(5);
  });

  test("is disabled until an admin enables it", async () => {
    await using instance = await recoveryInstance({ enabled: false });
    expect(await recover(instance)).toMatchObject({ status: 403, error: { code: 303 } });
    expect((await reset(instance, "x")).status).toBe(403);
    await instance.request("POST", "/system/setConfig", { json: { "recovery.enabled": "true" } });
    expect((await recover(instance)).value).toBe(true);
  });

  test("uses the client's language, or the one that an admin sets", async () => {
    await using instance = await recoveryInstance();
    await recover(instance, undefined, { "accept-language": "de-AT, en;q=0.5" });
    expect((await deliveredMails(instance)).at(-1)?.subject).toBe("Neues Passwort setzen");
    const json = {
      "recovery.subject": "For {username}",
      "recovery.text": "{{{givenname}}} {code} {minutes}",
      "recovery.validtime": "600",
    };
    await instance.request("POST", "/system/setConfig", { json });
    await recover(instance);
    const mail = (await deliveredMails(instance)).at(-1);
    expect(mail?.subject).toBe("For ann");
    expect(mail?.text).toMatch(/^\{Ann\} \w{24} 10\s*$/);
  });

  test("sends one message per Idempotency-Key, and the code stays the same", async () => {
    await using instance = await recoveryInstance();
    const headers = { "idempotency-key": "k-1" };
    const code = await codeByMail(instance, headers);
    expect((await recover(instance, undefined, headers)).value).toBe(true);
    expect(await deliveredMails(instance)).toHaveLength(1);
    const [first, second] = [
      await reset(instance, code, {}, headers),
      await reset(instance, code, {}, headers),
    ];
    expect([first.value, second.value]).toEqual([true, true]);
  });

  test.each([
    [{ email: "a@example.org" }, "Missing parameter: user"],
    [{ user: "ann" }, "Missing parameter: email"],
    [{ user: "ann", email: "nothing" }, "Invalid parameter: email"],
    [{ user: "a\nb", email: "a@example.org" }, "Invalid parameter: user"],
  ])("rejects %j", async (given, message) => {
    await using instance = await recoveryInstance();
    const { status, error } = await recover(instance, given);
    expect([status, error?.message]).toEqual([400, expect.stringContaining(message)]);
  });
});

test("a changed password is reported to event handlers and to the user", async () => {
  const heard: SealpostEvent[] = [];
  const listener = definePlugin({
    name: "listener",
    options: v.object({}),
    setup: () => ({ on: { password_changed: (event) => void heard.push(event) } }),
  });
  await using instance = await recoveryInstance({}, { plugins: [listener()] });
  await reset(instance, await codeByMail(instance));
  const mail = (await deliveredMails(instance)).at(-1);
  expect(mail).toMatchObject({ subject: "Your password was changed", to: [{ address: ANN.email }] });
  expect(mail?.text).not.toContain(NEW_PASSWORD);
  expect(heard).toMatchObject([{ plugin: "recovery", data: { user: "ann", realm: "default" } }]);
});
