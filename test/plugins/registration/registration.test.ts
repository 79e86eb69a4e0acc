import { describe, expect, test } from "bun:test";
import { directory } from "sealpost/plugins/directory";
import { registration } from "sealpost/plugins/registration";
import { testOwnPlugin } from "../../contract/plugin.ts";
import type { TestInstance } from "../../fixtures/instance.ts";
import { SENDER, sender } from "../../fixtures/smime/authority.ts";
import { isInstalled } from "../../fixtures/smime/openssl.ts";
import { opensslVerify } from "../../fixtures/smime/verify.ts";
import { ANN, confirm, delivered, lastCode, register, saveDefinition, started, usersOf } from "./setup.ts";

testOwnPlugin("registration", {
  factory: registration,
  options: { enabled: true },
  needs: () => [directory()],
  rejected: [
    [() => registration({ requiredEmail: "/.*@example.org/" }), "requiredEmail"],
    [() => registration({ text: "{cod}" }), "text"],
    [() => registration({ validSeconds: 5 }), "validSeconds"],
    // @ts-expect-error misspelled
    [() => registration({ enable: true }), "enable"],
  ],
  async exercise(instance) {
    await saveDefinition(instance);
    const { id } = await register(instance);
    const code = await lastCode(instance);
    await confirm(instance, id, "WRONG-WRONG");
    expect((await confirm(instance, id, code)).value).toBe(true);
    await register(instance);
    return [ANN.password, code];
  },
});

describe("POST /register", () => {
  test("says whether users may register, and rejects registrations when they may not", async () => {
    await using instance = await started({ enabled: false });
    const may = () => instance.request("GET", "/register", { token: null });
    expect((await may()).value).toBe(false);
    const { response } = await register(instance);
    expect([response.status, response.error?.code]).toEqual([400, 402]);
    await instance.request("POST", "/system/setConfig", { json: { "register.enabled": true } });
    expect((await may()).value).toBe(true);
    expect((await register(instance)).response.value).toBe(true);
  });

  test("names missing parameters in privacyIDEA's order, and invalid ones", async () => {
    await using instance = await started();
    const given: Record<string, unknown> = {};
    for (const name of ["username", "surname", "givenname", "email", "password"] as const) {
      const { response } = await register(instance, given);
      expect(response.error).toMatchObject({ code: 905, message: `ERR905: Missing parameter: ${name}` });
      given[name] = ANN[name];
    }
    for (const [name, value] of [
      ["username", "a b"],
      ["surname", "  "],
      ["email", "ann"],
      ["password", "1234567"],
      ["phone", "none"],
    ] as const) {
      const { response } = await register(instance, { ...ANN, [name]: value });
      expect([response.error?.code, response.error?.message]).toEqual([
        905,
        expect.stringContaining(`: ${name}:`),
      ]);
    }
    expect(await delivered(instance)).toEqual([]);
  });

  test("sends a code and creates no user", async () => {
    await using instance = await started();
    const { response } = await register(instance);
    expect(response.detail).toEqual({
      transaction_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      valid_until: "2026-06-02T12:00:00.000Z",
    });
    const [mail, ...others] = await delivered(instance);
    expect(others).toEqual([]);
    expect(mail).toMatchObject({ recipient: "ann@example.org", subject: "Confirm your registration" });
    expect(mail?.text).toMatch(
      /registered as ann .*code is [A-Z2-9]{5}-[A-Z2-9]{5}\. .*2026-06-02 12:00 UTC/s,
    );
    expect(mail?.html).toMatch(/<strong>[A-Z2-9]{5}-[A-Z2-9]{5}<\/strong>/);
    expect(await usersOf(instance)).toEqual([]);
  });

  test("does not reserve the name: the first to confirm gets it, and the other is rejected", async () => {
    await using instance = await started();
    const one = await register(instance);
    const code = await lastCode(instance);
    const other = await register(instance, { ...ANN, username: "ANN", email: "eve@example.org" });
    const otherCode = await lastCode(instance);
    expect((await confirm(instance, other.id, otherCode)).value).toBe(true);
    const { status, error } = await confirm(instance, one.id, code);
    expect([status, error?.code]).toEqual([400, 402]);
    expect((await confirm(instance, one.id, code)).value).toBe(false);
    expect(await usersOf(instance)).toEqual(["ANN"]);
  });

  test("uses German for clients that prefer it, in the message and in the response", async () => {
    await using instance = await started({ requiredEmail: "example.org" });
    const headers = { "accept-language": "de-AT, en;q=0.5" };
    const { id } = await register(instance, ANN, { headers });
    const [mail] = await delivered(instance);
    expect(mail?.subject).toBe("Bestätigen Sie Ihre Registrierung");
    expect(mail?.html).toContain(`<html lang="de">`);
    expect(mail?.html).toContain("<p>Ihr Code ist <strong>");
    expect((await confirm(instance, id, "x", { headers })).detail).toEqual({
      message: "Der Code ist falsch oder gilt nicht mehr",
    });
    const { response } = await register(instance, { ...ANN, email: "a@b.org" }, { headers });
    expect(response.error?.message).toContain("darf sich nicht registrieren");
  });

  test("returns the first response for a repeated Idempotency-Key, and sends one message", async () => {
    await using instance = await started();
    const headers = { "idempotency-key": "one" };
    const first = await register(instance, ANN, { headers });
    const again = await register(instance, ANN, { headers });
    expect(again.id).toBe(first.id);
    const other = await register(instance, { ...ANN, password: "another password" }, { headers });
    expect(other.response.status).toBe(409);
    expect(await delivered(instance)).toHaveLength(1);
    expect((await confirm(instance, first.id, await lastCode(instance))).value).toBe(true);
  });

  test("fails and stores nothing when no message can be sent, whether the name is taken or not", async () => {
    await using instance = await started();
    await instance.request("POST", "/user/", { json: ANN });
    await instance.request("DELETE", "/smtpserver/default");
    for (const username of ["ann", "bea"]) {
      const { response } = await register(instance, { ...ANN, username });
      expect([response.status, response.error?.code, response.error?.message]).toEqual([
        400,
        402,
        "ERR402: The mail with the code could not be sent; nothing was registered",
      ]);
    }
    expect(await instance.database.read.all("SELECT * FROM registration_pending")).toEqual([]);
  });

  test("uses the host's templates, escapes values, and never reads a value as a template", async () => {
    const text = "{{x}} {givenname} {code} {regkey} {url}";
    await using instance = await started({ subject: "For {givenname}", text, html: "<i>{givenname}</i>" });
    await register(instance, { ...ANN, givenname: "<b>{code}</b>" });
    const [mail] = await delivered(instance);
    expect(mail?.subject).toBe("For <b>{code}</b>");
    expect(mail?.text).toMatch(/^\{x\} <b>\{code\}<\/b> (\S{11}) \1 https:\/\/sealpost\.test\s*$/);
    expect(mail?.html).toContain("\n<i>&lt;b&gt;{code}&lt;/b&gt;</i>\n");
    await instance
      .request("POST", "/system/setConfig", { json: { "register.html": "{code}{oops}" } })
      .then(({ error }) => expect(error?.message).toContain("register.html"));
    await using plain = await started({ text });
    await register(plain);
    expect((await delivered(plain))[0]?.html).toBeUndefined();
  });
});

