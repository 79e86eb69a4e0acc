import { describe, expect, test } from "bun:test";
import PostalMime from "postal-mime";
import { directory } from "sealpost/plugins/directory";
import { emailToken } from "sealpost/plugins/email-token";
import { createInstanceSecrets } from "../../src/access/instance-secrets.ts";
import type { Database } from "../../src/contracts/database.ts";
import { Secret } from "../../src/domain/secret.ts";
import { SealpostError } from "../../src/errors.ts";
import { PLATFORM } from "../../src/runtime/platform.ts";
import { parseKeyring } from "../../src/secrets/keyring.ts";
import { createAuditRepository } from "../../src/storage/audit-log.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { MIGRATIONS } from "../../src/storage/migrations/index.ts";
import { openDatabase } from "../../src/storage/open-database.ts";
import { createSealedRepository } from "../../src/storage/sealed-values.ts";
import {
  ADMIN,
  KEYS,
  realRandomBytes,
  type TestInstance,
  type TestInstanceOptions,
  testInstance,
} from "../fixtures/instance.ts";
import { ANN, codeIn, SERVER as MAIL_SERVER, PIN } from "../plugins/email-token/support.ts";
import { temporaryFile } from "../storage/fixtures/database.ts";

const key = (id: string, fill: number) => `${id}:${new Uint8Array(32).fill(fill).toBase64()}`;
const SECOND = key("second", 8);
const ACTOR = {
  action: "cli keys rotate",
  administrator: "root",
  realm: "",
  client: "",
  policies: "",
  requestId: "",
};
const SERVER = { server: "mail.example.org", username: "u" };

const save = (instance: TestInstance, identifier: string, json: object) =>
  instance.request("POST", `/smtpserver/${identifier}`, { json: { ...SERVER, ...json } });
const run = (instance: TestInstance, ...statements: string[]) =>
  instance.database.commit(statements.map((statement) => instance.database.write.run(statement)));
const passwordOf = async (instance: TestInstance, identifier: string) =>
  ((await instance.request("GET", `/smtpserver/${identifier}`)).value as { password: string }).password;

async function refusal(promise: Promise<unknown>): Promise<SealpostError | null> {
  try {
    await promise;
    return null;
  } catch (error) {
    if (error instanceof SealpostError) return error;
    throw error;
  }
}

/** Starts instances one after another on the same database file. */
function restartable() {
  const file = temporaryFile();
  const start = (keys: string, options: TestInstanceOptions = {}) => {
    const database = openDatabase({ url: file.url, randomBytes: realRandomBytes });
    return testInstance({ ...options, database, keys }).catch(async (error) => {
      await database[Symbol.asyncDispose]();
      throw error;
    });
  };
  return { start, url: file.url, [Symbol.dispose]: () => file[Symbol.dispose]() };
}

describe("a sealed password", () => {
  test("cannot be decrypted in another row, and the list still works", async () => {
    await using instance = await testInstance();
    await save(instance, "a", { password: "hunter2" });
    await save(instance, "b", { password: "other" });
    await run(
      instance,
      "UPDATE smtp_server SET password = (SELECT password FROM smtp_server WHERE identifier = 'a') WHERE identifier = 'b'",
    );
    const { status, value, detail, text } = await instance.request("GET", "/smtpserver/");
    expect(status).toBe(200);
    expect(value).toMatchObject({ a: { password: "hunter2" }, b: { password: "__CENSORED__" } });
    expect(detail).toEqual({
      warnings: [expect.stringContaining("b")],
      notices: [{ code: "password_unreadable", parameter: "password" }],
    });
    expect(text.match(/hunter2/g)).toHaveLength(1);
    expect((await instance.request("GET", "/smtpserver/b")).detail).toMatchObject({
      warnings: [expect.any(String)],
    });
    expect(await save(instance, "b", { password: "again" })).toMatchObject({ status: 200 });
    expect(await passwordOf(instance, "b")).toBe("again");
  });

  test("cannot be decrypted in another column of its row", async () => {
    await using instance = await testInstance();
    await save(instance, "a", { password: "hunter2" });
    await run(instance, "UPDATE smtp_server SET private_key_password = password");
    expect((await instance.request("GET", "/smtpserver/a")).value).toMatchObject({
      private_key_password: "__CENSORED__",
    });
    const stored = await instance.services.servers.load("a");
    expect(stored?.password.reveal()).toBe("hunter2");
  });

  test("that cannot be decrypted is required again where it is used", async () => {
    await using instance = await testInstance();
    await save(instance, "a", { password: "hunter2", private_key_password: "passphrase" });
    await run(
      instance,
      "UPDATE smtp_server SET password = 'v1.first.AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA', private_key_password = password, version = 2",
    );
    const json = {
      ...SERVER,
      identifier: "a",
      recipient: "a@example.org",
      sender: "b@example.org",
      password: "__CENSORED__",
    };
    const test = await instance.request("POST", "/smtpserver/send_test_email", { json });
    expect([test.status, test.error?.code]).toEqual([400, 905]);
    expect(test.error?.message).toStartWith("ERR905: Invalid parameter: password: ");
    const kept = await save(instance, "a", {});
    expect([kept.status, kept.error?.code]).toEqual([400, 905]);
    expect(kept.error?.message).toStartWith("ERR905: Invalid parameter: private_key_password: ");
    expect((await save(instance, "a", { private_key_password: "", password: "new" })).status).toBe(200);
  });
});

