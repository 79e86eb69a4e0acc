import { describe, expect, test } from "bun:test";
import type { Transport } from "sealpost/driver";
import {
  definePlugin,
  type EventHandler,
  type PluginContext,
  route,
  type SealpostEvent,
} from "sealpost/plugin";
import * as v from "valibot";
import { actionOf, eventNameOf } from "../../src/wire/route.ts";
import { ADMIN, PEER, testInstance } from "../fixtures/instance.ts";
import { failed, NO_SUCH_USER } from "../fixtures/receipts.ts";

/** A plugin that handles events, and emits `said` at GET /say/<word>. */
const listener = (on: (ctx: PluginContext) => Record<string, EventHandler>) =>
  definePlugin({
    name: "listener",
    options: v.object({}),
    events: ["said"],
    setup: (ctx) => ({
      on: on(ctx),
      routes: [
        route({ method: "GET", path: "/say/:word", open: true }, (c) => {
          ctx.events.emit("said", { word: c.req.param("word") });
          c.set("eventData", { serial: "S1" });
          return ctx.events.names();
        }),
      ],
    }),
  })();

async function listening(names: readonly string[], also: EventHandler = () => undefined) {
  const received: SealpostEvent[] = [];
  const handler = (event: SealpostEvent) => {
    received.push(event);
    return also(event);
  };
  const on = () => Object.fromEntries(names.map((name) => [name, handler]));
  return { received, instance: await testInstance({ plugins: [listener(on)] }) };
}

describe("eventNameOf()", () => {
  test.each([
    ["POST", "/token/init", "token_init"],
    ["POST", "/validate/check", "validate_check"],
    ["GET", "/token/", "token_list"],
    ["DELETE", "/token/:serial", "token_delete"],
    ["POST", "/user/", "user_add"],
    ["PUT", "/user/", "user_update"],
    ["DELETE", "/user/:realm/:username", "user_delete"],
    ["POST", "/smtpserver/:identifier", "smtpserver_save"],
    ["POST", "/smtpserver/send_test_email", "smtpserver_send_test_email"],
    ["POST", "/policy/enable/:name", "policy_enable"],
    ["GET", "/policy/:name", "policy_get"],
    ["POST", "/auth", "auth"],
    ["POST", "/system/setConfig", "system_setconfig"],
  ])("%s %s is %s", (method, path, name) => {
    expect(eventNameOf(actionOf(method, path))).toBe(name);
  });
});

describe("an event", () => {
  test("emits an API action after its response, without the contents of the body", async () => {
    const { received, instance } = await listening(["*"]);
    await using _ = instance;
    await instance.request("POST", "/smtpserver/a", { json: { server: "a", password: "hidden-pässword" } });
    await instance.request("POST", "/auth", { json: { ...ADMIN, password: "wrong" } });
    await instance.request("GET", "/say/hello");
    expect(received).toMatchObject([
      {
        name: "smtpserver_save",
        action: "POST /smtpserver/<identifier>",
        status: 200,
        success: true,
        plugin: "",
        actor: { username: "admin", realm: "" },
        client: PEER,
        data: { identifier: "a" },
      },
      { name: "auth", status: 401, success: false, actor: null },
      { name: "said", plugin: "listener", action: "", status: null, data: { word: "hello" } },
      {
        name: "say_get",
        plugin: "listener",
        action: "GET /say/<word>",
        data: { word: "hello", serial: "S1" },
      },
    ]);
    expect(JSON.stringify(received)).not.toContain("hidden");
  });

  test("reaches only handlers of its name", async () => {
    const { received, instance } = await listening(["said", "policy_list"]);
    await using _ = instance;
    await instance.request("GET", "/policy/");
    await instance.request("GET", "/smtpserver/");
    await instance.request("GET", "/say/hello");
    expect(received.map(({ name }) => name)).toEqual(["policy_list", "said"]);
  });

  test("has a name that events.names() lists", async () => {
    const { received, instance } = await listening(["*"]);
    await using _ = instance;
    await instance.request("GET", "/policy");
    await instance.request("DELETE", "/smtpserver/a");
    const { value } = await instance.request("GET", "/say/hello");
    expect(value).toEqual(
      expect.arrayContaining(["mail_failed", "auth", ...received.map(({ name }) => name)]),
    );
    expect(value).not.toContain("policy");
  });

  test("leaves the request unaffected by a handler that hangs or throws", async () => {
    const hanging = Promise.withResolvers<void>();
    const { instance } = await listening(["*"], ({ name }) => {
      if (name === "auth") throw new Error("no");
      return name === "said" ? hanging.promise : undefined;
    });
    expect((await instance.request("GET", "/say/hello")).status).toBe(200);
    expect((await instance.request("POST", "/auth", { json: ADMIN })).status).toBe(200);
    hanging.resolve();
    await instance.services.settled();
    const { value } = await instance.request("GET", "/audit/");
    expect(value).toMatchObject({
      auditdata: [
        { action: "plugin listener", success: false, identifier: "auth", info: "event handler: internal" },
        { action: "POST /auth" },
      ],
    });
  });

  test("handlers trigger no events, neither by emitting nor by sending mail", async () => {
    const received: string[] = [];
    const plugin = listener((ctx) => ({
      async "*"(event) {
        received.push(event.name);
        ctx.events.emit("said", {});
        await Promise.resolve();
        ctx.events.emit("said", {});
        await ctx.mail.submit("none", {
          to: [{ name: "", address: "a@example.org" }],
          subject: "",
          text: "x",
        });
      },
    }));
    await using instance = await testInstance({ plugins: [plugin] });
    await instance.request("GET", "/policy/");
    await instance.services.settled();
    expect(received).toEqual(["policy_list"]);
    instance.services.plugins.emit({ name: "mail_failed", data: { submitter: "plugin listener (event)" } });
    instance.services.plugins.emit({ name: "mail_failed", data: { submitter: "plugin other" } });
    await instance.services.settled();
    expect(received).toEqual(["policy_list", "mail_failed"]);
  });
});

