import { describe, expect, test } from "bun:test";
import { directory } from "sealpost/plugins/directory";
import { emailToken } from "sealpost/plugins/email-token";
import { events } from "sealpost/plugins/events";
import { recovery } from "sealpost/plugins/recovery";
import { smsGateway } from "sealpost/plugins/sms-gateway";
import { DEFAULT_PLUGINS } from "../../src/runtime/default-plugins.ts";
import { testInstance } from "../fixtures/instance.ts";
import { callsOf } from "../fixtures/route-calls.ts";

const PLUGINS = () => [directory(), emailToken(), events(), smsGateway(), recovery()];
const DEFINITION = { server: "mail.example.org", sender: "app@example.org" };
const SECRET = "Zx9uniqSecret";
const NAMED = { code: "unknown_parameter", parameter: "unknown_one" };

describe("an unknown parameter of a route that writes is named, never its value", () => {
  for (const [method, path, json, given, nearest] of [
    ["POST", "/smtpserver/one", DEFINITION, "tsl", "tls"],
    ["POST", "/smtpserver/send_test_email", { ...DEFINITION, recipient: "a@example.org" }, "sendr", "sender"],
    ["POST", "/policy/one", { scope: "admin", action: "*" }, "activ", "active"],
    ["POST", "/user/", { username: "bea" }, "emial", "email"],
    ["PUT", "/user/", { username: "ann", email: "ann@example.net" }, "pasword", "password"],
    ["POST", "/token/init", { type: "email", user: "ann", dynamic_email: true }, "seriall", "serial"],
  ] as const) {
    test(`${method} ${path}`, async () => {
      await using instance = await testInstance({ plugins: PLUGINS() });
      await instance.request("POST", "/smtpserver/default", { json: DEFINITION });
      await instance.request("POST", "/user/", { json: { username: "ann", email: "ann@example.org" } });
      const response = await instance.request(method, path, { json: { ...json, [given]: SECRET } });
      expect([path, response.status, response.text.includes(SECRET)]).toEqual([path, 200, false]);
      expect(response.detail?.warnings).toContain(
        `The parameter ${given} is not known and has no effect: the nearest known name is ${nearest}.`,
      );
      expect(response.detail?.notices).toContainEqual({ code: "unknown_parameter", parameter: given });
      expect((await instance.request(method, path, { json })).text).not.toContain("unknown_parameter");
    });
  }

  test("an error names them, because a missing parameter often came under another name", async () => {
    await using instance = await testInstance();
    const json = { ...DEFINITION, sever: SECRET, server: undefined };
    const response = await instance.request("POST", "/smtpserver/one", { json });
    expect([response.status, response.error?.message]).toEqual([400, "ERR905: Missing parameter: server"]);
    expect(response.detail).toEqual({
      warnings: ["The parameter sever is not known and has no effect: the nearest known name is server."],
      notices: [{ code: "unknown_parameter", parameter: "sever" }],
    });
    expect(response.text).not.toContain(SECRET);
  });

  test("an error without unknown parameters has no detail", async () => {
    await using instance = await testInstance();
    const { body } = await instance.request("POST", "/smtpserver/one", { json: {} });
    expect(body.detail).toBeNull();
  });

  test("DELETE names those of the query", async () => {
    await using instance = await testInstance();
    const { value, detail } = await instance.request("DELETE", `/smtpserver/one?force=${SECRET}`);
    expect([value, detail?.notices]).toEqual([false, [{ code: "unknown_parameter", parameter: "force" }]]);
  });

  test("an open route and a route that reads name none", async () => {
    await using instance = await testInstance({ plugins: PLUGINS() });
    const json = { username: "admin", password: "correct horse", tsl: 1 };
    expect((await instance.request("POST", "/auth", { json, token: null })).text).not.toContain("unknown");
    expect((await instance.request("GET", "/user/?tsl=1")).text).not.toContain("unknown");
  });
});

