import { describe, expect, test } from "bun:test";
import { definePlugin, type SealpostEvent } from "sealpost/plugin";
import * as v from "valibot";
import { ADMIN, type TestInstance, testInstance } from "../fixtures/instance.ts";
import type { RequestOptions } from "../fixtures/request.ts";

const PASSWORD = "of the second admin";
const ANNA = { username: "anna", password: PASSWORD };

const save = ({ request }: TestInstance, json: object, path = "/admin/") => request("POST", path, { json });
const logIn = ({ request }: TestInstance, json: object) => request("POST", "/auth", { json, token: null });
const list = async ({ request }: TestInstance) => (await request("GET", "/admin/")).value;
const remove = ({ request }: TestInstance, path: string, options: RequestOptions = {}) =>
  request("DELETE", `/admin/${path}`, options);
const statusWith = async ({ request }: TestInstance, token: string) =>
  (await request("GET", "/smtpserver/", { token })).status;

describe("POST /admin/", () => {
  test("creates an admin, who logs in, and GET lists admins without their hashes", async () => {
    await using instance = await testInstance();
    expect((await save(instance, ANNA)).value).toBe(true);
    expect((await save(instance, { ...ANNA, realm: "staff", enabled: false })).value).toBe(true);
    expect((await logIn(instance, ANNA)).value).toMatchObject({ username: "anna", realm: "" });
    expect((await logIn(instance, { ...ANNA, username: "anna@staff" })).status).toBe(401);
    expect(await list(instance)).toEqual([
      { username: ADMIN.username, realm: "", enabled: true },
      { username: "anna", realm: "", enabled: true },
      { username: "anna", realm: "staff", enabled: false },
    ]);
  });

  test("changes what is given: the new password is the only one, and earlier tokens are void", async () => {
    await using instance = await testInstance();
    await save(instance, ANNA);
    const token = await instance.logIn("anna", PASSWORD);
    expect(await statusWith(instance, token)).toBe(200);
    expect((await save(instance, { enabled: true }, "/admin/anna")).value).toBe(true);
    expect(await statusWith(instance, token)).toBe(200);
    expect((await save(instance, { password: "another word" }, "/admin/anna")).value).toBe(true);
    expect(await statusWith(instance, token)).toBe(401);
    expect((await logIn(instance, ANNA)).status).toBe(401);
    expect((await logIn(instance, { ...ANNA, password: "another word" })).status).toBe(200);
  });

  test("disables and enables an admin, whose earlier tokens stay void", async () => {
    await using instance = await testInstance();
    await save(instance, ANNA);
    const token = await instance.logIn("anna", PASSWORD);
    await save(instance, { enabled: "0" }, "/admin/anna");
    expect(await statusWith(instance, token)).toBe(401);
    expect((await logIn(instance, ANNA)).status).toBe(401);
    await save(instance, { enabled: true }, "/admin/anna");
    expect(await statusWith(instance, token)).toBe(401);
    expect((await logIn(instance, ANNA)).status).toBe(200);
  });

  test.each([
    ["no password for a new admin", { username: "anna" }, "Missing parameter: password"],
    ["an empty password", { username: "anna", password: "" }, "Invalid parameter: password: "],
    ["a short password", { username: "anna", password: "1234567" }, "Invalid parameter: password: "],
    ["a common password", { username: "anna", password: "Password1" }, "Invalid parameter: password: "],
    ["the name", { username: "annabella", password: "Annabella" }, "Invalid parameter: password: "],
    ["no name", { password: PASSWORD }, "Missing parameter: username"],
    ["a blank name", { ...ANNA, username: " anna" }, "Invalid parameter: username: "],
    ["a bad realm", { ...ANNA, realm: "a\nb" }, "Invalid parameter: realm: "],
    ["a bad flag", { ...ANNA, enabled: "maybe" }, "Invalid parameter: enabled: "],
  ])("rejects %s", async (_, json, message) => {
    await using instance = await testInstance();
    const { status, error } = await save(instance, json);
    expect([status, error?.code]).toEqual([400, 905]);
    expect(error?.message).toStartWith(`ERR905: ${message}`);
    expect(await list(instance)).toHaveLength(1);
  });

  test("warns of parameters that it does not know", async () => {
    await using instance = await testInstance();
    const { detail } = await save(instance, { ...ANNA, enable: false });
    expect(detail?.warnings).toEqual([expect.stringContaining("enabled")]);
    const secret = await instance.request("POST", "/admin/anna", { query: { password: PASSWORD } });
    expect(secret.error?.message).toStartWith("ERR905: Invalid parameter: password: ");
  });
});

