import { describe, expect, test } from "bun:test";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import {
  type Directory,
  definePlugin,
  type Plugin,
  type PluginDefinition,
  type PluginInstance,
  route,
} from "sealpost/plugin";
import * as v from "valibot";
import { testInstance } from "../fixtures/instance.ts";

declare module "sealpost/plugin" {
  interface Capabilities {
    exampleLeft: string;
    exampleRight: string;
  }
}

type Definition = Partial<PluginDefinition<v.GenericSchema, Record<never, never>>>;

/** A plugin with only these properties. */
function plugin(name: string, definition: Definition = {}, running: PluginInstance = {}): Plugin {
  return definePlugin({ name, options: v.object({}), setup: () => running, ...definition })();
}
const refusal = (...plugins: readonly Plugin[]) =>
  testInstance({ plugins }).then(
    () => "",
    (error: Error) => error.message,
  );
const jobs = sqliteTable("a_job", {
  id: text("id").primaryKey(),
  at: integer("at", { mode: "timestamp" }),
  ms: integer("ms", { mode: "timestamp_ms" }),
});
const newJobs = sqliteTable("a_job", { laterMs: integer("later_ms") });
const table = (name: string) => sqliteTable(name, { id: text("id").primaryKey() });
const routes = (...paths: readonly `/${string}`[]) => ({
  routes: paths.map((path) => route({ method: "GET", path, open: true }, () => path)),
});
const DIRECTORY: Directory = {
  defaultRealm: "default",
  find: async () => null,
  findByAddress: async () => [],
  list: async () => [],
  attribute: async () => "",
  verifyPassword: async () => false,
  setPassword: async () => false,
  create: async () => false,
  remove: async () => false,
};

describe("plugins are rejected", () => {
  test.each<[what: string, plugins: Plugin[], message: string]>([
    ["with the same name", [plugin("a"), plugin("a")], 'a and a both have the name "a"'],
    [
      "with an invalid name",
      [plugin("A b")],
      '"A b" is not a plugin name: expected lowercase letters, digits and -',
    ],
    [
      "with the same right",
      [plugin("a", { rights: { read: "" } }), plugin("b", { rights: { read: "" } })],
      'a and b both have the right "read"',
    ],
    [
      "with a right of Sealpost itself",
      [plugin("a", { rights: { auditlog: "" } })],
      'sealpost and a both have the right "auditlog"',
    ],
    [
      "with the same event",
      [plugin("a", { events: ["said"] }), plugin("b", { events: ["said"] })],
      'a and b both have the event "said"',
    ],
    [
      "with a table name outside the plugin's prefix",
      [plugin("a-b", { tables: { t: table("b_t") } })],
      'a-b: the name of the table "b_t" must start with a_b_',
    ],
    [
      "with a transient table that is not theirs",
      [plugin("a", { transient: [jobs] })],
      'a: the transient table "a_job" is not among its tables',
    ],
    [
      "with the due times of a table that is not theirs",
      [plugin("a", { dueTimes: [jobs.ms] })],
      'a: the due time "a_job.ms" is not a column of its tables',
    ],
    [
      "with the due times of a column that is not in their table",
      [plugin("a", { tables: { jobs }, dueTimes: [jobs.ms, newJobs.laterMs] })],
      'a: the due time "a_job.later_ms" is not a column of its tables',
    ],
    [
      "with due times in seconds, or in a text",
      [plugin("a", { tables: { jobs }, dueTimes: [jobs.at, jobs.id] })],
      'a: the due time "a_job.at" is not an integer in milliseconds; a: the due time "a_job.id" is not an integer in milliseconds',
    ],
    [
      "with the same table",
      [plugin("a", { tables: { t: table("a_b_t") } }), plugin("a-b", { tables: { t: table("a_b_t") } })],
      'a and a-b both have the table "a_b_t"',
    ],
    [
      "with the same capability",
      [plugin("a", { provides: ["directory"] }), plugin("b", { provides: ["directory"] })],
      'a and b both have the capability "directory"',
    ],
    [
      "if a required capability is missing",
      [plugin("a", { requires: ["directory"] })],
      'a requires "directory", which no plugin provides',
    ],
    [
      "that do not provide a declared capability",
      [plugin("a", { provides: ["directory"] })],
      'a provides no "directory"',
    ],
    [
      "with overlapping routes",
      [plugin("a", {}, routes("/x/:id")), plugin("b", {}, routes("/x/y"))],
      "a and b both have the route GET /x/y",
    ],
    [
      "with a route of Sealpost itself",
      [plugin("a", {}, routes("/smtpserver/x/"))],
      "sealpost and a both have the route GET /smtpserver/x/",
    ],
    ["with a wildcard", [plugin("a", {}, routes("/a/*"))], 'a: "/a/*" is not a valid path'],
  ])("%s", async (_, plugins, message) => {
    expect(await refusal(...plugins)).toBe(`Plugins: ${message}`);
  });

  test("that a host has added to the list of an earlier instance", async () => {
    const plugins = [plugin("a")];
    await using _earlier = await testInstance({ plugins });
    plugins.push(plugin("a"));
    expect(await refusal(...plugins)).toBe('Plugins: a and a both have the name "a"');
    await expect(testInstance({ plugins })).rejects.toThrow("both have the name");
  });

  test("with all problems in one line", async () => {
    const options = v.object({ seconds: v.number("expected a number") });
    const strict = definePlugin({ name: "strict", options, setup: () => ({}) });
    // @ts-expect-error: neither is an option.
    const message = await refusal(strict({ seconds: "x", other: 1 }), plugin("a"), plugin("a"));
    expect(message).toBe(
      'Plugins: strict: other: there is no such option; strict: seconds: expected a number; a and a both have the name "a"',
    );
  });

  test("that require each other", async () => {
    const first = plugin("a", { requires: ["exampleRight"], provides: ["exampleLeft"] });
    const second = plugin("b", { requires: ["exampleLeft"], provides: ["exampleRight"] });
    expect(await refusal(first, second)).toBe("Plugins: a requires b requires a: they wait for each other");
  });

  test("before their tables are created", async () => {
    await using instance = await testInstance();
    const migrations = [{ name: "0001", sql: "CREATE TABLE a_t (id TEXT) STRICT;" }];
    const wrong = plugin("a", { migrations }, routes("/auth"));
    await expect(testInstance({ plugins: [wrong], database: instance.database })).rejects.toThrow(
      "Plugins: sealpost and a",
    );
  });
});