describe("POST /system/setConfig", () => {
  test("names the nearest setting", async () => {
    await using instance = await testInstance({ plugins: PLUGINS() });
    const { error } = await instance.request("POST", "/system/setConfig", { json: { "recovery.enabld": 1 } });
    expect(error?.message).toContain("recovery.enabled");
  });

  for (const baseUrl of ["", "https://id.example.org"]) {
    test(`warns of recovery without a base URL: "${baseUrl}"`, async () => {
      await using instance = await testInstance({ plugins: PLUGINS(), baseUrl });
      const set = (json: object) => instance.request("POST", "/system/setConfig", { json });
      const on = await set({ "recovery.enabled": true });
      const missing = [{ code: "base_url_missing", parameter: "recovery.enabled" }];
      expect(on.detail?.notices).toEqual(baseUrl === "" ? missing : undefined);
      expect((await set({ "recovery.enabled": false })).detail).toBeUndefined();
    });
  }

  test("warns of SMTP servers that do not exist", async () => {
    await using instance = await testInstance({ plugins: PLUGINS() });
    await instance.request("POST", "/smtpserver/main", { json: DEFINITION });
    const json = { "email.identifier": "main, gone" };
    const { value, detail } = await instance.request("POST", "/system/setConfig", { json });
    expect(value).toEqual({ "email.identifier": "insert" });
    expect(detail).toEqual({
      warnings: ["No SMTP server is named gone: create it or change the setting."],
      notices: [{ code: "server_missing", parameter: "email.identifier" }],
    });
  });
});

test("every route that writes for an admin names an unknown parameter of its body, also one that has no parameters there", async () => {
  await using instance = await testInstance({ plugins: DEFAULT_PLUGINS });
  const add = async (path: string, json: object) => (await instance.request("POST", path, { json })).value;
  await add("/smtpserver/main", DEFINITION);
  await add("/smtpserver/unknown", DEFINITION);
  for (const name of ["all", "unknown"]) await add(`/policy/${name}`, { scope: "admin", action: "*" });
  await add("/user/", { username: "ann", email: "ann@example.org", phone: "+491701234567" });
  await add("/token/init", { type: "email", user: "ann", dynamic_email: true, serial: "unknown" });
  const calls = await callsOf(instance, { event: { id: 1 } });
  const unseen: string[] = [];
  for (const { route, isOpen, send } of calls) {
    if (isOpen || route.startsWith("GET")) continue;
    for (const { status, detail, text } of await send(instance.token, { unknown_one: SECRET })) {
      if (status !== 200) unseen.push(route);
      else expect([route, detail?.notices]).toEqual([route, expect.arrayContaining([NAMED])]);
      expect(text).not.toContain(SECRET);
    }
  }
  // The settings are all that setConfig takes. The others need an ID that nothing here has.
  expect(unseen).toEqual([
    "DELETE /apikey/<id>",
    "POST /smtpserver/<identifier>/oauth/start",
    "POST /mail/<id>/retry",
    "POST /mail/<id>/cancel",
    "POST /system/setConfig",
    "DELETE /system/<key>",
    "POST /smsgateway/send_test_sms",
    "DELETE /smsgateway/option/<id>/<key>",
  ]);
});

test("a route without parameters in its body ignores one that it cannot read", async () => {
  await using instance = await testInstance();
  const headers = { "Content-Type": "application/json" };
  for (const body of ["[]", "{", '{"a":1,"a":2}', "null", ""]) {
    const response = await instance.request("DELETE", "/smtpserver/one?force=1", { body, headers });
    expect([body, response.value, response.detail?.notices]).toEqual([
      body,
      false,
      [{ code: "unknown_parameter", parameter: "force" }],
    ]);
  }
});

test("a route without parameters in its body does not wait for one that was declared and never comes", async () => {
  await using instance = await testInstance();
  const headers = { "Content-Type": "application/json", "Content-Length": "10" };
  const body = () =>
    new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array([0x7b])) });
  const removal = instance.request("DELETE", "/smtpserver/one?force=1", { body: body(), headers });
  const enabling = instance.request("POST", "/policy/enable/nope", { body: body(), headers });
  expect((await removal).value).toBe(false);
  expect((await removal).detail?.notices).toEqual([{ code: "unknown_parameter", parameter: "force" }]);
  expect((await enabling).status).toBe(404);
});