describe("a name that is taken", () => {
  test("gets the same response and rows; its owner is notified, and no code is sent", async () => {
    await using instance = await started();
    await instance.request("POST", "/user/", { json: { ...ANN, email: "owner@example.org" } });
    const free = await register(instance, { ...ANN, username: "bea", email: "bea@example.org" });
    const taken = await register(instance, { ...ANN, username: "Ann", email: "eve@example.org" });
    const shape = ({ body }: typeof free.response) => JSON.stringify(body).replaceAll(/[0-9a-f-]{36}/g, "");
    expect(shape(taken.response)).toBe(shape(free.response));
    expect(taken.response.status).toBe(200);
    const messages = await delivered(instance);
    expect(messages.map(({ recipient }) => recipient).toSorted()).toEqual([
      "bea@example.org",
      "owner@example.org",
    ]);
    const owners = messages.find(({ recipient }) => recipient === "owner@example.org");
    expect(owners?.subject).toBe("Your user name was used to register");
    expect(owners?.text).not.toMatch(/eve@|Lee/);
    const rows = await instance.database.read.all("SELECT * FROM registration_pending");
    expect(rows).toHaveLength(2);
    for (let index = 0; index < 6; index++) {
      const wrong = [await confirm(instance, free.id, "X"), await confirm(instance, taken.id, "X")];
      expect(wrong.map(({ status, value }) => [status, value])).toEqual([
        [200, false],
        [200, false],
      ]);
    }
  });

  test("is reported when hide_existing is off", async () => {
    await using instance = await started({ hideExisting: false });
    await instance.request("POST", "/user/", { json: ANN });
    const { response } = await register(instance);
    expect([response.status, response.error]).toEqual([
      400,
      { code: 402, message: "ERR402: This username is taken" },
    ]);
    expect(await delivered(instance)).toEqual([]);
  });

  test("sends nothing if its owner has no address or reached the limit, with the same response", async () => {
    await using instance = await started({}, { trustedClients: ["192.0.2.0/24"] });
    await instance.request("POST", "/user/", { json: { username: "ann" } });
    await instance.request("POST", "/user/", { json: { username: "bea", email: "bea@example.org" } });
    expect((await register(instance)).response.value).toBe(true);
    expect(await delivered(instance)).toEqual([]);
    for (let index = 0; index < 7; index++) {
      const given = { ...ANN, username: "bea", email: `eve${index}@example.org` };
      expect((await register(instance, given)).response.value).toBe(true);
    }
    expect(await delivered(instance)).toHaveLength(5);
  });

  test("takes as long as a free name", async () => {
    await using instance = await started(
      {},
      { trustedClients: ["192.0.2.0/24"], passwordCost: { ln: 8, r: 8, p: 1 } },
    );
    await instance.request("POST", "/user/", { json: { ...ANN, email: "owner@example.org" } });
    const pairs = 100;
    const times: { taken: boolean; ms: number }[] = [];
    for (let index = 0; index < pairs; index++) {
      for (const taken of index % 2 ? [true, false] : [false, true]) {
        const given = { ...ANN, username: taken ? "ann" : "bea", email: `eve${index}${taken}@example.org` };
        const startedMs = performance.now();
        await register(instance, given);
        times.push({ taken, ms: performance.now() - startedMs });
      }
    }
    const [yes, no] = [times.filter(({ taken }) => taken), times.filter(({ taken }) => !taken)];
    const wins = yes.flatMap((one) => no.map((two) => (one.ms > two.ms ? 1 : one.ms === two.ms ? 0.5 : 0)));
    const area = wins.reduce((sum: number, win) => sum + win, 0) / wins.length;
    console.info(`Area under the ROC curve of ${pairs} pairs: ${area.toFixed(3)}`);
    // For 100 pairs, two standard deviations are 0.08. A missing hash or write gives more than 0.9.
    expect(Math.abs(area - 0.5)).toBeLessThan(0.15);
  });
});

