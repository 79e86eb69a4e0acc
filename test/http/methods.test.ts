import { expect, test } from "bun:test";
import { DEFAULT_PLUGINS } from "../../src/runtime/default-plugins.ts";
import { testInstance } from "../fixtures/instance.ts";

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"];

/** Returns a URL of a declared path: with a value for each variable, and a collection also without its slash. */
function urlsOf(path: string): string[] {
  const url = path.replaceAll(/\{\w+\}/g, "1");
  return url.endsWith("/") ? [url, url.slice(0, -1)] : [url];
}

test("every path of the core and the plugins is 405 for the methods that it does not have, with those that it has", async () => {
  await using instance = await testInstance({ plugins: DEFAULT_PLUGINS });
  const { text } = await instance.request("GET", "/openapi.json");
  const paths: Readonly<Record<string, object>> = JSON.parse(text).paths;
  const declared = Object.entries(paths).flatMap(([path, operations]) =>
    Object.keys(operations)
      .map((name) => name.toUpperCase())
      .filter((name) => METHODS.includes(name))
      .flatMap((method) => urlsOf(path).map((url) => ({ url, method, fits: patternOf(path) }))),
  );
  expect(declared.length).toBeGreaterThan(100);
  for (const { url, method: own } of declared) {
    const known = declared.filter(({ fits }) => fits.test(url)).map(({ method }) => method);
    for (const method of METHODS.filter((one) => !known.includes(one))) {
      const { status, error, headers } = await instance.request(
        method,
        url,
        method === "GET" ? {} : { json: {} },
      );
      expect([method, url, status, error?.code]).toEqual([method, url, 405, 405]);
      expect(headers.get("allow")?.split(", ")).toContain(own);
    }
  }
});

/** Returns a pattern of the URLs of a path. */
function patternOf(path: string): RegExp {
  const pattern = path
    .replace(/\/$/, "")
    .replaceAll(".", "\\.")
    .replaceAll(/\{\w+\}/g, "[^/]+");
  return new RegExp(`^${pattern}/?$`);
}
