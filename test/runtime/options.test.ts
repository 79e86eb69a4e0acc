import { expect, test } from "bun:test";
import { openDrivers } from "sealpost/bun";
import { createDrivers } from "sealpost/workers";
import { parseConfig } from "../../src/config.ts";
import { settingsOf } from "../../src/runtime/options.ts";

const KEYS = `first:${new Uint8Array(32).fill(7).toBase64()}`;
const SERVER = "https://db.example.org";

test("settingsOf() omits absent options", () => {
  expect(settingsOf({ databaseUrl: ":memory:", keys: undefined })).toEqual({
    SEALPOST_DATABASE_URL: ":memory:",
  });
});

test("settingsOf() maps every option to an existing setting", () => {
  const settings = settingsOf({
    databaseUrl: ":memory:",
    databaseToken: "token",
    keys: KEYS,
    ehloName: "app.example.org",
    egress: "public",
    egressPorts: [25, 587],
    tlsCa: "ca.pem",
    wake: "bullmq",
    redisUrl: "redis://redis.example.org",
  });
  const read = { egress: "public", egressPorts: [25, 587], tlsCa: "ca.pem", wake: "bullmq" } as const;
  expect(parseConfig(settings)).toMatchObject(read);
  expect(Object.keys(settings)).toHaveLength(9);
});

test("the drivers of every runtime have their egress policy, for warnings", async () => {
  const options = { egress: "public", egressPorts: [587], keys: KEYS } as const;
  await using opened = new AsyncDisposableStack();
  const { database, ...local } = await openDrivers({ ...options, databaseUrl: ":memory:" });
  opened.use(database);
  for (const { egress } of [local, createDrivers({ ...options, databaseUrl: SERVER })])
    expect(egress).toEqual({ egress: "public", ports: [587] });
});

test("openDrivers() names an invalid option by its setting", async () => {
  const wrong = openDrivers({ databaseUrl: "mysql://db.example.org" });
  await expect(wrong).rejects.toMatchObject({ code: "bad_setting", parameter: "SEALPOST_DATABASE_URL" });
});

test("openDrivers() reports that a database server does not respond", async () => {
  // No server listens there.
  const wrong = openDrivers({ databaseUrl: "http://127.0.0.1:1" });
  await expect(wrong).rejects.toMatchObject({ code: "database_unavailable" });
});

test("openDrivers() returns the EHLO name as host name", async () => {
  const named = await openDrivers({ databaseUrl: ":memory:", ehloName: "app.example.org" });
  await using _ = named.database;
  expect(named.hostName).toBe("app.example.org");
  const international = await openDrivers({ databaseUrl: ":memory:", ehloName: "app.bücher.example" });
  await using __ = international.database;
  expect(international.hostName).toBe("app.xn--bcher-kva.example");
});

test.each([
  [{ keys: KEYS }, "SEALPOST_DATABASE_URL"],
  [{ databaseUrl: "file:data/sealpost.db", keys: KEYS }, "SEALPOST_DATABASE_URL"],
  [{ databaseUrl: SERVER }, "SEALPOST_KEYS"],
  [{ databaseUrl: SERVER, keys: "first" }, "SEALPOST_KEYS"],
])("createDrivers() of Workers rejects %p", (options, parameter) => {
  let thrown: unknown;
  try {
    createDrivers(options);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toMatchObject({ code: "bad_setting", parameter });
});

test("createDrivers() of Workers does no I/O", () => {
  const { keyring, hostName } = createDrivers({ databaseUrl: SERVER, keys: KEYS });
  expect([keyring.ids, hostName]).toEqual([["first"], "localhost"]);
});
