import { expect, test } from "bun:test";
import { databasePath } from "../../../src/runtime/local/database-path.ts";

const PATHS: readonly (readonly [url: string, path: string | null])[] = [
  ["file:data/sealpost.db", "data/sealpost.db"],
  ["file:/var/lib/sealpost.db", "/var/lib/sealpost.db"],
  ["file:///var/lib/seal%20post.db", "/var/lib/seal post.db"],
  ["file:data/seal%20post.db", "data/seal post.db"],
  [":memory:", null],
  ["file::memory:", null],
  ["libsql://db.example.org", null],
];
test.each(PATHS)("databasePath() of %s is %p", (url, path) => {
  expect(databasePath(url)).toBe(path);
});

test.each(["file:", "file://elsewhere/x.db", "file:///a%2Fb", "file:x.db?mode=ro", "file:%"])(
  "databasePath() rejects %s",
  (url) => {
    expect(() => databasePath(url)).toThrow("SEALPOST_DATABASE_URL: expected a path");
  },
);