describe("rekey()", () => {
  test("re-encrypts everything with the first key, so the old one can be removed", async () => {
    using files = restartable();
    {
      await using instance = await files.start(KEYS);
      await save(instance, "a", { password: "hunter2", private_key_password: "passphrase" });
    }
    {
      await using instance = await files.start(`${SECOND},${KEYS}`);
      expect(await passwordOf(instance, "a")).toBe("hunter2");
      await save(instance, "b", { password: "other" });
      // The check value, the token secret, a password and a passphrase; and the new password.
      expect(await instance.services.rekey()).toEqual({ resealed: 4, current: 1 });
      expect(await instance.services.rekey()).toEqual({ resealed: 0, current: 5 });
      expect(await passwordOf(instance, "a")).toBe("hunter2");
    }
    await using instance = await files.start(SECOND);
    expect([await passwordOf(instance, "a"), await passwordOf(instance, "b")]).toEqual(["hunter2", "other"]);
  });

  test("keeps tokens valid", async () => {
    using files = restartable();
    let token = "";
    {
      await using instance = await files.start(KEYS);
      token = instance.token;
    }
    await using instance = await files.start(`${SECOND},${KEYS}`);
    await instance.services.rekey();
    expect((await instance.request("GET", "/smtpserver/", { token })).status).toBe(200);
  });

  test("fails for a value that no key decrypts, and changes none", async () => {
    await using instance = await testInstance({ keys: `${SECOND},${KEYS}` });
    await save(instance, "a", { password: "hunter2" });
    await run(
      instance,
      "UPDATE smtp_server SET password = 'v1.first.AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA'",
    );
    expect((await refusal(instance.services.rekey()))?.code).toBe("unsealable");
  });
});

describe("renewTokens()", () => {
  const plugins = [directory(), emailToken()];
  const challenge = async (instance: TestInstance) => {
    const { detail } = await instance.request("POST", "/validate/check", {
      json: { user: "ann", pass: PIN },
    });
    const message = await PostalMime.parse(instance.sent.at(-1)?.bytes ?? "");
    return { user: "ann", transaction_id: detail?.transaction_id, pass: codeIn(message) };
  };
  const accepts = async (instance: TestInstance, json: object) =>
    (await instance.request("POST", "/validate/check", { json })).value;

  test("voids tokens and codes in every later start, and keeps PINs and passwords", async () => {
    using files = restartable();
    let [token, json] = ["", {}];
    for (const isRenewed of [false, true]) {
      await using instance = await files.start(KEYS, { plugins });
      if (!isRenewed) {
        await instance.request("POST", "/smtpserver/default", { json: MAIL_SERVER });
        await instance.request("POST", "/user/", { json: ANN });
        await instance.request("POST", "/token/init", {
          json: { type: "email", user: "ann", dynamic_email: true, pin: PIN },
        });
      } else {
        expect((await instance.request("GET", "/smtpserver/", { token })).status).toBe(200);
        expect(await accepts(instance, json)).toBe(true);
      }
      token = instance.token;
      json = await challenge(instance);
      if (isRenewed) await instance.services.renewTokens(ACTOR);
    }
    await using instance = await files.start(KEYS, { plugins });
    const { status, error } = await instance.request("GET", "/smtpserver/", { token });
    expect([status, error?.code]).toEqual([401, 4304]);
    expect(await accepts(instance, json)).toBe(false);
    // Until the token may get another code.
    instance.clock.advance(60);
    expect(await accepts(instance, await challenge(instance))).toBe(true);
    const rows = await instance.database.read.all("SELECT action, fields FROM audit WHERE fields = 'tokens'");
    expect(rows).toEqual([{ action: ACTOR.action, fields: "tokens" }]);
  });

  test("voids them in the process that does it once it reloads its secrets, and issues others that last", async () => {
    using files = restartable();
    let [token, json] = ["", {}];
    {
      await using instance = await files.start(KEYS, { plugins });
      await instance.request("POST", "/smtpserver/default", { json: MAIL_SERVER });
      await instance.request("POST", "/user/", { json: ANN });
      await instance.request("POST", "/token/init", {
        json: { type: "email", user: "ann", dynamic_email: true, pin: PIN },
      });
      json = await challenge(instance);
      await instance.services.renewTokens(ACTOR);
      await instance.services.reloadSecrets();
      expect((await instance.request("GET", "/smtpserver/")).status).toBe(401);
      expect(await accepts(instance, json)).toBe(false);
      token = await instance.logIn(ADMIN.username, ADMIN.password);
      instance.clock.advance(60);
      json = await challenge(instance);
    }
    await using instance = await files.start(KEYS, { plugins });
    expect((await instance.request("GET", "/smtpserver/", { token })).status).toBe(200);
    expect(await accepts(instance, json)).toBe(true);
  });

  test("keeps the keyed hashes that are stored, such as the names of refresh tokens", async () => {
    using files = restartable();
    const hashes: string[] = [];
    for (let start = 0; start < 3; start++) {
      const database = openDatabase({ url: files.url, randomBytes: realRandomBytes });
      await using instance = await testInstance({ database });
      const { platform, keyring } = instance;
      const deps = { database, platform, keyring, audit: createAuditRepository(database) };
      const secrets = createInstanceSecrets({ ...deps, sealed: createSealedRepository(database) });
      const [keyIds, rows] = await database.read.batch([...secrets.selects()]);
      await secrets.start([keyIds, rows]);
      hashes.push(await secrets.mac("text"));
      await secrets.renewTokens(ACTOR);
    }
    expect(new Set(hashes).size).toBe(1);
  });
});