describe("the life cycle of plugins", () => {
  test("sets up and starts a plugin after those that it requires, and closes in reverse order", async () => {
    const done: string[] = [];
    const living = (name: string, definition: Definition, running: PluginInstance = {}) =>
      definePlugin({
        name,
        options: v.object({}),
        ...definition,
        setup(ctx) {
          done.push(`setup ${name}`);
          if (definition.requires) expect(ctx.capabilities.use("directory")).toBe(DIRECTORY);
          if (definition.optional) expect(ctx.capabilities.find("directory")).toBe(DIRECTORY);
          const say = (what: string) => async () => void done.push(`${what} ${name}`);
          return { ...running, start: say("start"), close: say("close"), prune: say("prune") };
        },
      })();
    const plugins = [
      living("user", { requires: ["directory"] }),
      living("may", { optional: ["directory"] }),
      living("giver", { provides: ["directory"] }, { provides: { directory: DIRECTORY } }),
    ];
    const instance = await testInstance({ plugins });
    await instance.services.prune();
    await instance[Symbol.asyncDispose]();
    const order = ["giver", "user", "may"];
    const each = (what: string, names: readonly string[]) => names.map((name) => `${what} ${name}`);
    expect(done).toEqual([
      ...each("setup", order),
      ...each("start", order),
      ...each("prune", order),
      ...each("close", order.toReversed()),
    ]);
  });

  const FOREVER = () => new Promise<never>(() => undefined);
  const AT_ONCE = () => {
    throw new Error("no");
  };

  test.each([
    ["hangs", FOREVER],
    ["throws synchronously", AT_ONCE],
    ["rejects", () => Promise.reject(new Error("no"))],
  ])("continues for the others when servers, prune or close of one plugin %s", async (_, never) => {
    const done: string[] = [];
    const other = {
      servers: async () => ["main"],
      prune: async () => void done.push("prune"),
      close: async () => void done.push("close"),
    };
    const broken = { servers: never, prune: never, close: never };
    const plugins = [plugin("other", {}, other), plugin("broken", {}, broken), plugin("third", {}, other)];
    const instance = await testInstance({ plugins, pluginRequestMs: 20 });
    await instance.request("POST", "/smtpserver/main", {
      json: { server: "a.example", sender: "a@b.org" },
    });
    const listed = await instance.request("GET", "/plugins/");
    expect(listed.value).toMatchObject([
      { name: "other", servers: [{ identifier: "main", exists: true }] },
      { name: "broken", servers: [] },
      { name: "third", servers: [{ identifier: "main", exists: true }] },
    ]);
    const deleted = await instance.request("DELETE", "/smtpserver/main");
    expect([deleted.value, deleted.detail]).toEqual([true, { used_by: ["other", "third"] }]);
    await instance.services.prune();
    await instance[Symbol.asyncDispose]();
    expect(done).toEqual(["prune", "prune", "close", "close"]);
  });

  test("runs what comes before the plugins after the migrations", async () => {
    const order: string[] = [];
    const start = async () => void order.push("start");
    await using instance = await testInstance({ plugins: [plugin("a", {}, { start })] });
    const { services, database } = instance;
    await services.start(async () => {
      await database.read.all("SELECT 1 FROM admin");
      order.push("before");
    });
    expect(order).toEqual(["start", "before", "start"]);
  });

  test("ends when the start of a plugin fails, and the error names the plugin", async () => {
    const start = () => Promise.reject(new Error("no"));
    expect(await refusal(plugin("broken", {}, { start }))).toBe("Plugin broken did not start: no");
  });

  test("ends when the start of a plugin hangs", async () => {
    const plugins = [plugin("stuck", {}, { start: () => new Promise(() => undefined) })];
    await expect(testInstance({ plugins, pluginRequestMs: 20 })).rejects.toThrow(
      "Plugin stuck did not start",
    );
  });

  test("keeps migrations apart: a removed plugin does no harm, an older version does not start", async () => {
    const migrations = ["0001", "0002"].map((name) => ({
      name,
      sql: `CREATE TABLE a_${name} (id TEXT) STRICT;`,
    }));
    await using instance = await testInstance({ plugins: [plugin("a", { migrations })] });
    const again = (plugins: readonly Plugin[]) => testInstance({ plugins, database: instance.database });
    await again([]);
    await again([plugin("b", { migrations: [{ name: "0001", sql: "CREATE TABLE b_t (id TEXT) STRICT;" }] })]);
    await expect(again([plugin("a", { migrations: migrations.slice(0, 1) })])).rejects.toThrow('"a/0002"');
  });
});
