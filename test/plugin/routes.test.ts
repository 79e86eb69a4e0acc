import { describe, expect, test } from "bun:test";
import { Hono } from "hono";
import { SealpostError } from "sealpost";
import { definePlugin, type Route, route } from "sealpost/plugin";
import * as v from "valibot";
import { type TestInstanceOptions, testInstance } from "../fixtures/instance.ts";
import { sendRequest } from "../fixtures/request.ts";

const never = () => new Promise<Response>(() => undefined);
/** A plugin whose routes misbehave. */
const rude = definePlugin({
  name: "rude",
  options: v.object({}),
  rights: { rude_read: "Read" },
  setup(ctx) {
    const get = { method: "GET", open: true } as const;
    const routes = [
      route({ ...get, path: "/rude/" }, () => "list"),
      route({ method: "POST", path: "/rude/", open: true }, () => "made"),
      route({ method: "GET", path: "/rude/right/:id", right: "rude_read" }, (c) => c.req.param("id")),
      route({ ...get, path: "/rude/hang" }, never),
      route({ ...get, path: "/rude/throw" }, () => {
        throw new Error("internal details");
      }),
      route({ ...get, path: "/rude/text" }, () => {
        throw "no error";
      }),
      route({ ...get, path: "/rude/late" }, async () => {
        await new Promise((resolve) => setTimeout(resolve, 60));
        throw "no error, and too late";
      }),
      route({ ...get, path: "/rude/known" }, () => {
        throw new SealpostError("conflict", "Changed by another request");
      }),
      route({ ...get, path: "/rude/allowed" }, (c) => ctx.guard.isAllowed(c, "rude_read")),
    ];
    return { routes };
  },
});
const started = (options: TestInstanceOptions = {}) => testInstance({ plugins: [rude()], ...options });

/** A plugin whose routes declare no body, and read one of their own. */
const reading = definePlugin({
  name: "reading",
  options: v.object({}),
  rights: { reading_write: "Write" },
  setup: () => ({
    routes: [
      route({ method: "POST", path: "/reading/open", open: true }, (c) => c.req.raw.text()),
      route({ method: "POST", path: "/reading/own", right: "reading_write" }, (c) => c.req.text()),
      route({ method: "POST", path: "/reading/raw", right: "reading_write" }, (c) => c.req.raw.text()),
      route({ method: "POST", path: "/reading/stream", right: "reading_write" }, (c) =>
        new Response(c.req.raw.body).text(),
      ),
    ],
  }),
});

describe("a plugin's route", () => {
  const bodies = ["/reading/open", "/reading/own", "/reading/raw", "/reading/stream"];
  test.each(bodies)("%s reads a body that it does not declare, also one that takes long", async (path) => {
    await using instance = await testInstance({ plugins: [reading()] });
    for (const type of ["application/json", "application/octet-stream"]) {
      const options = { body: '{"signed":1}', headers: { "Content-Type": type } };
      const { status, value } = await instance.request("POST", path, options);
      expect([type, status, value]).toEqual([type, 200, '{"signed":1}']);
    }
    const headers = { "Content-Type": "application/json", "Content-Length": "12" };
    const slow = new ReadableStream({
      async start(controller) {
        controller.enqueue(new TextEncoder().encode('{"sign'));
        await new Promise((resolve) => setTimeout(resolve, 1_200));
        controller.enqueue(new TextEncoder().encode('ed":1}'));
        controller.close();
      },
    });
    const { value } = await instance.request("POST", path, { body: slow, headers });
    expect(value).toBe('{"signed":1}');
  });

  test.each([
    ["/rude/hang", 503, 503],
    ["/rude/throw", 500, -500],
    ["/rude/text", 500, -500],
    ["/rude/late", 503, 503],
    ["/rude/known", 409, 409],
  ])("%s affects only its own request", async (path, status, code) => {
    await using instance = await started({ pluginRequestMs: 30 });
    const [response, other] = await Promise.all([
      instance.request("GET", path),
      instance.request("GET", "/rude/"),
    ]);
    expect([response.status, response.error?.code, response.body.jsonrpc]).toEqual([status, code, "2.0"]);
    expect(response.text).not.toContain("internal details");
    expect(other.value).toBe("list");
    if (status === 503) expect(response.headers.get("retry-after")).toMatch(/^\d+$/);
    await new Promise((resolve) => setTimeout(resolve, 80));
    expect((await instance.request("GET", "/healthz")).status).toBe(200);
  });

  test("returns 405 for other methods, and serves a collection without its slash", async () => {
    await using instance = await started();
    for (const path of ["/rude/", "/rude"]) {
      expect((await instance.request("GET", path)).value).toBe("list");
      const { status, headers } = await instance.request("DELETE", path);
      expect([status, headers.get("allow")]).toEqual([405, "GET, POST"]);
    }
    expect((await instance.request("GET", "/rude/nothing")).status).toBe(404);
  });

  test("has the body limit, and rejects a secret in the query", async () => {
    await using instance = await started();
    expect((await instance.request("POST", "/rude/", { body: "x".repeat(300_000) })).status).toBe(413);
    expect((await instance.request("GET", "/rude/", { query: { pin: "1" } })).status).toBe(400);
  });

  test("is authorized by the current policies, and the audit row names the route", async () => {
    await using instance = await started();
    expect((await instance.request("GET", "/rude/right/7")).value).toBe("7");
    await instance.request("POST", "/policy/p", { json: { scope: "admin", action: "*, !rude_read" } });
    const host = new Hono().route("/mail", instance.app);
    const denied = await sendRequest(host, "GET", "/mail/rude/right/7", { token: instance.token });
    expect([denied.status, denied.error?.code]).toEqual([403, 303]);
    const { value } = await instance.request("GET", "/audit/");
    expect(value).toMatchObject({
      auditdata: [{ action: "GET /rude/right/<id>", info: "action_denied" }, { identifier: "p" }],
    });
  });

  test("isAllowed() is true only for an admin with the right", async () => {
    await using instance = await started();
    const isAllowed = async (token: string | null) =>
      (await instance.request("GET", "/rude/allowed", { token })).value;
    expect([await isAllowed(instance.token), await isAllowed(null), await isAllowed("garbage")]).toEqual([
      true,
      false,
      false,
    ]);
    await instance.request("POST", "/policy/p", { json: { scope: "admin", action: "*, !rude_read" } });
    expect(await isAllowed(instance.token)).toBe(false);
  });
});

