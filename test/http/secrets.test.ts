import { describe, expect, test } from "bun:test";
import { type TestInstance, type TestInstanceOptions, testInstance } from "../fixtures/instance.ts";
import { privateKey } from "../fixtures/smime/keys.ts";

const CENSORED = "__CENSORED__";
const SERVER = { server: "mail.example.org", port: 587, username: "user", tls: true };

const save = (instance: TestInstance, json: object) => instance.request("POST", "/smtpserver/a", { json });
const shown = async (instance: TestInstance) =>
  (await instance.request("GET", "/smtpserver/a")).value as Record<string, unknown>;

async function withPassword(options: TestInstanceOptions = {}, change: object = {}): Promise<TestInstance> {
  const instance = await testInstance(options);
  await save(instance, { ...SERVER, password: "hunter2", ...change });
  return instance;
}

describe("a stored password", () => {
  test.each<[name: string, change: object, then: string]>([
    ["absent", {}, "hunter2"],
    ["null", { password: null }, "hunter2"],
    ["__CENSORED__", { password: CENSORED }, "hunter2"],
    ["an empty text", { password: "" }, ""],
    ["another", { password: "swordfish" }, "swordfish"],
  ])("and %s", async (_, change, then) => {
    await using instance = await withPassword();
    expect((await save(instance, { ...SERVER, ...change, description: "changed" })).status).toBe(200);
    expect(await shown(instance)).toMatchObject({ password: then, description: "changed" });
  });

  test.each<[name: string, stored: object, next: object, kept: boolean]>([
    ["nothing changed", {}, {}, true],
    ["the case of the host", {}, { server: "MAIL.example.ORG" }, true],
    ["a final dot", {}, { server: "mail.example.org." }, true],
    ["the port inside the server", {}, { server: "mail.example.org:587", port: 1 }, true],
    ["a scheme", {}, { server: "smtp://mail.example.org" }, true],
    ["fields that do not matter", {}, { sender: "x@example.org", timeout: 3, enqueue_job: true }, true],
    ["another host", {}, { server: "evil.example.net" }, false],
    ["a host below", {}, { server: "x.mail.example.org" }, false],
    ["another port", {}, { port: 588 }, false],
    ["another port inside the server", {}, { server: "mail.example.org:588" }, false],
    ["another user", {}, { username: "other" }, false],
    ["another case of the user", {}, { username: "USER" }, false],
    ["no user", {}, { username: "" }, false],
    ["no TLS any more", {}, { tls: false }, false],
    ["TLS from now on", { tls: false }, { tls: true }, true],
    ["STARTTLS instead of implicit TLS", { server: "smtps://mail.example.org:587" }, {}, true],
    ["implicit TLS instead of STARTTLS", {}, { server: "smtps://mail.example.org:587" }, true],
    ["implicit TLS on its own port", {}, { server: "smtps://mail.example.org" }, false],
    ["clear text instead of implicit TLS", { server: "smtps://mail.example.org:587" }, { tls: false }, false],
    ["another way to write the address", { server: "[::1]" }, { server: "[0:0:0:0:0:0:0:1]" }, true],
  ])("is kept or required again with %s", async (_, stored, next, kept) => {
    await using instance = await withPassword({}, stored);
    for (const password of [undefined, CENSORED]) {
      const { status, error } = await save(instance, { ...SERVER, ...next, password });
      expect([status, error?.code]).toEqual(kept ? [200, undefined] : [400, 905]);
      if (!kept) expect(error?.message).toStartWith("ERR905: Invalid parameter: password: ");
    }
    expect((await save(instance, { ...SERVER, ...next, password: "again" })).status).toBe(200);
    expect(await shown(instance)).toMatchObject({ password: "again" });
  });

  test("that is cleared is not required again", async () => {
    await using instance = await withPassword();
    expect((await save(instance, { server: "other.example.org", password: "" })).status).toBe(200);
    expect((await save(instance, { server: "another.example.org" })).status).toBe(200);
  });

  test.each(["password", "private_key", "private_key_password"])(
    "__CENSORED__ for %s with none stored is 905",
    async (name) => {
      await using instance = await testInstance();
      for (let round = 0; round < 2; round++) {
        const { status, error } = await save(instance, { ...SERVER, [name]: CENSORED });
        expect([status, error?.code]).toEqual([400, 905]);
        expect(error?.message).toStartWith(`ERR905: Invalid parameter: ${name}: `);
        await save(instance, { ...SERVER, password: "" });
      }
    },
  );

  test("is kept when a client sends back the value of GET, revealed or censored", async () => {
    for (const revealSecrets of [true, false]) {
      await using instance = await withPassword({ revealSecrets });
      expect((await save(instance, await shown(instance))).status).toBe(200);
      expect((await instance.services.servers.load("a"))?.password.reveal()).toBe("hunter2");
    }
  });
});