/** 10,000 guesses take about five seconds. */
const GUESSES_MS = 60_000;

describe("POST /register/confirm", () => {
  test("creates the user once, who can log in, and accepts the code in any spelling", async () => {
    await using instance = await started({ realm: "customers" });
    const { id } = await register(instance, { ...ANN, mobile: "+49 170 1" });
    const code = await lastCode(instance);
    const response = await confirm(instance, id, ` ${code.toLowerCase().replace("-", " ")} `);
    expect([response.value, response.detail]).toEqual([true, { username: "ann", realm: "customers" }]);
    const { value } = await instance.request("GET", "/user/");
    expect(value).toMatchObject([
      { username: "ann", realm: "customers", email: ANN.email, phone: "+49 170 1" },
    ]);
    expect((await confirm(instance, id, code)).value).toBe(false);
    const [row] = await instance.database.read.all("SELECT * FROM registration_pending");
    expect(row).toMatchObject({ email: "", surname: "", password_hash: "", code_mac: "" });
  });

  test("accepts exactly one of thirty concurrent requests with the right code", async () => {
    await using instance = await started();
    const { id } = await register(instance);
    const code = await lastCode(instance);
    const responses = await Promise.all(Array.from({ length: 30 }, () => confirm(instance, id, code)));
    expect(responses.filter(({ value }) => value === true)).toHaveLength(1);
    expect(responses.filter(({ value }) => value === false)).toHaveLength(29);
    expect(await usersOf(instance)).toEqual(["ann"]);
  });

  test(
    "checks five of 10,000 wrong codes, a hundred concurrently, and afterwards rejects even the right one",
    async () => {
      await using instance = await started({}, { trustedClients: ["192.0.2.0/24"] });
      const { id } = await register(instance);
      const code = await lastCode(instance);
      await Promise.all(Array.from({ length: 4 }, () => confirm(instance, id, "WRONG")));
      const other = await register(instance, { ...ANN, username: "bea" });
      const otherCode = await lastCode(instance);
      expect((await confirm(instance, id, code)).value).toBe(true);
      for (let batch = 0; batch < 100; batch++) {
        const guess = (_: unknown, index: number) => confirm(instance, other.id, `WRONG-${batch}-${index}`);
        await Promise.all(Array.from({ length: 100 }, guess));
      }
      expect((await confirm(instance, other.id, otherCode)).value).toBe(false);
      const tries = await instance.database.read.all(
        "SELECT username, tries FROM registration_pending ORDER BY 1",
      );
      expect(tries).toEqual([
        { username: "ann", tries: 4 },
        { username: "bea", tries: 5 },
      ]);
      expect(await usersOf(instance)).toEqual(["ann"]);
    },
    GUESSES_MS,
  );

  test("rejects a code that would be valid longer because the clock was set back", async () => {
    await using instance = await started();
    const { id } = await register(instance);
    const code = await lastCode(instance);
    instance.clock.advance(-7 * 86_400);
    expect((await confirm(instance, id, code)).value).toBe(false);
    instance.clock.advance(7 * 86_400);
    expect((await confirm(instance, id, code)).status).toBe(200);
    expect(await usersOf(instance)).toEqual(["ann"]);
  });

  test("accepts a code for a day, and only for its own registration", async () => {
    await using instance = await started();
    const one = await register(instance);
    const code = await lastCode(instance);
    const other = await register(instance, { ...ANN, username: "bea" });
    expect((await confirm(instance, other.id, code)).value).toBe(false);
    instance.clock.advance(86_400);
    expect((await confirm(instance, one.id, code)).value).toBe(false);
    instance.clock.advance(1);
    await instance.services.prune();
    expect(await instance.database.read.all("SELECT * FROM registration_pending")).toEqual([]);
    expect(await usersOf(instance)).toEqual([]);
  });
});