describe("a declared route", () => {
  /** A plugin with these routes, as JavaScript code could pass them. */
  const ledger = (routes: readonly Route[]) =>
    definePlugin({
      name: "ledger",
      options: v.object({}),
      rights: { ledger_read: "Read the ledger" },
      setup: () => ({ routes }),
    })();
  const lines = v.array(v.string());
  const guarded = route({ method: "GET", path: "/ledger", right: "ledger_read", response: lines }, () => [
    "one",
  ]);

  test("is guarded by its right, in the OpenAPI document as well", async () => {
    await using instance = await testInstance({ plugins: [ledger([guarded])] });
    expect((await instance.request("GET", "/ledger")).value).toEqual(["one"]);
    expect((await instance.request("GET", "/ledger", { token: null })).status).toBe(401);
    await instance.request("POST", "/policy/p", { json: { scope: "admin", action: "*, !ledger_read" } });
    expect((await instance.request("GET", "/ledger")).status).toBe(403);
    expect((await instance.request("POST", "/ledger")).headers.get("allow")).toBe("GET");
    const { paths } = JSON.parse((await instance.request("GET", "/openapi.json")).text);
    expect(paths["/ledger"].get.security).toBeUndefined();
    expect(Object.keys(paths["/ledger"].get.responses)).toContain("401");
  });

  test("is open with open: true, in the OpenAPI document as well", async () => {
    const open = route({ method: "GET", path: "/ledger", open: true }, () => "anyone");
    await using instance = await testInstance({ plugins: [ledger([open])] });
    expect((await instance.request("GET", "/ledger", { token: null })).value).toBe("anyone");
    const { paths } = JSON.parse((await instance.request("GET", "/openapi.json")).text);
    expect(paths["/ledger"].get.security).toEqual([]);
  });

  const handler = () => "secret";
  // @ts-expect-error a route needs a right, or open: true
  const forgotten = route({ method: "GET", path: "/ledger" }, handler);
  test.each<[what: string, one: Route]>([
    ["neither a right nor open: true", forgotten],
    ["an empty right", route({ method: "GET", path: "/ledger", right: "" }, handler)],
    // @ts-expect-error a route is either open or guarded
    ["both", route({ method: "GET", path: "/ledger", right: "ledger_read", open: true }, handler)],
    // @ts-expect-error open is true or absent
    ["open: false", route({ method: "GET", path: "/ledger", open: false }, handler)],
  ])("with %s stops the start", async (_, one) => {
    const started = testInstance({ plugins: [ledger([one])] });
    await expect(started).rejects.toMatchObject({
      code: "bad_setting",
      message: "Plugins: ledger: the route GET /ledger needs either a right or open: true",
    });
  });

  test("that route() did not build stops the start", async () => {
    const literal = { method: "GET", path: "/ledger", handler: () => new Response("secret") };
    const app = new Hono().get("/ledger", (c) => c.text("secret"));
    // @ts-expect-error a route is built by route()
    for (const plugin of [ledger([literal]), ledger(app)]) {
      await expect(testInstance({ plugins: [plugin] })).rejects.toMatchObject({
        code: "bad_setting",
        message: "Plugins: ledger: the route GET /ledger is not built by route()",
      });
    }
  });

  test("with a right that no plugin declares stops the start", async () => {
    const one = route({ method: "GET", path: "/ledger", right: "ledger_rad" }, handler);
    await expect(testInstance({ plugins: [ledger([one])] })).rejects.toMatchObject({
      code: "bad_setting",
      message: 'Plugins: ledger: the route GET /ledger names the right "ledger_rad", which does not exist',
    });
  });

  test("is checked in each instance, because a plugin may choose its routes by its context", async () => {
    const choosing = definePlugin({
      name: "choosing",
      options: v.object({}),
      setup: ({ baseUrl }) => ({ routes: baseUrl === "" ? [guardless] : [guarded] }),
    });
    const guardless = forgotten;
    const plugin = choosing();
    const rights = ledger([]);
    await using _instance = await testInstance({ plugins: [rights, plugin] });
    await expect(testInstance({ plugins: [rights, plugin], baseUrl: "" })).rejects.toMatchObject({
      code: "bad_setting",
      message: "Plugins: choosing: the route GET /ledger needs either a right or open: true",
    });
  });

  test("that a plugin declares twice stops the start", async () => {
    await expect(testInstance({ plugins: [ledger([guarded, guarded])] })).rejects.toMatchObject({
      code: "bad_setting",
      message: "Plugins: ledger has the route GET /ledger twice",
    });
  });

  test("returns what its response schema describes", () => {
    const declared = { method: "GET", path: "/ledger", open: true, response: lines } as const;
    route(declared, () => ["one"]);
    // @ts-expect-error a list of texts is expected
    route(declared, () => [1]);
  });
});
