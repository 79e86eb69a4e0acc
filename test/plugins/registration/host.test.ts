import { expect, test } from "bun:test";
import { type Directory, definePlugin, type NewUser } from "sealpost/plugin";
import { directory } from "sealpost/plugins/directory";
import { registration } from "sealpost/plugins/registration";
import { testSealpost } from "sealpost/testing";
import * as v from "valibot";
import { testInstance } from "../../fixtures/instance.ts";
import { ANN, codeIn, confirm, delivered, lastCode, register, saveDefinition } from "./setup.ts";

const no = (): never => {
  throw new Error("Not expected in this test");
};

/** A directory outside of this database: it creates the user first and commits the extra statements afterwards. */
function elsewhere(create: (user: NewUser) => Promise<void>, find: Directory["find"] = async () => null) {
  return definePlugin({
    name: "elsewhere",
    options: v.object({}),
    provides: ["directory"],
    setup(ctx) {
      const users: Directory = {
        ...{ defaultRealm: "host", findByAddress: no, list: no, attribute: no, remove: no },
        ...{ verifyPassword: no, setPassword: no },
        find,
        async create(user, also = []) {
          await create(user);
          await ctx.store.commit(also);
          return true;
        },
      };
      return { provides: { directory: users } };
    },
  })();
}

test("registration() works in a host app's tests", async () => {
  await using sealpost = await testSealpost({ plugins: [directory(), registration({ enabled: true })] });
  await sealpost.request("/smtpserver/default", {
    json: { server: "mail.example.org", sender: "app@example.org" },
  });
  const response = await sealpost.request("/register", { json: ANN });
  const { detail } = (await response.json()) as { detail: { transaction_id: string } };
  await sealpost.drain();
  const code = codeIn(sealpost.sent[0]?.message.text);
  const confirmed = await sealpost.request("/register/confirm", {
    json: { transaction_id: detail.transaction_id, code },
  });
  expect(await confirmed.json()).toMatchObject({ result: { value: true } });
});

test("one of two concurrent correct codes creates the user, no matter how slow the host's directory is", async () => {
  const both = Promise.withResolvers<void>();
  const ids: string[] = [];
  const plugins = [
    elsewhere(async ({ id }) => {
      if (ids.push(id) === 2) both.resolve();
      await both.promise;
    }),
    registration({ enabled: true }),
  ];
  await using instance = await testInstance({ plugins });
  await saveDefinition(instance);
  const { id } = await register(instance);
  const code = await lastCode(instance);
  const responses = await Promise.all([confirm(instance, id, code), confirm(instance, id, code)]);
  expect(responses.map(({ value }) => value).toSorted()).toEqual([false, true]);
  expect(new Set(ids).size).toBe(1);
  const done = "SELECT count(*) AS n FROM audit WHERE action = 'POST /register/confirm' AND success = 1";
  expect(await instance.database.read.all(done)).toEqual([{ n: 1 }]);
});

test("a code can be used again after the host's directory failed, and the directory gets the same user", async () => {
  const created: NewUser[] = [];
  const plugins = [
    elsewhere(async (user) => {
      created.push(user);
      if (created.length <= 6) throw new Error("Unavailable");
    }),
    registration({ enabled: true }),
  ];
  await using instance = await testInstance({ plugins });
  await saveDefinition(instance);
  const { id } = await register(instance);
  const code = await lastCode(instance);
  for (let index = 0; index < 6; index++) expect((await confirm(instance, id, code)).status).toBe(500);
  const { value, detail } = await confirm(instance, id, code);
  expect([value, detail]).toEqual([true, { username: "ann", realm: "host" }]);
  expect(created[6]).toEqual(created[0]);
});

test.each([
  ["no address", ""],
  ["an invalid address", "ask the front desk"],
  ["an address with a display name", "Ann <ann@example.net>"],
])("a taken name gets the same response as a free one when the host's directory has %s", async (_, email) => {
  const known = { id: "1", username: "ann", realm: "host", email, phone: "", givenname: "", surname: "" };
  const find: Directory["find"] = async ({ username }) => (username === "ann" ? known : null);
  const plugins = [
    elsewhere(() => Promise.reject(new Error("Not expected in this test")), find),
    registration({ enabled: true }),
  ];
  await using instance = await testInstance({ plugins });
  await saveDefinition(instance);
  const [taken, free] = [await register(instance), await register(instance, { ...ANN, username: "bob" })];
  expect([taken.response.status, taken.response.value]).toEqual([free.response.status, free.response.value]);
  const recipients = (await delivered(instance)).map(({ recipient }) => recipient).toSorted();
  expect(recipients).toEqual([...(email.includes("@") ? ["ann@example.net"] : []), ANN.email].toSorted());
});
