import { describe, expect, test } from "bun:test";
import { Hono } from "hono";
import * as v from "valibot";
import { definePlugin, setting } from "../../src/plugin/define.ts";
import { ADMIN, PEER, type TestInstance, testInstance } from "../fixtures/instance.ts";
import { type RequestOptions, sendRequest } from "../fixtures/request.ts";
import { sender } from "../fixtures/smime/authority.ts";
import { resolveRefs } from "./fixtures/resolve-refs.ts";
import { CALLBACK } from "./oauth-support.ts";

interface Schema {
  readonly type?: string;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly string[];
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly minimum?: number;
}
interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required?: boolean;
  readonly schema: Schema;
}
interface Content {
  readonly [mediaType: string]: { readonly schema: Schema };
}
interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Content }>>;
  readonly security?: readonly object[];
}
interface Document {
  readonly openapi: string;
  readonly info: object;
  readonly servers: readonly { readonly url: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly security: readonly object[];
  readonly components: { readonly securitySchemes: object };
}

const BODY_TYPES = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"];

async function documentOf(instance: TestInstance): Promise<Document> {
  const { status, text } = await instance.request("GET", "/openapi.json", { token: null });
  expect(status).toBe(200);
  const document = JSON.parse(text);
  return resolveRefs(document, document) as Document;
}

const operationsOf = ({ paths }: Document) =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );

/** Queues a message. @returns its ID. */
async function queuedMail({ services }: TestInstance): Promise<string> {
  const to = [{ name: "", address: "user@example.net" }];
  const from = { name: "", address: "me@example.org" };
  const result = await services.submit("a", { from, to, subject: "Hello", text: "Hi" }, { queue: true });
  if (result.state !== "queued") throw new Error(`The mail is ${result.state}`);
  return result.mailId;
}

/** Returns a value that the schema allows, or the one that this instance needs. */
function example(name: string, schema: Schema): unknown {
  const known: Record<string, unknown> = {
    ...{ scope: "admin", action: "*", server: "mail.example.org", recipient: "user@example.net" },
    ...{ sender: "me@example.org", ...ADMIN },
    ...{ oauth_token_url: "https://login.example.org/token", oauth_client_id: "app" },
    ...{ name: "program", rights: "auditlog", enabled: true },
    ...{ to: "user@example.net", text: "Hello", messages: [], attachments: [], headers: {} },
  };
  if (name in known) return known[name];
  // The last point of a check is valid for every definition, the first only with OAuth.
  if (schema.enum) return schema.enum.at(-1);
  if (schema.type === "integer" || schema.type === "number") return schema.minimum ?? 1;
  return schema.type === "boolean" ? false : "";
}

