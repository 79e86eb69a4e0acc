import { describe, expect, test } from "bun:test";
import { sqliteTable, text } from "drizzle-orm/sqlite-core";
import { definePlugin, type PluginContext, route, serverNames, setting } from "sealpost/plugin";
import * as v from "valibot";
import { KEYS, type TestInstanceOptions, testInstance } from "../fixtures/instance.ts";

const box = sqliteTable("probe_box", {
  id: text("id").primaryKey(),
  secret: text("secret").notNull(),
  plain: text("plain").notNull(),
});
const SQL =
  "CREATE TABLE probe_box (id TEXT PRIMARY KEY NOT NULL, secret TEXT NOT NULL, plain TEXT NOT NULL) STRICT;";
const OTHER_KEY = `other:${new Uint8Array(32).fill(9).toBase64()}`;
const MESSAGE = { to: [{ name: "", address: "ann@example.net" }], subject: "Hello", text: "Hi" };

const settings = (options: { readonly server: readonly string[] }) => ({
  "probe.identifier": setting(serverNames, options.server, { description: "Servers", namesServer: true }),
  "probe.seconds": setting(v.pipe(v.number("expected a number"), v.minValue(1)), 120, {
    description: "Seconds",
  }),
  "probe.enabled": setting(v.boolean("expected true or false"), false, { description: "Whether" }),
  "probe.token": setting(v.string(), "", { description: "Token", secret: true }),
});
type ProbeContext = PluginContext<ReturnType<typeof settings>>;

/** Starts an instance with a plugin and returns the plugin's context. */
async function probe(options: TestInstanceOptions = {}, server: readonly string[] = []) {
  let context: ProbeContext | undefined;
  const make = definePlugin({
    name: "probe",
    options: v.object({ server: v.array(v.string()) }),
    tables: { box },
    migrations: [{ name: "0001", sql: SQL }],
    sealed: [{ row: box.id, columns: [box.secret] }],
    settings,
    setup(ctx) {
      context = ctx;
      const probed = route({ method: "GET", path: "/probe", open: true }, (c) => [
        c.get("clientAddress"),
        ctx.limits.isTrustedClient(c),
      ]);
      return { routes: [probed] };
    },
  });
  const instance = await testInstance({ plugins: [make({ server: [...server] })], ...options });
  if (!context) throw new Error("The plugin was not set up");
  return { instance, ctx: context, [Symbol.asyncDispose]: () => instance[Symbol.asyncDispose]() };
}

describe("secrets.mac()", () => {
  test("is the same after a restart and a key rotation, and differs between databases", async () => {
    await using first = await probe();
    const before = await first.ctx.secrets.mac("123456");
    expect(before).toMatch(/^[\w-]{43}$/);
    expect(await first.ctx.secrets.mac("123457")).not.toBe(before);
    const rotating = await probe({ database: first.instance.database, keys: `${OTHER_KEY},${KEYS}` });
    await rotating.instance.services.rekey();
    const rotated = await probe({ database: first.instance.database, keys: OTHER_KEY });
    expect(await rotated.ctx.secrets.mac("123456")).toBe(before);
    await using elsewhere = await probe();
    expect(await elsewhere.ctx.secrets.mac("123456")).not.toBe(before);
  });
});

