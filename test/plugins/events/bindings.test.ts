import { describe, expect, test } from "bun:test";
import { directory } from "sealpost/plugins/directory";
import { events } from "sealpost/plugins/events";
import { testOwnPlugin } from "../../contract/plugin.ts";
import { deliveredMails } from "../../fixtures/delivered.ts";
import { ADMIN } from "../../fixtures/instance.ts";
import { addUser, bind, eventsInstance, WELCOME } from "./fixtures/bindings.ts";

testOwnPlugin("events", {
  factory: events,
  options: {},
  needs: () => [directory()],
  rejected: [
    [() => events({ admins: "admin" }), "admins"],
    [() => events({ mailsPerHour: 0 }), "mailsPerHour"],
    // @ts-expect-error misspelled
    [() => events({ admin: "a=b@example.org" }), "admin"],
  ],
  async exercise(instance) {
    expect((await bind(instance)).status).toBe(200);
    const secret = `whsec_${"c2VhbHBvc3Qtd2ViaG9vay1rZXktb2YtMzItYnl0ZXM="}`;
    const hook = { action: "webhook", "option.subject": undefined, "option.body": undefined };
    const to = { "option.url": "http://127.0.0.1:9/", "option.secret": secret };
    const headers = { "option.headers": { authorization: "Bearer 0123456789abcdef" } };
    expect((await bind(instance, { ...hook, ...to, ...headers })).status).toBe(200);
    expect((await instance.request("GET", "/webhook/")).status).toBe(200);
    await addUser(instance, { username: `u${(await instance.request("GET", "/event/")).text.length}` });
    await deliveredMails(instance);
    return [secret.slice(6), "0123456789abcdef"];
  },
});

const SHOWN = {
  name: "welcome",
  event: ["user_add"],
  handlermodule: "UserNotification",
  action: "sendmail",
  position: "post",
  ordering: 0,
  active: true,
  abort_on_error: false,
  options: { subject: "Hello {user}", body: "{username} {surname} {event}" },
  conditions: {},
};

