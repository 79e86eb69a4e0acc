import { describe, expect, test } from "bun:test";
import { registration } from "sealpost/plugins/registration";
import type { TestInstance } from "../../fixtures/instance.ts";
import { ANN, confirm, delivered, lastCode, register, started, usersOf } from "./setup.ts";

const TRUSTED = { trustedClients: ["192.0.2.0/24"] };

async function registerAs(instance: TestInstance, username: string) {
  const { response } = await register(instance, {
    ...ANN,
    username,
    email: `${crypto.randomUUID()}@example.net`,
  });
  const { status, error, value, detail } = response;
  return { status, code: error?.code, value, fields: Object.keys(detail ?? {}) };
}

describe("a name that counts as taken", () => {
  const free = { status: 200, code: undefined, value: true, fields: ["transaction_id", "valid_until"] };
  for (const [what, name] of [
    ["the name of an admin", "admin"],
    ["the name of an admin in another letter case", "ADMIN"],
    ["the name of an admin by look-alikes", "ɑdmin"],
    ["a name of operators", "Postmaster"],
    ["a name of operators by look-alikes", "r00t"],
    ["a name that mixes scripts", "аdа1m"],
    ["a name in another script", "борис"],
    ["digits of another script", "ann٣"],
    ["a look-alike of a user", "ɑnn"],
    ["a capital letter that looks like a small one", "PauI"],
    ["digits that look like letters", "pau1"],
    ["two letters that look like one", "rnary"],
    ["a capital sharp s", "STRAẞE"],
  ] as const) {
    test(`${what} gets the response of a free one and no code: ${name}`, async () => {
      await using instance = await started({}, TRUSTED);
      for (const username of ["ann", "paul", "mary", "straße"])
        await instance.request("POST", "/user/", { json: { username } });
      expect(await registerAs(instance, name)).toEqual(free);
      expect(await delivered(instance)).toEqual([]);
      expect(await registerAs(instance, "bea")).toEqual(free);
      expect(await delivered(instance)).toHaveLength(1);
      const rows = await instance.database.read.all<{ info: string }>(
        "SELECT info FROM audit WHERE action = 'POST /register' ORDER BY rowid",
      );
      expect(rows.map(({ info }) => info)).toEqual(["name_taken", ""]);
    });
  }

  test("is reported when hide_existing is off, each for the same reason", async () => {
    await using instance = await started({ hideExisting: false }, TRUSTED);
    for (const name of ["admin", "root", "борис", "аdа1m"])
      expect(await registerAs(instance, name)).toMatchObject({ status: 400, code: 402 });
  });
});

test("each name of RFC 2142 counts as taken", async () => {
  await using instance = await started({ hideExisting: false }, TRUSTED);
  const names = [
    "info",
    "marketing",
    "sales",
    "support",
    "abuse",
    "noc",
    "security",
    "postmaster",
    "hostmaster",
  ];
  for (const name of [...names, "usenet", "news", "webmaster", "www", "uucp", "ftp"])
    expect([name, (await registerAs(instance, name)).code]).toEqual([name, 402]);
  expect((await registerAs(instance, "informatics")).status).toBe(200);
});

describe("register.scripts", () => {
  test("allows names in each of its scripts, except look-alikes of users and mixed names", async () => {
    await using instance = await started(
      { hideExisting: false, scripts: "Latin, Cyrillic, Han, Hiragana" },
      TRUSTED,
    );
    await instance.request("POST", "/user/", { json: { username: "coco" } });
    const codes = async (...names: string[]) => {
      const all = [];
      for (const name of names) all.push((await registerAs(instance, name)).status);
      return all;
    };
    expect(await codes("борис", "ann", "山田さん")).toEqual([200, 200, 200]);
    expect(await codes("сосо", "борисx", "γεια")).toEqual([400, 400, 400]);
    const set = (value: string) =>
      instance.request("POST", "/system/setConfig", { json: { "register.scripts": value } });
    expect((await set("Greek")).status).toBe(200);
    expect(await codes("γεια", "борис")).toEqual([200, 400]);
    for (const value of ["Klingon", "Common", "Latin, x"]) {
      expect((await set(value)).error).toMatchObject({
        code: 905,
        message: expect.stringContaining("register.scripts"),
      });
    }
    expect(registration({ scripts: "Klingon" }).validate().problems).toHaveLength(1);
  });
});

test("of two registrations that look alike, the first to confirm gets the name", async () => {
  await using instance = await started({}, TRUSTED);
  const one = await register(instance, { ...ANN, username: "ann" });
  const code = await lastCode(instance);
  const other = await register(instance, { ...ANN, username: "ɑnn", email: "eve@example.org" });
  const otherCode = await lastCode(instance);
  expect((await confirm(instance, other.id, otherCode)).value).toBe(true);
  const { status, error } = await confirm(instance, one.id, code);
  expect([status, error?.code]).toEqual([400, 402]);
  expect(await usersOf(instance)).toEqual(["ɑnn"]);
});

test("a user that an earlier version has stored is recognized as well", async () => {
  await using instance = await started({ hideExisting: false }, TRUSTED);
  for (const username of ["ann", "paul"]) await instance.request("POST", "/user/", { json: { username } });
  await instance.database.commit([instance.database.write.run("UPDATE directory_user SET look_alike = ''")]);
  expect((await registerAs(instance, "ɑnn")).status).toBe(400);
  const rows = await instance.database.read.all("SELECT look_alike FROM directory_user ORDER BY username");
  expect(rows).toEqual([{ look_alike: "ann" }, { look_alike: "paul" }]);
});

test("an admin can still create a user whose name looks like another", async () => {
  await using instance = await started();
  for (const username of ["ann", "ɑnn", "root"])
    expect((await instance.request("POST", "/user/", { json: { username } })).status).toBe(200);
});
