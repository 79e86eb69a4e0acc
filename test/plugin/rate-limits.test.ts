import { expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { definePlugin, type PluginContext, type RateLimit, route } from "sealpost/plugin";
import * as v from "valibot";
import { testInstance } from "../fixtures/instance.ts";

const counting = definePlugin({
  name: "counting",
  options: v.object({}),
  setup(ctx) {
    const counted = route({ method: "GET", path: "/counting", open: true }, async (c) => {
      await ctx.limits.consume(...ctx.limits.perClient(c, { key: "ask", max: 2, windowSeconds: 60 }));
      return true;
    });
    return { routes: [counted] };
  },
});

/** Returns the statuses of requests from these addresses. */
async function passed(peers: readonly (string | undefined)[], trustedClients: readonly string[] = []) {
  await using instance = await testInstance({ plugins: [counting()], trustedClients });
  const responses = [];
  for (const peer of peers) responses.push(await instance.request("GET", "/counting", { peer }));
  return responses.map(({ status }) => status);
}

test("limits.perClient() counts each client separately, and unknown clients together", async () => {
  expect(await passed(["192.0.2.1", "192.0.2.1", "192.0.2.1"])).toEqual([200, 200, 429]);
  expect(await passed(["192.0.2.1", "192.0.2.1", "192.0.2.2"])).toEqual([200, 200, 200]);
  expect(await passed([undefined, undefined, undefined])).toEqual([200, 200, 429]);
});

test("limits.perClient() counts the addresses of one IPv6 network as one client", async () => {
  expect(await passed(["2001:db8::1", "2001:db8::2", "2001:db8::3"])).toEqual([200, 200, 429]);
  expect(await passed(["2001:db8::1", "2001:db8::2", "2001:db8:0:1::3"])).toEqual([200, 200, 200]);
});

test("limits.perClient() does not limit trusted clients", async () => {
  expect(await passed(["192.0.2.1", "192.0.2.1", "192.0.2.1"], ["192.0.2.0/24"])).toEqual([200, 200, 200]);
});

/** The context of a plugin that does nothing. */
async function contextOf() {
  let context: PluginContext | undefined;
  const probe = definePlugin({
    name: "probe",
    options: v.object({}),
    setup(ctx) {
      context = ctx;
      return {};
    },
  });
  const instance = await testInstance({ plugins: [probe()] });
  if (!context) throw new Error("The plugin was not set up");
  return { instance, ctx: context };
}

test("limits.refund() takes back what a plan has counted, also twice under one key", async () => {
  const { instance, ctx } = await contextOf();
  await using _ = instance;
  const { limits, store } = ctx;
  const [ask, other] = [
    { key: "ask", max: 2, windowSeconds: 60 },
    { key: "other", max: 1, windowSeconds: 60 },
  ];
  const refund = store.prepare(() => limits.refund(sql`${sql.placeholder("isRight")} = 'yes'`));
  const counted = async (isRight: string) => {
    const plan = await limits.plan(ask, ask, other);
    const results = await store.commit([...plan.consume, refund({ limits: plan.limits, isRight })]);
    return plan.result(results).allowed;
  };
  expect([await counted("yes"), await counted("yes"), await counted("no"), await counted("no")]).toEqual([
    true,
    true,
    true,
    false,
  ]);
});

test("limits.planInOrder() counts a limit only if those before it allow", async () => {
  const { instance, ctx } = await contextOf();
  await using _ = instance;
  const [client, all] = [
    { key: "client", max: 1, windowSeconds: 60 },
    { key: "all", max: 2, windowSeconds: 60 },
  ];
  const counted = async (...limits: readonly RateLimit[]) => {
    const plan = await ctx.limits.planInOrder(...limits);
    return plan.result(await ctx.store.commit(plan.consume)).allowed;
  };
  const results = [];
  for (let times = 0; times < 5; times++) results.push(await counted(client, all));
  // The client was rejected four times, which has left one of `all` to others.
  expect([...results, await counted(all), await counted(all)]).toEqual([
    true,
    false,
    false,
    false,
    false,
    true,
    false,
  ]);
});

test("audit.prepareRow() rejects a value with the name of a field", async () => {
  const { instance, ctx } = await contextOf();
  await using _ = instance;
  const row = ctx.audit.prepareRow(sql`${sql.placeholder("identifier")} = 'mine'`);
  expect(() => row(null, { success: true }, { identifier: "mine" })).toThrow(
    new TypeError('The placeholder "identifier" is a field of the audit row: rename it'),
  );
});
