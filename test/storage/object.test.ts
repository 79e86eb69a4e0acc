import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { MIGRATIONS } from "../../src/storage/migrations/index.ts";
import { openWithinObject, stopObjects } from "../fixtures/object/connect.ts";
import { Child, TEST_MS } from "../fixtures/process/child.ts";

const ROOT = join(import.meta.dir, "../..");
/** Suites that use a database, and run on that of a Durable Object unchanged. */
const SUITES = ["due-mail", "held-mail", "mail-upkeep", "server-health", "smtp-servers"].map(
  (name) => `test/storage/${name}.test.ts`,
);
const LONG_SUITES = [
  "test/storage/epoch.test.ts",
  "test/storage/migrate.test.ts",
  "test/http",
  "test/access",
];

afterAll(stopObjects);

test("a Durable Object opens its own database: migrations, shared commits and searches, and marks of its changes", async () => {
  const { marks, ...opened } = await openWithinObject();
  expect(opened).toMatchObject({
    applied: MIGRATIONS.map(({ name }) => name),
    page: { total: 1, entries: [{ number: 2, identifier: "b", recipient: "Ann@example.org" }] },
    // A statement that has changed no row is left out.
    committed: ["DELETE FROM audit WHERE number = 2"],
  });
  const [before, written, read] = marks;
  expect([written === before, read === written]).toEqual([false, true]);
});

test(
  "the suites of the storage hold on the database of a Durable Object",
  async () => {
    const [first = "", ...others] = process.env.LONG_TESTS === "1" ? [...SUITES, ...LONG_SUITES] : SUITES;
    const { ended } = new Child(first, others, {
      ...{ folder: ROOT, interpreter: [process.execPath, "test"] },
      env: { TEST_DATABASE: "object", NO_COLOR: "1" },
    });
    const { code, stderr } = await ended;
    expect([code, stderr]).toEqual([0, expect.stringContaining("\n 0 fail\n")]);
  },
  TEST_MS,
);