describe("GET", () => {
  test.each<[name: string, revealSecrets: boolean, query: string, set: string]>([
    ["reveals", true, "", "hunter2"],
    ["reveals", true, "?censor=0", "hunter2"],
    ["censors one call", true, "?censor=1", CENSORED],
    ["censors one call", true, "?censor=True", CENSORED],
    ["censors", false, "", CENSORED],
    ["cannot be made to reveal", false, "?censor=0", CENSORED],
  ])("%s, with reveal %p and %p", async (_, revealSecrets, query, set) => {
    await using instance = await withPassword({ revealSecrets });
    await instance.request("POST", "/smtpserver/b", { json: { server: "b" } });
    const { value } = await instance.request("GET", `/smtpserver/${query}`);
    expect(value).toMatchObject({ a: { password: set }, b: { password: "" } });
    const one = await instance.request("GET", `/smtpserver/a${query}`);
    expect(one.value).toMatchObject({ password: set });
  });

  test("never shows key or passphrase", async () => {
    await using instance = await testInstance();
    const key = await privateKey("p256");
    await save(instance, { ...SERVER, private_key: key, private_key_password: "passphrase" });
    const { text, value } = await instance.request("GET", "/smtpserver/a");
    expect(value).toMatchObject({ private_key: CENSORED, private_key_password: CENSORED });
    expect(text).not.toContain("PRIVATE KEY");
    expect(text).not.toContain("passphrase");
  });
});

describe("a stored key", () => {
  const SIGNING = async () => ({
    ...SERVER,
    private_key: await privateKey("p256"),
    private_key_password: "first",
  });
  const stored = async (instance: TestInstance) => {
    const server = (await instance.database.read.get("SELECT * FROM smtp_server")) as Record<string, unknown>;
    return { key: server.private_key !== "", passphrase: server.private_key_password !== "" };
  };

  test("is kept with its passphrase when both are absent, null or __CENSORED__", async () => {
    await using instance = await testInstance();
    await save(instance, await SIGNING());
    for (const value of [undefined, null, CENSORED]) {
      await save(instance, { ...SERVER, private_key: value, private_key_password: value });
      expect(await stored(instance)).toEqual({ key: true, passphrase: true });
    }
  });

  test("is cleared by an empty string, together with its passphrase", async () => {
    await using instance = await testInstance();
    await save(instance, await SIGNING());
    await save(instance, { ...SERVER, private_key: "" });
    expect(await stored(instance)).toEqual({ key: false, passphrase: false });
  });

  test("that is replaced loses its passphrase, even when __CENSORED__ is sent for it", async () => {
    for (const change of [{}, { private_key_password: CENSORED }]) {
      await using instance = await testInstance();
      await save(instance, await SIGNING());
      const response = await save(instance, {
        ...SERVER,
        private_key: await privateKey("p256", "second"),
        ...change,
      });
      expect(response.status).toBe(200);
      expect(await stored(instance)).toEqual({ key: true, passphrase: false });
    }
  });

  test("keeps its certificate when that is absent, but a new key does not", async () => {
    const { sender } = await import("../fixtures/smime/authority.ts");
    const { key, certificate } = await sender("p256");
    await using instance = await testInstance();
    await save(instance, { ...SERVER, private_key: key, certificate });
    await save(instance, SERVER);
    expect(await shown(instance)).toMatchObject({ private_key: CENSORED, certificate });
    await save(instance, { ...SERVER, private_key: await privateKey("p256", "second") });
    expect(await shown(instance)).toMatchObject({ certificate: "" });
    await save(instance, { ...SERVER, private_key: key, certificate });
    await save(instance, { ...SERVER, certificate: "" });
    expect(await shown(instance)).toMatchObject({ private_key: CENSORED, certificate: "" });
  });
});
