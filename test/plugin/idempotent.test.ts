import { describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { SealpostError } from "sealpost";
import { definePlugin, respond, route, type SubmitOutcome } from "sealpost/plugin";
import * as v from "valibot";
import { testInstance } from "../fixtures/instance.ts";

const LIMIT = { key: "guess", max: 1, windowSeconds: 60 };

function created() {
  let count = 0;
  const plugin = definePlugin({
    name: "counting",
    options: v.object({}),
    setup(ctx) {
      const routes = [
        route({ method: "POST", path: "/count/:what", open: true }, (c) =>
          ctx.idempotent(c, c.req.param(), async () => {
            if (c.req.param("what") === "nothing") throw new SealpostError("stale", "Nothing was done");
            count += 1;
            return count;
          }),
        ),
        route({ method: "POST", path: "/guess/:right", open: true }, async (c) => {
          await ctx.limits.consume(LIMIT);
          if (c.req.param("right") === "yes")
            await ctx.store.append(...(await ctx.limits.plan(LIMIT)).refund());
          return true;
        }),
        route({ method: "POST", path: "/letter/:server", open: true }, async (c) => {
          const message = { to: [{ name: "", address: "ann@example.net" }], subject: "Hello", text: "Hi" };
          const outcome: SubmitOutcome = await ctx.mail.submit(c.req.param("server"), message);
          const detail = { delivery: await ctx.mail.diagnose(outcome), servers: await ctx.mail.servers() };
          return respond(outcome.identifier, { detail });
        }),
      ];
      return { routes };
    },
  });
  return testInstance({ plugins: [plugin()] });
}
const withKey = (key: string) => ({ headers: { "Idempotency-Key": key } });

describe("idempotent()", () => {
  test("does the work once per key, and every time without a key", async () => {
    await using instance = await created();
    const count = async (path: string, options = {}) => (await instance.request("POST", path, options)).value;
    expect([await count("/count/a"), await count("/count/a")]).toEqual([1, 2]);
    expect([await count("/count/a", withKey("k")), await count("/count/a", withKey("k"))]).toEqual([3, 3]);
    instance.clock.advance(25 * 3_600);
    const token = await instance.logIn("admin", "correct horse");
    expect(await count("/count/a", { ...withKey("k"), token })).toBe(4);
  });

  test("rejects a key that was used for another request", async () => {
    await using instance = await created();
    await instance.request("POST", "/count/a", withKey("k"));
    expect((await instance.request("POST", "/count/b", withKey("k"))).status).toBe(409);
  });

  test("returns the response of work that is done, even if it cannot be stored", async () => {
    await using instance = await created();
    await instance.database.commit([
      instance.database.write.run(
        sql`CREATE TRIGGER fail BEFORE UPDATE ON idempotency BEGIN SELECT RAISE(ABORT, 'no'); END`,
      ),
    ]);
    expect(await instance.request("POST", "/count/a", withKey("k"))).toMatchObject({ status: 200, value: 1 });
    expect((await instance.request("POST", "/count/a", withKey("k"))).status).toBe(409);
  });

  test("releases the key if the work failed", async () => {
    await using instance = await created();
    for (let time = 0; time < 2; time++) {
      expect((await instance.request("POST", "/count/nothing", withKey("k"))).status).toBe(412);
    }
  });
});

test("refund() leaves only failures counted", async () => {
  await using instance = await created();
  const guess = async (right: string) => (await instance.request("POST", `/guess/${right}`)).status;
  expect([await guess("yes"), await guess("yes"), await guess("no")]).toEqual([200, 200, 200]);
  expect([await guess("yes"), await guess("no")]).toEqual([429, 429]);
});

test("mail.diagnose() shows the delivery of a message, and the outcome names its definition", async () => {
  await using instance = await created();
  const json = { server: "mail.example.org", sender: "app@example.org" };
  await instance.request("POST", "/smtpserver/main", { json });
  const sent = await instance.request("POST", "/letter/main");
  expect(sent).toMatchObject({ value: "main", detail: { delivery: { outcome: "sent" }, servers: ["main"] } });
  const lost = await instance.request("POST", "/letter/other");
  const delivery = { code: "server_unknown", hint: expect.stringContaining("No definition has this name") };
  expect(lost).toMatchObject({ value: "other", detail: { delivery } });
  await instance.request("POST", "/smtpserver/later", { json: { ...json, enqueue_job: true } });
  expect((await instance.request("POST", "/letter/later")).detail?.delivery).toBeNull();
});
