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

/** How many of three requests from these addresses are let through. */
async function passed(peers: readonly (string | undefined)[], trustedClients: readonly string[] = []) {
  await using instance = await testInstance({ plugins: [counting()], trustedClients });
  const answers = [];
  for (const peer of peers) answers.push(await instance.request("GET", "/counting", { peer }));
  return answers.map(({ status }) => status);
}

test("limit.ofClient() counts each client by itself, and unknown ones together", async () => {
  expect(await passed(["192.0.2.1", "192.0.2.1", "192.0.2.1"])).toEqual([200, 200, 429]);
  expect(await passed(["192.0.2.1", "192.0.2.1", "192.0.2.2"])).toEqual([200, 200, 200]);
  expect(await passed([undefined, undefined, undefined])).toEqual([200, 200, 429]);
});

test("limit.ofClient() takes the addresses of one IPv6 network for one client", async () => {
  expect(await passed(["2001:db8::1", "2001:db8::2", "2001:db8::3"])).toEqual([200, 200, 429]);
  expect(await passed(["2001:db8::1", "2001:db8::2", "2001:db8:0:1::3"])).toEqual([200, 200, 200]);
});

test("limit.ofClient() lets trusted clients through", async () => {
  expect(await passed(["192.0.2.1", "192.0.2.1", "192.0.2.1"], ["192.0.2.0/24"])).toEqual([200, 200, 200]);
});
