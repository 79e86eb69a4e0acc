import { expect, test } from "bun:test";
import { definePlugin } from "sealpost/plugin";
import { directory } from "sealpost/plugins/directory";
import * as v from "valibot";
import { openEmptyDatabase } from "../../fixtures/database.ts";
import { realRandomBytes, testInstance } from "../../fixtures/instance.ts";

const BEA = {
  id: "bea",
  realm: "default",
  email: "",
  phone: "",
  givenname: "",
  surname: "",
  passwordHash: "",
} as const;

/** A database in which `meanwhile` runs after each commit that fails, before its caller knows. */
function afterFailures(meanwhile: () => Promise<unknown>) {
  const inner = openEmptyDatabase({ randomBytes: realRandomBytes });
  const database: typeof inner = Object.assign(Object.create(inner), {
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
    commit: (...call: Parameters<typeof inner.commit>) =>
      inner.commit(...call).catch(async (error) => {
        await meanwhile();
        throw error;
      }),
  });
  return { database, run: (sql: string) => inner.commit([inner.write.run(sql)]) };
}

test("a user is created if the one who had the name is deleted before it can be read", async () => {
  const { database, run } = afterFailures(() => run("DELETE FROM directory_user"));
  await using instance = await testInstance({ database, plugins: [directory()] });
  const add = (username: string) => instance.request("POST", "/user/", { json: { username } });
  await add("ann");
  const { status, value } = await add("Ann");
  expect(status).toBe(200);
  expect((await instance.request("GET", "/user/")).value).toMatchObject([{ userid: value, username: "Ann" }]);
});

test("a plugin's statement that violates a constraint creates no user, and is committed a few times at most", async () => {
  let failed = 0;
  const { database } = afterFailures(async () => void failed++);
  const host = definePlugin({
    name: "host",
    options: v.strictObject({}),
    requires: ["directory"],
    setup: ({ capabilities, store }) => ({
      routes: [],
      start: async () => {
        const broken = store.write.run("INSERT INTO directory_user (id) VALUES (NULL)");
        const created = capabilities.use("directory").create({ ...BEA, username: "bea" }, [broken]);
        await created.catch(() => undefined);
      },
    }),
  });
  await using instance = await testInstance({ database, plugins: [directory(), host()] });
  expect(failed).toBeLessThan(10);
  expect((await instance.request("GET", "/user/")).value).toEqual([]);
});