describe("two databases with one keyring", () => {
  const keyring = parseKeyring(KEYS);
  const open = () => openDatabase({ url: ":memory:", randomBytes: realRandomBytes });
  const start = async (database: Database) => {
    await migrate(database, MIGRATIONS, PLATFORM);
    const deps = { database, platform: PLATFORM, keyring, audit: createAuditRepository(database) };
    const secrets = createInstanceSecrets({ ...deps, sealed: createSealedRepository(database) });
    const [keyIds, rows] = await database.read.batch([...secrets.selects()]);
    await secrets.start([keyIds, rows]);
    return secrets;
  };

  test("have secrets of their own, also at later starts", async () => {
    await using one = open();
    await using other = open();
    const hashes: string[] = [];
    for (const database of [one, other, one, other]) hashes.push(await (await start(database)).mac("text"));
    expect(hashes.slice(0, 2)).toEqual(hashes.slice(2));
    expect(new Set(hashes).size).toBe(2);
  });

  test("notice a value that was damaged after it had been decrypted", async () => {
    await using database = open();
    const { checkKeys } = await start(database);
    await checkKeys();
    const damage = "UPDATE instance SET value = value || 'x' WHERE name = 'key_check'";
    await database.commit([database.write.run(damage)]);
    await expect(checkKeys()).rejects.toThrow(SealpostError);
    await expect(start(database)).rejects.toThrow("SEALPOST_KEYS: ");
  });
});

describe("a password", () => {
  test("of an admin gets a random generation, so that no copy of the database can tell the next one", async () => {
    await using one = await testInstance();
    await using two = await testInstance();
    const generations: number[] = [];
    for (const { services } of [one, two, one]) {
      await services.admins.save(ADMIN, { password: new Secret("another good password") }, ACTOR);
      for (const { generation } of await services.admins.list()) generations.push(generation);
    }
    expect(new Set(generations).size).toBe(3);
    expect(Math.min(...generations)).toBeGreaterThan(1_000);
  });
});

describe("start()", () => {
  test.each<[name: string, keys: string, message: RegExp]>([
    ["another key", SECOND, /^SEALPOST_KEYS: .*"first"/],
    ["another key with the same ID", key("first", 9), /^SEALPOST_KEYS: /],
  ])("rejects %s in one line that names the setting, never the key", async (_, keys, message) => {
    using files = restartable();
    {
      await using instance = await files.start(KEYS);
      await save(instance, "a", { password: "hunter2" });
    }
    const error = await refusal(files.start(keys));
    expect(error?.code).toBe("bad_setting");
    expect(error?.message).toMatch(message);
    expect(error?.message).not.toContain("\n");
    expect(error?.message).not.toContain(keys.split(":")[1] ?? "");
  });

  test("can run concurrently in several processes on a new database", async () => {
    using files = restartable();
    const instances = await Promise.all([1, 2, 3].map(() => files.start(KEYS)));
    const [first, second, third] = instances;
    expect((await second?.request("GET", "/smtpserver/", { token: first?.token ?? "" }))?.status).toBe(200);
    expect(await third?.services.admins.list()).toHaveLength(1);
    for (const instance of instances) await instance[Symbol.asyncDispose]();
  });
});

describe("GET /readyz", () => {
  test("is 200, and 503 once the keys do not fit the database", async () => {
    await using instance = await testInstance();
    expect((await instance.request("GET", "/readyz", { token: null })).value).toBe("ready");
    expect((await instance.request("GET", "/healthz", { token: null })).value).toBe("alive");
    await run(
      instance,
      "UPDATE instance SET value = replace(value, 'v1.first.', 'v1.lost.') WHERE name = 'key_check'",
    );
    const { status, error, headers, text } = await instance.request("GET", "/readyz", { token: null });
    expect([status, error?.code, headers.get("retry-after")]).toEqual([503, 902, "30"]);
    expect(text).not.toContain("lost");
    expect((await instance.request("GET", "/healthz", { token: null })).status).toBe(200);
  });
});
