import { expect, test } from "bun:test";
import { definePlugin, route } from "sealpost/plugin";
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