describe("secrets.seal() and secrets.open()", () => {
  test("bind a text to its table, row and column, also after a key rotation", async () => {
    await using first = await probe();
    const { ctx, instance } = first;
    const sealed = await ctx.secrets.seal(box.secret, "1", "a secret");
    await ctx.store.commit([ctx.store.write.insert(box).values({ id: "1", secret: sealed, plain: "" })]);
    expect((await ctx.secrets.open(box.secret, "1", sealed)).reveal()).toBe("a secret");
    await expect(ctx.secrets.open(box.secret, "2", sealed)).rejects.toMatchObject({ code: "unsealable" });
    const rotating = await probe({ database: instance.database, keys: `${OTHER_KEY},${KEYS}` });
    await rotating.instance.services.rekey();
    const [row] = await ctx.store.read.select().from(box);
    const rotated = await probe({ database: instance.database, keys: OTHER_KEY });
    expect((await rotated.ctx.secrets.open(box.secret, "1", row?.secret ?? "")).reveal()).toBe("a secret");
  });

  test("reject a column that is not declared", async () => {
    await using created = await probe();
    await expect(created.ctx.secrets.seal(box.plain, "1", "x")).rejects.toThrow('"plain" is not among those');
  });

  test("stop a start without the key of a plugin's column", async () => {
    await using first = await probe();
    const { ctx, instance } = first;
    const rotating = await probe({ database: instance.database, keys: `${OTHER_KEY},${KEYS}` });
    await rotating.instance.services.rekey();
    const secret = await ctx.secrets.seal(box.secret, "1", "old");
    await ctx.store.commit([ctx.store.write.insert(box).values({ id: "1", secret, plain: "" })]);
    await expect(probe({ database: instance.database, keys: OTHER_KEY })).rejects.toThrow('key "first"');
  });
});

describe("limits", () => {
  const limit = { key: "ann@example.net", max: 3, windowSeconds: 60 };
  const take = async ({ limits, store }: ProbeContext) => {
    const { consume, result } = await limits.plan(limit);
    return result(await store.commit(consume));
  };

  test("allow their maximum across concurrent calls and other processes, until the window ends", async () => {
    await using first = await probe();
    const second = await probe({ database: first.instance.database });
    const calls = Array.from({ length: 20 }, (_, index) => take((index % 2 ? first : second).ctx));
    const results = await Promise.all(calls);
    expect(results.filter(({ allowed }) => allowed)).toHaveLength(3);
    expect(results.find(({ allowed }) => !allowed)).toEqual({ allowed: false, retryAfterSeconds: 60 });
    first.instance.clock.advance(60);
    expect(await take(first.ctx)).toEqual({ allowed: true, retryAfterSeconds: 0 });
  });

  test("do not last longer after the clock is set back", async () => {
    await using created = await probe();
    await Promise.all(Array.from({ length: 4 }, () => take(created.ctx)));
    created.instance.clock.advance(-86_400);
    expect(await take(created.ctx)).toEqual({ allowed: true, retryAfterSeconds: 0 });
  });

  test("consume() throws with the longest waiting time of several limits", async () => {
    await using created = await probe();
    const wide = { key: "client", max: 1, windowSeconds: 600 };
    await created.ctx.limits.consume(limit, wide);
    await expect(created.ctx.limits.consume(limit, wide)).rejects.toMatchObject({
      code: "too_many_tries",
      retryAfterSeconds: 600,
    });
    await created.ctx.limits.consume(limit);
  });

  test("store no key in the clear", async () => {
    await using created = await probe();
    await take(created.ctx);
    expect(
      JSON.stringify(await created.instance.database.read.all("SELECT * FROM try_window")),
    ).not.toContain("ann");
  });
});

describe("mail.submit()", () => {
  const save = async ({ instance }: Awaited<ReturnType<typeof probe>>, ...names: readonly string[]) => {
    for (const name of names) {
      await instance.request("POST", `/smtpserver/${name}`, {
        json: { server: `${name}.example.org`, sender: "a@b.org" },
      });
    }
  };

  test.each<
    [what: string, option: readonly string[], named: string | readonly string[] | undefined, host: string]
  >([
    ["the default definition", [], undefined, "default"],
    ["the default definition for an empty name", [], "", "default"],
    ["the configured definition", ["main"], undefined, "main"],
    ["the named definition", ["main"], "other", "other"],
    ["the first of several", [], ["other", "main"], "other"],
  ])("sends through %s", async (_, option, named, host) => {
    await using created = await probe({}, option);
    await save(created, "default", "main", "other");
    expect((await created.ctx.mail.submit(named, MESSAGE)).state).toBe("delivered");
    expect(created.instance.sent[0]?.server.host).toBe(`${host}.example.org`);
  });

  test("returns the failure, and the audit log names the plugin", async () => {
    await using created = await probe();
    const result = await created.ctx.mail.submit("none", MESSAGE);
    expect(result).toMatchObject({ state: "failed", failure: { code: "server_unknown" } });
    const { value } = await created.instance.request("GET", "/audit/");
    expect(value).toMatchObject({
      auditdata: [
        { action: "plugin probe", success: false, identifier: "none", recipient: "ann@example.net" },
      ],
    });
  });
});

