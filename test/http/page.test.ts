import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Hono } from "hono";
import { PAGE_HEADERS } from "../../src/http/page.ts";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";

const FILES: ReadonlyMap<string, Uint8Array<ArrayBuffer>> = new Map(
  ["index.html", "index-1a.js", "index-1a.js.gz", "index-1a.js.br", "index-1a.css"].map((name) => [
    name,
    Uint8Array.from(new TextEncoder().encode(`the bytes of ${name}`)),
  ]),
);
const BROWSER = { Accept: "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8" };

let instance: TestInstance;
beforeAll(async () => {
  instance = await testInstance({ ui: true, readPageFiles: async () => FILES });
});
afterAll(() => instance[Symbol.asyncDispose]());

const get = async (path: string, headers: Record<string, string> = {}) =>
  instance.app.request(path, { headers });

describe("GET /", () => {
  test("leads a browser to the page, and is unknown to programs", async () => {
    const page = await get("/", BROWSER);
    expect([page.status, page.headers.get("location"), page.headers.get("vary")]).toEqual([
      302,
      "ui/",
      "Accept",
    ]);
    const api = await get("/", { Accept: "application/json" });
    expect([api.status, api.headers.get("vary"), api.headers.get("cache-control")]).toEqual([
      404,
      "Accept",
      "no-store",
    ]);
  });

  test("leads to the page of the path that a host app mounts it at", async () => {
    const host = new Hono().route("/mail", instance.app);
    for (const path of ["/mail", "/mail/", "/mail/ui"]) {
      const { headers } = await host.request(`http://host.test${path}`, { headers: BROWSER });
      expect(new URL(headers.get("location") ?? "", `http://host.test${path}`).pathname).toBe("/mail/ui/");
    }
  });

  test("is unknown without the page", async () => {
    await using without = await testInstance();
    expect((await without.app.request("/", { headers: BROWSER })).status).toBe(404);
    expect((await without.app.request("/ui/", { headers: BROWSER })).status).toBe(404);
  });
});

describe("the files of the page", () => {
  test("the index is never stored, and has the headers of the page", async () => {
    const { status, headers } = await get("/ui/");
    expect([status, headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
    expect(Object.fromEntries(headers)).toMatchObject(
      Object.fromEntries(
        Object.entries({ ...PAGE_HEADERS.all, ...PAGE_HEADERS.index }).map(([name, value]) => [
          name.toLowerCase(),
          value,
        ]),
      ),
    );
    expect(headers.get("content-security-policy")).not.toContain("unsafe");
  });

  test("the others are immutable, and compressed as the browser accepts it", async () => {
    const cases = [
      ["br, gzip", "br"],
      ["gzip, deflate, br;q=0", "gzip"],
      ["gzip;q=0.5", "gzip"],
      ["identity", null],
      ["", null],
    ] as const;
    for (const [accepted, coding] of cases) {
      const { headers } = await get("/ui/index-1a.js", { "Accept-Encoding": accepted });
      expect([headers.get("content-encoding"), headers.get("vary")]).toEqual([coding, "Accept-Encoding"]);
      expect(headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    }
    const plain = await get("/ui/index-1a.css", { "Accept-Encoding": "br" });
    expect(await plain.text()).toBe("the bytes of index-1a.css");
  });

  test("other names are unknown, the compressed files among them", async () => {
    for (const name of ["unknown.js", "index-1a.js.gz", "..%2Findex.html", "a/index.html"]) {
      const response = await get(`/ui/${name}`);
      expect([response.status, response.headers.get("cache-control")]).toEqual([404, "no-store"]);
    }
  });
});