describe("/event", () => {
  test("stores bindings under IDs, lists them in order, replaces a whole binding and deletes it", async () => {
    await using instance = await eventsInstance();
    expect((await bind(instance, { ordering: 2 })).value).toBe(1);
    expect((await bind(instance, { name: "first", ordering: "1" })).value).toBe(2);
    const { value } = await instance.request("GET", "/event/");
    expect(value).toMatchObject([
      { id: 2, name: "first" },
      { id: 1, ordering: 2 },
    ]);
    expect((await bind(instance, { id: 1, event: ["auth", "user_add"], active: "false" })).value).toBe(1);
    const changed = await instance.request("GET", "/event/1");
    expect(changed.value).toEqual([{ ...SHOWN, id: 1, event: ["auth", "user_add"], active: false }]);
    expect((await instance.request("DELETE", "/event/1")).value).toBe(1);
    for (const method of ["GET", "DELETE"]) {
      expect(await instance.request(method, "/event/1")).toMatchObject({ status: 404, error: { code: 601 } });
    }
    expect((await bind(instance, { id: 1 })).status).toBe(404);
    expect((await bind(instance)).value).toBe(3);
  });

  test("accepts forms as privacyIDEA's clients send them", async () => {
    await using instance = await eventsInstance();
    const form = {
      ...WELCOME,
      event: "user_add,user_delete",
      conditions: '{"realm": "default", "result_status": "True"}',
      "option.emailconfig": "default",
      "option.mimetype": "html",
      "option.To": "email",
      "option.To email": "a@example.org, Bea <b@example.org>",
      "option.reply_to": "",
      "option.attach_qrcode": "0",
      abort_on_error: "false",
    };
    expect((await instance.request("POST", "/event", { form })).value).toBe(1);
    const { value } = await instance.request("GET", "/event/1");
    expect(value).toMatchObject([
      {
        event: ["user_add", "user_delete"],
        options: { emailconfig: "default", To: "email", "To email": "a@example.org, Bea <b@example.org>" },
        conditions: { realm: "default", result_status: "True" },
      },
    ]);
  });

  test("runs a binding only while it is enabled", async () => {
    await using instance = await eventsInstance();
    await bind(instance);
    expect((await instance.request("POST", "/event/disable/1")).value).toBe(1);
    await addUser(instance);
    expect(await deliveredMails(instance)).toEqual([]);
    expect((await instance.request("POST", "/event/enable/1")).value).toBe(1);
    await addUser(instance, { username: "bea" });
    expect(await deliveredMails(instance)).toHaveLength(1);
    expect((await instance.request("POST", "/event/enable/9")).status).toBe(404);
  });

  test("describes the available events, handlers, options and conditions", async () => {
    await using instance = await eventsInstance();
    const ask = async (path: string) => (await instance.request("GET", `/event/${path}`)).value;
    const names = [
      "auth",
      "user_add",
      "mail_failed",
      "circuit_opened",
      "certificate_expiring",
      "event_enable",
    ];
    expect(await ask("available")).toEqual(expect.arrayContaining(names));
    expect(await ask("handlermodules")).toEqual(["UserNotification"]);
    expect(await ask("positions/UserNotification")).toEqual(["post"]);
    const options = {
      emailconfig: { value: ["default"] },
      "To email": { visibleIf: "To", visibleValue: "email" },
    };
    expect(await ask("actions/UserNotification")).toMatchObject({ sendmail: options });
    expect(await ask("conditions/UserNotification")).toMatchObject({ realm: { type: "str" }, client_ip: {} });
    expect(await ask("defaults/UserNotification")).toMatchObject({ To: "tokenowner" });
    expect((await instance.request("GET", "/event/actions/Token")).status).toBe(400);
  });

  test.each([
    [{ name: "" }, "Missing parameter: name"],
    [{ event: "user_ad" }, 'event: there is no event "user_ad": see GET /event/available'],
    [{ event: "*" }, "event"],
    [{ handlermodule: "Script" }, "handlermodule: expected UserNotification"],
    [{ action: "savefile" }, "action: expected sendmail"],
    [{ position: "pre" }, "position: expected post"],
    [{ abort_on_error: true }, "abort_on_error"],
    [{ "option.attach_qrcode": "1" }, "option.attach_qrcode"],
    [{ "option.To": "everybody" }, "option.To: expected tokenowner"],
    [{ "option.To": "email" }, "Missing parameter: option.To email"],
    [{ "option.To": "email", "option.To email": "a@b.org, nobody" }, "option.To email"],
    [{ "option.To": "admin realm" }, "Missing parameter: option.To admin realm"],
    [{ "option.reply_to": "internal admin" }, "Missing parameter: option.reply_to internal admin"],
    [{ "option.subject": "{otp}" }, "option.subject"],
    [{ "option.body": "{user.__class__}" }, "option.body"],
    [{ conditions: "realm" }, "conditions: expected a JSON object"],
    [{ conditions: '["realm"]' }, "conditions: expected a JSON object"],
    [{ conditions: '{"realm":"a","serial":"b","realm":"c"}' }, "conditions: realm is given more than once"],
    [{ conditions: { colour: "red" } }, 'conditions: there is no condition "colour"'],
    [{ conditions: { result_status: "maybe" } }, "conditions: result_status"],
    [{ conditions: { client_ip: "nowhere" } }, "conditions: client_ip"],
  ])("rejects %j", async (more, message) => {
    await using instance = await eventsInstance();
    const { status, error } = await bind(instance, more);
    expect([status, error?.message]).toEqual([400, expect.stringContaining(message)]);
  });

  test("needs eventhandling_read to read and eventhandling_write to write", async () => {
    await using instance = await eventsInstance();
    const json = { scope: "admin", action: "policywrite, eventhandling_read" };
    await instance.request("POST", "/policy/few", { json });
    expect((await instance.request("GET", "/event/")).status).toBe(200);
    expect((await bind(instance)).status).toBe(403);
    expect((await instance.request("DELETE", "/event/1")).status).toBe(403);
  });

  test("records in the audit log who changed which binding", async () => {
    await using instance = await eventsInstance();
    await bind(instance);
    const rows = await instance.database.read.all(
      "SELECT administrator, identifier, info FROM audit WHERE action = 'POST /event/'",
    );
    expect(rows).toEqual([{ administrator: ADMIN.username, identifier: "welcome", info: "user_add" }]);
  });

  test("lists the definitions that its bindings use", async () => {
    await using instance = await eventsInstance();
    await bind(instance, { "option.emailconfig": "first, second" });
    await bind(instance);
    const { text } = await instance.request("GET", "/plugins/");
    const plugin = JSON.parse(text).result.value.find(({ name }: { name: string }) => name === "events");
    expect(plugin.servers.map(({ identifier }: { identifier: string }) => identifier)).toEqual([
      "first",
      "second",
      "default",
    ]);
  });
});