describe("settings", () => {
  test("are the default, then the option, then the value that an admin sets", async () => {
    await using created = await probe({}, ["main"]);
    const { ctx, instance } = created;
    expect(await ctx.settings.all()).toEqual({
      ...{ "probe.identifier": ["main"], "probe.seconds": 120, "probe.enabled": false, "probe.token": "" },
    });
    await instance.request("POST", "/system/setConfig", {
      form: {
        "probe.identifier": "a, b",
        "probe.seconds": "60",
        "probe.enabled": "1",
        "probe.token": "t0ken",
      },
    });
    expect(await ctx.settings.all()).toEqual({
      ...{
        "probe.identifier": ["a", "b"],
        "probe.seconds": 60,
        "probe.enabled": true,
        "probe.token": "t0ken",
      },
    });
    const seconds: number = await ctx.settings.get("probe.seconds");
    expect(seconds).toBe(60);
  });

  test("fall back to the default if the stored value is no longer valid", async () => {
    await using created = await probe();
    await created.instance.database.commit([
      created.instance.database.write.run("INSERT INTO plugin_config VALUES ('probe.seconds', '0', '')"),
    ]);
    expect(await created.ctx.settings.get("probe.seconds")).toBe(120);
  });
});

test("limits.isTrustedClient() recognizes the clients of the setting", async () => {
  await using created = await probe({ trustedClients: ["192.0.2.0/28"] });
  const ask = async (peer: string | undefined) =>
    (await created.instance.request("GET", "/probe", { peer })).value;
  expect(await ask("192.0.2.10")).toEqual(["192.0.2.10", true]);
  expect(await ask("::ffff:192.0.2.99")).toEqual(["192.0.2.99", false]);
  expect(await ask(undefined)).toEqual([null, false]);
});

test("random.text() draws all characters equally often", async () => {
  await using created = await probe();
  const text = created.ctx.random.text(100_000, "0123456789");
  const counts = Object.values(Object.groupBy(text, (digit) => digit)).map((digits) => digits?.length ?? 0);
  // Six standard deviations (95) of a binomial distribution.
  for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(570);
  expect(counts).toHaveLength(10);
});

test("audit.row() with ifChanged writes a row only if the statement before it changed one", async () => {
  await using created = await probe();
  const { ctx, instance } = created;
  const change = (id: string) => [
    ctx.store.write.insert(box).values({ id, secret: "", plain: "" }).onConflictDoNothing(),
    ctx.audit.row(null, { success: true, identifier: id }, "ifChanged"),
  ];
  await ctx.store.commit(change("1"));
  await ctx.store.commit(change("1"));
  const { value } = await instance.request("GET", "/audit/", { query: { action: "plugin probe" } });
  expect(value).toMatchObject({ count: 1, auditdata: [{ identifier: "1" }] });
});

test("disposing of the instance waits for background() work", async () => {
  const created = await probe();
  let done = false;
  created.ctx.background(
    Bun.sleep(20).then(() => {
      done = true;
    }),
  );
  created.ctx.background(Promise.reject(new Error("no")));
  await created[Symbol.asyncDispose]();
  expect(done).toBe(true);
});
