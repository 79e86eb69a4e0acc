import { describe, expect, test } from "bun:test";
import { TrieRouter } from "hono/router/trie-router";
import { ResourceRouter } from "../../src/wire/mount-routes.ts";

const ROUTES = [
  ["ALL", "*", "middleware"],
  ["GET", "/", "home"],
  ["GET", "/ui/*", "page"],
  ["ALL", "*", "later middleware"],
  ["GET", "/smtpserver/", "list"],
  ["GET", "/smtpserver", "list"],
  ["POST", "/smtpserver/inspect", "inspect"],
  ["GET", "/smtpserver/:identifier", "show"],
  ["ALL", "/smtpserver/:identifier", "others"],
  ["GET", "/policy/:name{[a-z]+}", "policy"],
  ["GET", "/:anything", "variable"],
  ["ALL", "*", "not found"],
] as const;

const PATHS = [
  ...[
    "/",
    "/ui",
    "/ui/",
    "/ui/app.js",
    "/smtpserver",
    "/smtpserver/",
    "/smtpserver/inspect",
    "/smtpserver/a",
  ],
  ...[
    "/smtpserver/a/b",
    "/policy/name",
    "/policy/1",
    "/policy",
    "/unknown",
    "/unknown/a",
    "//smtpserver",
    "/*",
  ],
  ...["*", "", "/:anything", "/constructor"],
];

function filled<R extends { add(method: string, path: string, handler: string): void }>(router: R): R {
  for (const [method, path, handler] of ROUTES) router.add(method, path, handler);
  return router;
}

describe("ResourceRouter", () => {
  test.each(PATHS)("matches %p as a tree of all routes does", (path) => {
    const [router, tree] = [filled(new ResourceRouter<string>()), filled(new TrieRouter<string>())];
    for (const method of ["GET", "POST", "HEAD"]) {
      const expected = tree.match(method, path);
      expect(router.match(method, path)).toEqual(expected);
      expect(router.match(method, path)).toEqual(expected);
    }
  });

  test("takes routes after its first match", () => {
    const router = filled(new ResourceRouter<string>());
    router.match("GET", "/policy/name");
    router.add("GET", "/policy/:name", "new");
    expect(JSON.stringify(router.match("GET", "/policy/name"))).toContain("new");
  });
});