describe("DELETE /admin/<username>", () => {
  test("deletes the admin of the realm and voids the tokens, also of a later admin of that name", async () => {
    await using instance = await testInstance();
    await save(instance, ANNA);
    await save(instance, { ...ANNA, realm: "staff" });
    const token = await instance.logIn("anna@staff", PASSWORD);
    const local = await instance.logIn("anna", PASSWORD);
    expect((await remove(instance, "anna", { query: { realm: "staff" } })).value).toBe(true);
    expect([await statusWith(instance, token), await statusWith(instance, local)]).toEqual([401, 200]);
    await save(instance, { ...ANNA, realm: "staff" });
    expect(await statusWith(instance, token)).toBe(401);
  });

  test("is 404 for an unknown admin", async () => {
    await using instance = await testInstance();
    const { status, error } = await remove(instance, "anna");
    expect([status, error?.code]).toEqual([404, 601]);
  });
});

describe("whatever would leave no enabled admin with policywrite", () => {
  const everything = { scope: "admin", action: "*", adminuser: ADMIN.username };

  test.each([
    ["deleting the only admin", {}, (instance: TestInstance) => remove(instance, "admin")],
    [
      "disabling the only admin",
      {},
      (instance: TestInstance) => save(instance, { enabled: false }, "/admin/admin"),
    ],
    [
      "deleting the only one with the right",
      everything,
      (instance: TestInstance) => remove(instance, "admin"),
    ],
  ])("is 905: %s", async (_, policy, change) => {
    await using instance = await testInstance();
    if ("scope" in policy) {
      await save(instance, ANNA);
      await instance.request("POST", "/policy/p", { json: policy });
    }
    const before = await list(instance);
    const { status, error } = await change(instance);
    expect([status, error?.code]).toEqual([400, 905]);
    expect(error?.message).toContain("policywrite");
    expect(await list(instance)).toEqual(before);
  });

  test("is rejected for one of two admins who delete each other at the same time", async () => {
    await using instance = await testInstance();
    await save(instance, ANNA);
    const anna = await instance.logIn("anna", PASSWORD);
    const responses = await Promise.all([
      remove(instance, "anna"),
      remove(instance, "admin", { token: anna }),
    ]);
    expect(responses.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(await instance.services.admins.list()).toHaveLength(1);
  });
});

test("rights decide, changes are audited without a password, and events name the admin", async () => {
  const events: SealpostEvent[] = [];
  const probe = definePlugin({
    name: "probe",
    options: v.object({}),
    setup: () => ({ on: { "*": (event) => void events.push(event) } }),
  });
  await using instance = await testInstance({ plugins: [probe()] });
  await save(instance, { ...ANNA, realm: "staff" });
  await save(instance, { enabled: false }, "/admin/nobody");
  await remove(instance, "anna", { query: { realm: "staff" } });
  const rows = await instance.database.read.all(
    "SELECT action, success, identifier, fields, info FROM audit WHERE action LIKE '%/admin/%' ORDER BY number",
  );
  expect(rows).toEqual([
    { action: "POST /admin/", success: 1, identifier: "anna@staff", fields: "password", info: "" },
    {
      action: "POST /admin/<username>",
      success: 0,
      identifier: "nobody",
      fields: "",
      info: "missing_parameter password",
    },
    { action: "DELETE /admin/<username>", success: 1, identifier: "anna@staff", fields: "", info: "" },
  ]);
  const seen = events.filter(({ name }) => name.startsWith("admin_"));
  expect(seen.map(({ name, data }) => [name, data.identifier])).toEqual([
    ["admin_add", "anna@staff"],
    ["admin_save", "nobody"],
    ["admin_delete", "anna@staff"],
  ]);

  const action = ["policywrite", "policydelete", "adminread"];
  await instance.request("POST", "/policy/p", { json: { scope: "admin", action } });
  expect((await instance.request("GET", "/admin")).status).toBe(200);
  for (const { status, error } of [await save(instance, ANNA), await remove(instance, "admin")])
    expect([status, error?.code]).toEqual([403, 303]);
  expect((await instance.request("PUT", "/admin/anna", { json: {} })).status).toBe(405);
});
