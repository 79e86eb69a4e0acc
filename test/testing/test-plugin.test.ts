import { describe, expect, test } from "bun:test";
import { sqliteTable, text } from "drizzle-orm/sqlite-core";
import { definePlugin, route, setting } from "sealpost/plugin";
import { testPlugin } from "sealpost/testing";
import * as v from "valibot";

type Definition = Parameters<typeof definePlugin>[0];

/** A plugin that keeps every promise, but for the parts given. */
const probe = (parts: Partial<Definition> = {}) =>
  definePlugin({ name: "probe", options: v.object({}), setup: () => ({}), ...parts });
const read = { method: "GET", path: "/probe/:id", right: "probe_read", summary: "Read a probe" } as const;
const withRoute = (declaration: object) =>
  probe({
    rights: { probe_read: "Read probes" },
    setup: () => ({
      routes: [route({ ...read, response: v.number(), ...declaration }, async () => new Response("1"))],
    }),
  });
const item = sqliteTable("probe_item", { id: text().primaryKey(), name: text() });
const CREATE = "CREATE TABLE probe_item (id TEXT PRIMARY KEY, name TEXT)";
const migrations = (sql: string) => [{ name: "0001_items", sql }];

const PROBLEMS: readonly (readonly [what: string, plugin: ReturnType<typeof probe>, problem: string])[] = [
  [
    "accepts any options",
    probe({ options: v.record(v.string(), v.unknown()) }),
    "Unknown options are accepted: options must be an object schema.",
  ],
  [
    "does not describe a setting",
    probe({ settings: () => ({ "probe.size": setting(v.number(), 1, { description: "" }) }) }),
    "The setting probe.size has no description.",
  ],
  [
    "does not describe a right",
    probe({ rights: { probe_read: "" } }),
    "The right probe_read has no description.",
  ],
  [
    "has a table that its migrations create otherwise",
    probe({ tables: { item }, migrations: migrations("CREATE TABLE probe_item (id TEXT PRIMARY KEY)") }),
    "The table probe_item is not as declared: compare its columns and migrations.",
  ],
  [
    "does not declare a table",
    probe({ migrations: migrations(CREATE) }),
    "The table probe_item is not in tables.",
  ],
  [
    "does not declare a response",
    withRoute({ response: undefined }),
    "GET /probe/<id> declares no response.",
  ],
  ["does not name a route", withRoute({ summary: undefined }), "GET /probe/<id> has no summary."],
  [
    "does not start again",
    probe({
      setup: ({ store }) => ({
        start: async () => void (await store.commit([store.write.insert(item).values({ id: "1" })])),
      }),
      tables: { item },
      migrations: migrations(CREATE),
    }),
    "The plugin failed: ",
  ],
  [
    "does not close",
    probe({ setup: () => ({ close: () => Promise.reject(new Error("stuck")) }) }),
    "close failed: Error: stuck.",
  ],
];

describe("testPlugin", () => {
  test.each(PROBLEMS)("finds a plugin that %s", async (_, plugin, problem) => {
    const { problems } = await testPlugin(plugin, {});
    expect(problems).toEqual([expect.stringContaining(problem)]);
  });

  test("finds options that are not valid", async () => {
    const plugin = definePlugin({ name: "probe", options: v.object({ to: v.string() }), setup: () => ({}) });
    const { problems } = await testPlugin((options: object) => plugin(options as { to: string }), {});
    expect(problems).toEqual([expect.stringMatching(/^The options are invalid: to: /)]);
  });

  test("counts and prints the round trips of the routes that were called", async () => {
    const lines: string[] = [];
    const print = (line: string) => void lines.push(line);
    const { problems, roundTrips } = await testPlugin(
      withRoute({}),
      {},
      {
        print,
        async exercise({ request }) {
          for (const path of ["/probe/6", "/probe/7?x=1"]) await request(path);
        },
      },
    );
    expect([problems, lines]).toEqual([[], ["probe: GET /probe/<id>: 1 reads, 0 commits"]]);
    expect(roundTrips).toEqual({ "GET /probe/<id>": { reads: 1, commits: 0 } });
  });

  test("finds no problem in a plugin that does nothing", async () => {
    expect(await testPlugin(probe(), {})).toEqual({ problems: [], roundTrips: {} });
  });
});
