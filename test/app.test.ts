import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Hono } from "hono";
import { definePlugin, route } from "sealpost/plugin";
import * as v from "valibot";
import type { Env } from "../src/contracts/env.ts";
import { DEFAULT_PLUGINS } from "../src/runtime/default-plugins.ts";
import { internalsOf } from "../src/sealpost.ts";
import { type TestSealpost, testSealpost } from "../src/testing/test-sealpost.ts";

/** Its first segment is variable, so its routes fit every resource. */
const tenants = definePlugin({
  name: "tenants",
  options: v.object({}),
  setup: () => ({
    routes: [
      route(
        { method: "GET", path: "/:tenant/its/own/motto/here", open: true },
        (c) => c.req.param("tenant") ?? "",
      ),
      route({ method: "POST", path: "/token/motto", open: true }, () => "token"),
    ],
  }),
});

const METHODS = ["GET", "POST", "DELETE", "HEAD", "PATCH"];
const ODD_PATHS = [
  ...["/", "/?a=1", "//smtpserver", "/smtpserver", "/smtpserver/", "/smtpserver/a/b", "/smtp%73erver/"],
  ...[
    "/smtpserver/%2F",
    "/smtpserver/a%",
    "/unknown",
    "/unknown/a",
    "/*",
    "/:tenant/its/own/motto/here",
    "/constructor",
  ],
  ...[
    "/ui",
    "/ui/",
    "/any/its/own/motto/here",
    "/any/its/own/motto/here/",
    "/smtpserver/its/own/motto/here",
    "/token/motto",
    "/toke%6E/motto",
  ],
];

let instance: TestSealpost;
let pathsOfDocument: readonly string[];

beforeAll(async () => {
  instance = await testSealpost({ plugins: [...DEFAULT_PLUGINS, tenants({})], ui: true });
  const document = (await (await instance.request("/openapi.json")).json()) as { readonly paths: object };
  pathsOfDocument = Object.keys(document.paths).map((path) => path.replaceAll(/\{\w+\}/g, "x"));
});
afterAll(() => instance[Symbol.asyncDispose]());

/** Returns what a client sees, without what differs from request to request. */
async function seen(response: Response) {
  const text = (await response.text())
    .replaceAll(/"(time|iat|exp|updated_at)":[\d.]+/g, "")
    .replaceAll(/"request_id":"\w+"/g, "")
    .replaceAll(/^sealpost_http_.*\n/gm, "");
  const headers = [...response.headers].filter(([name]) => name !== "content-length");
  return { status: response.status, headers, text };
}

async function both(method: string, path: string) {
  const { app, fetch } = internalsOf(instance.sealpost) as {
    readonly app: () => Hono<Env>;
    readonly fetch: (request: Request) => Response | Promise<Response>;
  };
  const headers = method === "GET" ? { Authorization: instance.token } : {};
  const request = () => new Request(`http://sealpost.test${path}`, { method, headers });
  return [await seen(await fetch(request())), await seen(await app().fetch(request()))] as const;
}

describe("an app for each resource", () => {
  test.each(METHODS)("responds to %s of every path as one app with all routes does", async (method) => {
    expect(pathsOfDocument.length).toBeGreaterThan(80);
    for (const path of [...pathsOfDocument, ...ODD_PATHS]) {
      const [apart, whole] = await both(method, path);
      expect({ path, ...apart }).toEqual({ path, ...whole });
    }
  });

  test.each([
    ["/any/its/own/motto/here", "any"],
    ["/smtpserver/its/own/motto/here", "smtpserver"],
  ])("serves a route with a variable first segment at %s", async (path, value) => {
    const [apart] = await both("GET", path);
    expect(apart.text).toContain(`"value":"${value}"`);
  });
});
