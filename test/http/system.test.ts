import { describe, expect, test } from "bun:test";
import { definePlugin, setting, templateText } from "sealpost/plugin";
import * as v from "valibot";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";
import type { RequestOptions } from "../fixtures/request.ts";

const seconds = v.pipe(
  v.number("expected a number"),
  v.integer("expected a whole number"),
  v.minValue(1, "expected at least 1"),
);
const plugin = definePlugin({
  name: "settings",
  options: v.object({}),
  settings: () => ({
    "email.validtime": setting(seconds, 120, { description: "Seconds" }),
    "email.text": setting(templateText(["otp"]), "{otp}", { description: "Text" }),
    "email.enabled": setting(v.boolean("expected true or false"), false, { description: "Whether" }),
    "email.token": setting(v.string(), "", { description: "Token", secret: true }),
  }),
  setup: () => ({}),
});
const started = () => testInstance({ plugins: [plugin()] });
const set = (instance: TestInstance, options: RequestOptions) =>
  instance.request("POST", "/system/setConfig", options);

describe("POST /system/setConfig", () => {
  test("reports for each key whether it was set before", async () => {
    await using instance = await started();
    const first = await set(instance, { json: { "email.validtime": 60 } });
    expect(first.value).toEqual({ "email.validtime": "insert" });
    const second = await set(instance, { form: { "email.validtime": "90", "email.enabled": "true" } });
    expect(second.value).toEqual({ "email.validtime": "update", "email.enabled": "insert" });
    expect((await instance.request("GET", "/system/email.validtime")).value).toBe(90);
  });

  test.each<[what: string, json: Record<string, unknown>, name: string]>([
    ["a key that no plugin has", { "email.nothing": 1 }, "email.nothing"],
    ["a value of the wrong kind", { "email.validtime": "soon" }, "email.validtime: expected a number"],
    ["a value that is too small", { "email.validtime": 0 }, "email.validtime: expected at least 1"],
    ["nothing where something is needed", { "email.validtime": "" }, "email.validtime"],
    [
      "a template with an unknown tag",
      { "email.text": "{code}" },
      "email.text: there is no tag {code}; expected {otp}",
    ],
    ["a name that every object has", { constructor: "x" }, "constructor"],
    ["text with NUL", { "email.text": "\0" }, "email.text"],
  ])("rejects %s, and sets none of the others", async (_, json, name) => {
    await using instance = await started();
    const { status, error } = await set(instance, { json: { "email.enabled": true, ...json } });
    expect([status, error?.code]).toEqual([400, 905]);
    expect(error?.message).toContain(name);
    expect((await instance.request("GET", "/system/email.enabled")).value).toBe(false);
  });

  test("ignores the type that clients send with a key", async () => {
    await using instance = await started();
    const json = { "email.token": "t0ken-77", "email.token.type": "password", "email.token.desc": "x" };
    expect((await set(instance, { json })).value).toEqual({ "email.token": "insert" });
  });

  test("never shows a secret again, stores it encrypted, and audits only names", async () => {
    await using instance = await started();
    await set(instance, { json: { "email.token": "t0ken-77" } });
    const shown = [
      await instance.request("GET", "/system/email.token"),
      await instance.request("GET", "/system/"),
      await instance.request("GET", "/audit/"),
    ];
    expect(shown[0]?.value).toBe("__CENSORED__");
    for (const { text } of shown) expect(text).not.toContain("t0ken-77");
    const rows = await instance.database.read.all("SELECT * FROM plugin_config");
    expect(rows).toEqual([{ key: "email.token", value: "", sealed: expect.stringMatching(/^v1\.first\./) }]);
    expect(shown[2]?.value).toMatchObject({
      auditdata: [{ action: "POST /system/setConfig", success: true, fields: "email.token" }],
    });
  });
});

describe("GET /system/", () => {
  test("shows the current values", async () => {
    await using instance = await started();
    await set(instance, { json: { "email.enabled": 1 } });
    const value = { "email.validtime": 120, "email.text": "{otp}", "email.enabled": true, "email.token": "" };
    for (const path of ["/system/", "/system"])
      expect((await instance.request("GET", path)).value).toEqual(value);
  });

  test("rejects a key that no plugin has", async () => {
    await using instance = await started();
    const { status, error } = await instance.request("GET", "/system/other");
    expect([status, error?.code]).toEqual([404, 601]);
  });
});

describe("DELETE /system/<key>", () => {
  test("restores the default", async () => {
    await using instance = await started();
    await set(instance, { json: { "email.validtime": 60 } });
    const remove = async () => (await instance.request("DELETE", "/system/email.validtime")).value;
    expect([await remove(), await remove()]).toEqual([true, false]);
    expect((await instance.request("GET", "/system/email.validtime")).value).toBe(120);
    expect((await instance.request("DELETE", "/system/other")).status).toBe(404);
  });
});