describe("GET /openapi.json", () => {
  test("is an OpenAPI 3.1 document of every route", async () => {
    await using instance = await testInstance();
    const document = await documentOf(instance);
    expect(document.openapi).toMatch(/^3\.1\./);
    const listed = operationsOf(document).map(({ method, path }) => `${method} ${path}`);
    const routes = instance.app.routes
      .filter(({ method }) => method !== "ALL")
      .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`)
      .filter(
        (route) =>
          !/^(GET|POST) \/(admin|apikey|policy|smtpserver|provider|audit|mail|plugins|system|openapi\.json)$/.test(
            route,
          ),
      );
    expect(listed.toSorted()).toEqual([...new Set(routes)].toSorted());
  });

  test("has unique operation IDs, and describes every operation, response and path parameter", async () => {
    await using instance = await testInstance();
    const document = await documentOf(instance);
    const operations = operationsOf(document);
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { path, operation } of operations) {
      expect(operation.summary).not.toBe("");
      expect(operation.tags).toHaveLength(1);
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name);
      const described = (operation.parameters ?? []).filter((parameter) => parameter.in === "path");
      expect(described.map(({ name }) => name)).toEqual(inPath);
      expect(described.every(({ required }) => required)).toBe(true);
      for (const response of Object.values(operation.responses)) {
        expect(response.description).not.toBe("");
        const { properties, type } = Object.values(response.content ?? {})[0]?.schema ?? {};
        if (response.content?.["text/plain"]) expect(type).toBe("string");
        else expect(properties).toHaveProperty("result");
      }
      expect(operation.responses).toHaveProperty("200");
      if (operation.security?.length !== 0) expect(operation.responses).toHaveProperty("401");
    }
    expect(JSON.stringify(document)).not.toContain("undefined");
  });

  test("lists the seed's parameters with their defaults, and the further fields, in three media types", async () => {
    await using instance = await testInstance();
    const { paths } = await documentOf(instance);
    const keys = [
      "server",
      "port",
      "username",
      "password",
      "sender",
      "tls",
      "timeout",
      "enqueue_job",
      "description",
    ];
    const signing = ["smime", "dont_send_on_error", "private_key", "private_key_password", "certificate"];
    const further =
      "smime_pss smime_encrypt max_connections mails_per_minute pipelining auth_mechanism provider api_url auth oauth_flow oauth_token_url oauth_authorization_url oauth_device_url oauth_client_id oauth_client_secret oauth_private_key oauth_certificate oauth_service_account oauth_refresh_token oauth_scope oauth_mechanism tls_certificate tls_private_key".split(
        " ",
      );
    const bodies = {
      "/smtpserver/{identifier}": [...keys, ...signing, ...further],
      "/smtpserver/send_test_email": [
        ...keys,
        ...signing,
        ...further,
        "identifier",
        "recipient_certificate",
        "recipient",
        "until",
      ],
    };
    for (const [path, expected] of Object.entries(bodies)) {
      const content = paths[path]?.post?.requestBody?.content ?? {};
      expect(Object.keys(content).toSorted()).toEqual(BODY_TYPES);
      for (const { schema } of Object.values(content)) {
        expect(Object.keys(schema.properties ?? {})).toEqual(expected);
        expect(schema.properties).toMatchObject({
          port: { default: 25 },
          timeout: { default: 10 },
          tls: { default: false },
        });
        // A preset may give the server.
        expect(schema.required).toEqual([]);
      }
    }
    const value =
      paths["/smtpserver/{identifier}"]?.get?.responses["200"]?.content?.["application/json"]?.schema;
    const view = value?.properties?.result?.properties?.value?.properties ?? {};
    expect(Object.keys(view).toSorted()).toEqual([...keys, ...signing].toSorted());
  });

  test("describes the test of a stored definition, and the report of both tests", async () => {
    await using instance = await testInstance();
    const { paths } = await documentOf(instance);
    const stored = paths["/smtpserver/{identifier}/send_test_email"]?.post;
    const body = stored?.requestBody?.content["application/json"]?.schema;
    expect(Object.keys(body?.properties ?? {})).toEqual([
      ...["recipient_certificate", "recipient", "until", "enqueue_job"],
    ]);
    expect(body?.properties?.until?.enum).toEqual(["oauth", "connect", "tls", "auth", "sender", "recipient"]);
    expect(Object.keys(stored?.responses ?? {})).toContain("404");
    for (const operation of [stored, paths["/smtpserver/send_test_email"]?.post]) {
      const { detail } = operation?.responses["200"]?.content?.["application/json"]?.schema.properties ?? {};
      expect(detail?.properties).toMatchObject({
        delivery: { properties: { round_trips: {}, reached: {} } },
        server: {},
      });
    }
  });

  test("is enough to call every operation", async () => {
    const settings = () => ({ a: setting(v.number(), 1, { description: "A setting" }) });
    const plugin = definePlugin({ name: "plugin", options: v.object({}), settings, setup: () => ({}) });
    await using instance = await testInstance({ plugins: [plugin()] });
    await instance.request("POST", "/smtpserver/a", { json: { server: "a" } });
    await instance.request("POST", "/policy/a", { json: { scope: "admin", action: "*" } });
    const names = { identifier: "a", name: "a", key: "a", username: "second" };
    const ids: Record<string, string> = { mail: await queuedMail(instance) };
    const order = ["POST", "GET", "DELETE"];
    // The admin of the token must stay as it is; mail is sent through a definition that exists.
    const { key, certificate } = await sender("p256");
    const own: Readonly<Record<string, object>> = {
      "/smtpserver/inspect": { private_key: key, certificate },
      "/admin/": { username: names.username },
      "/mail/": { server: names.identifier },
    };
    // Only the provider that redirects a browser knows code and state.
    const operations = operationsOf(await documentOf(instance)).filter(({ path }) => path !== CALLBACK);
    for (const { path, method, operation } of operations.toSorted(
      (a, b) => order.indexOf(a.method) - order.indexOf(b.method),
    )) {
      const given = operation.parameters ?? [];
      const query = given
        .filter((one) => one.in === "query")
        .map(({ name, schema }) => [name, String(example("", schema))]);
      const schema = operation.requestBody?.content["application/json"]?.schema;
      const json =
        schema &&
        Object.fromEntries(
          Object.entries(schema.properties ?? {}).map(([name, one]) => [name, example(name, one)]),
        );
      const options: RequestOptions = {
        query: Object.fromEntries(query.filter(([, value]) => value !== "")),
        ...(json && { json: { ...json, ...own[path] } }),
      };
      const index = path.replaceAll(/\{(\w+)\}/g, (_, name) =>
        name === "id" ? (ids[path.split("/")[1] ?? ""] ?? "") : names[name as keyof typeof names],
      );
      const { status, error, value } = await instance.request(method, index, options);
      expect([method, path, status, error]).toEqual([method, path, 200, undefined]);
      if (path === "/apikey/" && method === "POST") ids.apikey = (value as { readonly id: string }).id;
    }
  });

  test("is created once per base path", async () => {
    await using instance = await testInstance();
    const first = await instance.request("GET", "/openapi.json");
    const times: number[] = [];
    for (let i = 0; i < 20; i++) {
      const startMs = performance.now();
      expect((await instance.request("GET", "/openapi.json")).text).toBe(first.text);
      times.push(performance.now() - startMs);
    }
    // Creating it takes longer, and a busy machine only adds to a time.
    expect(Math.min(...times)).toBeLessThan(10);
  });
});

describe("mounted in a host app under /mail", () => {
  async function mounted(baseUrl = "") {
    const instance = await testInstance({ baseUrl });
    const host = new Hono().get("/", (c) => c.text("host")).route("/mail", instance.app);
    const request = (method: string, path: string, options: RequestOptions = {}) =>
      sendRequest(host, method, path, { token: instance.token, peer: PEER, ...options });
    return { request, [Symbol.asyncDispose]: () => instance[Symbol.asyncDispose]() };
  }

  test("serves every path under the prefix", async () => {
    await using host = await mounted();
    expect((await host.request("POST", "/mail/smtpserver/a", { json: { server: "a" } })).value).toBe(true);
    for (const path of [
      "/mail/smtpserver/",
      "/mail/smtpserver",
      "/mail/smtpserver/a",
      "/mail/policy/",
      "/mail/audit/",
      "/mail/mail/",
      "/mail/mail",
    ]) {
      expect((await host.request("GET", path)).status).toBe(200);
    }
    expect((await host.request("POST", "/mail/auth", { json: ADMIN })).body.id).toBe(2);
  });

  test("has its base path in the document", async () => {
    await using host = await mounted();
    const document: Document = JSON.parse((await host.request("GET", "/mail/openapi.json")).text);
    expect(document.servers).toEqual([{ url: "/mail" }]);
    expect(Object.keys(document.paths)).toContain("/smtpserver/{identifier}");
    expect(Object.keys(document.paths)).toContain("/mail/{id}/retry");
    await using published = await mounted("https://example.org/mail");
    const other: Document = JSON.parse((await published.request("GET", "/mail/openapi.json")).text);
    expect(other.servers).toEqual([{ url: "https://example.org/mail" }]);
  });

  test.each<[method: string, path: string, options: RequestOptions, status: number]>([
    ["GET", "/mail/smtpserver/", { token: null }, 401],
    ["GET", "/mail/smtpserver/none", {}, 404],
    ["POST", "/mail/smtpserver/a", { json: {} }, 400],
    ["POST", "/mail/smtpserver/", { json: {} }, 405],
    ["DELETE", "/mail/mail", {}, 405],
    ["GET", "/mail/mail/x", {}, 400],
    ["GET", "/mail/mail/00000000-0000-4000-8000-000000000000", {}, 404],
    ["GET", "/mail/nothing", {}, 404],
    ["POST", "/mail/smtpserver/a", { json: { x: "x".repeat(300_000) } }, 413],
    ["POST", "/mail/smtpserver/a", { body: "x", headers: { "content-type": "image/png" } }, 415],
    ["POST", "/mail/auth", { json: { username: "admin", password: "wrong" } }, 401],
  ])("returns an envelope for %s %s", async (method, path, options, status) => {
    await using host = await mounted();
    const { body, headers, ...response } = await host.request(method, path, options);
    expect([response.status, body.jsonrpc, body.result.status]).toEqual([status, "2.0", false]);
    expect(headers.get("cache-control")).toBe("no-store");
  });

  test("audits failures under the prefix", async () => {
    await using host = await mounted();
    await host.request("GET", "/mail/smtpserver/", { token: "garbage" });
    await host.request("POST", "/mail/smtpserver/a", { json: { port: 1 } });
    const { value } = await host.request("GET", "/mail/audit/");
    expect(value).toMatchObject({
      auditdata: [
        { success: false, identifier: "a", info: "missing_parameter server" },
        { success: false, info: "bad_token" },
      ],
    });
  });
});