describe("limits", () => {
  const ask = async (instance: TestInstance, client: number, index: number, email = "ann@example.org") => {
    const given = { ...ANN, username: `ann${client}x${index}`, email };
    return (await register(instance, given, { peer: `192.0.2.${client}` })).response.status;
  };
  const times = (count: number) => Array.from({ length: count }, (_, index) => index);

  test("a client uses three messages an hour of an address, in any letter case, and others keep theirs", async () => {
    await using instance = await started();
    const statuses = await Promise.all(
      times(9).map((index) => ask(instance, 1, index, index % 2 ? "ann@example.org" : "Ann@EXAMPLE.org")),
    );
    expect(statuses.toSorted()).toEqual([200, 200, 200, 429, 429, 429, 429, 429, 429]);
    for (const index of times(10)) expect(await ask(instance, 1, 20 + index)).toBe(429);
    expect(await ask(instance, 2, 0)).toBe(200);
    expect(await delivered(instance)).toHaveLength(4);
    instance.clock.advance(3_600);
    expect(await ask(instance, 1, 0)).toBe(200);
  });

  test("an address gets 25 messages an hour, no matter from which clients", async () => {
    await using instance = await started();
    const statuses = await Promise.all(times(30).map((index) => ask(instance, 1 + (index % 15), index)));
    expect(statuses.filter((status) => status === 429)).toHaveLength(5);
    expect(await delivered(instance)).toHaveLength(25);
    expect(await ask(instance, 99, 0)).toBe(429);
  });

  test("a client uses three messages an hour of the owner of a name, with the same response", async () => {
    await using instance = await started();
    await instance.request("POST", "/user/", { json: { ...ANN, email: "owner@example.org" } });
    const askFor = (client: number, index: number) =>
      register(
        instance,
        { ...ANN, email: `eve${client}x${index}@example.org` },
        { peer: `192.0.2.${client}` },
      );
    for (const index of times(6)) expect((await askFor(1, index)).response.value).toBe(true);
    expect(await delivered(instance)).toHaveLength(3);
    expect((await askFor(2, 0)).response.value).toBe(true);
    expect(await delivered(instance)).toHaveLength(4);
  });

  test("a client registers twenty times and confirms sixty times an hour; a trusted client has no limit", async () => {
    for (const trustedClients of [[], ["192.0.2.10"]]) {
      await using instance = await started({}, { trustedClients });
      const registered = await Promise.all(
        Array.from({ length: 25 }, (_, index) =>
          register(instance, { ...ANN, email: `ann${index}@example.org` }),
        ),
      );
      const rejected = registered.filter(({ response }) => response.status === 429);
      expect(rejected).toHaveLength(trustedClients.length ? 0 : 5);
      const confirmed = await Promise.all(Array.from({ length: 65 }, () => confirm(instance, "x", "y")));
      expect(confirmed.filter(({ status }) => status === 429)).toHaveLength(trustedClients.length ? 0 : 5);
    }
  });
});

test.skipIf(!isInstalled("openssl"))(
  "a signing definition signs the message, and its code works",
  async () => {
    await using instance = await started();
    const { key, certificate, intermediate, root } = await sender("p256");
    const chain = certificate + intermediate.certificate;
    await saveDefinition(instance, { sender: SENDER, private_key: key, certificate: chain, smime: true });
    const { id } = await register(instance);
    const code = await lastCode(instance);
    const verified = await opensslVerify(instance.sent[0]?.bytes ?? new Uint8Array(), root);
    expect([verified.code, verified.stderr]).toEqual([0, expect.stringContaining("successful")]);
    expect((await confirm(instance, id, code)).value).toBe(true);
  },
);