describe("mail_failed", () => {
  test("emits the failure of queued mail, but not of mail that a handler submitted", async () => {
    const received: unknown[] = [];
    const message = { to: [{ name: "", address: "ann@example.net" }], subject: "x", text: "x" };
    const plugin = listener((ctx) => ({
      async mail_failed({ data }) {
        received.push(data.submitter);
        await ctx.mail.submit("bad", message, { queue: true });
      },
    }));
    await using instance = await testInstance({ plugins: [plugin], transport: rejecting() });
    await instance.request("POST", "/smtpserver/bad", {
      json: { server: "mail.example.org", sender: "a@b.org" },
    });
    await instance.services.submit("bad", message, { queue: true });
    for (let round = 0; round < 3; round++) {
      await instance.services.drain({ signal: AbortSignal.timeout(2_000), ...BOUNDS });
      await instance.services.settled();
    }
    expect(received).toEqual(["host"]);
    const { value } = await instance.request("GET", "/audit/", { query: { action: "plugin listener" } });
    expect(value).toMatchObject({
      auditdata: expect.arrayContaining([expect.objectContaining({ identifier: "bad" })]),
    });
  });
});

test("a message that cannot be built emits mail_failed, queued or not, alone or in a batch", async () => {
  const received: unknown[] = [];
  const plugin = listener(() => ({
    async mail_failed({ data }) {
      received.push([data.recipients, data.code]);
    },
  }));
  await using instance = await testInstance({ plugins: [plugin] });
  const { request, services } = instance;
  await request("POST", "/smtpserver/a", { json: { server: "mail.example.org", sender: "a@b.org" } });
  const options = { encrypt: true, queue: true } as const;
  const message = { to: [{ name: "", address: "ann@example.net" }], subject: "x", text: "x" };
  const json = { server: "a", to: "ann@example.net", subject: "x", text: "x", smime_encrypt: true };
  for (const queue of [false, true]) await services.submit("a", message, { ...options, queue });
  const { value } = await request("POST", "/mail/batch", { json: { messages: [json] } });
  expect(value).toMatchObject([{ state: "failed" }]);
  await services.settled();
  expect(received).toEqual(Array(3).fill([["ann@example.net"], "encrypt_no_certificate"]));
});

const BOUNDS = { endsMs: Number.POSITIVE_INFINITY, messageTimeoutMs: 2_000 };

/** Permanently rejects every message. */
function rejecting(): Transport {
  return {
    name: "rejecting",
    async send() {
      return failed(NO_SUCH_USER);
    },
    async [Symbol.asyncDispose]() {
      // It has no resources.
    },
  };
}
