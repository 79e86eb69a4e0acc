import { expect, test } from "bun:test";
import { type Directory, definePlugin, type NewUser } from "sealpost/plugin";
import { directory } from "sealpost/plugins/directory";
import { registration } from "sealpost/plugins/registration";
import { testSealpost } from "sealpost/testing";
import * as v from "valibot";
import { testInstance } from "../../fixtures/instance.ts";
import { ANN, codeIn, confirm, delivered, lastCode, makeServer, register } from "./setup.ts";

const no = (): never => {
  throw new Error("Not asked for here");
};

/** A directory that lies elsewhere: it makes the user first, and what is to be done also then. */
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

test("in a host app's test, a user registers with the code of a message", async () => {
  await using mail = await testSealpost({ plugins: [directory(), registration({ enabled: true })] });
  await mail.request("/smtpserver/default", {
    json: { server: "mail.example.org", sender: "app@example.org" },
  });
  const answer = await mail.request("/register", { json: ANN });
  const { detail } = (await answer.json()) as { detail: { transaction_id: string } };
  await mail.drain();
  const code = codeIn(mail.sent[0]?.message.text);
  const confirmed = await mail.request("/register/confirm", {
    json: { transaction_id: detail.transaction_id, code },
  });
  expect(await confirmed.json()).toMatchObject({ result: { value: true } });
});

test("of two right codes at once one makes the user, however slow the host's directory is", async () => {
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
  await makeServer(instance);
  const { id } = await register(instance);
  const code = await lastCode(instance);
  const answers = await Promise.all([confirm(instance, id, code), confirm(instance, id, code)]);
  expect(answers.map(({ value }) => value).toSorted()).toEqual([false, true]);
  expect(new Set(ids).size).toBe(1);
  const done = "SELECT count(*) AS n FROM audit WHERE action = 'POST /register/confirm' AND success = 1";
  expect(await instance.database.read.all(done)).toEqual([{ n: 1 }]);
});

test("a host's directory that fails has the code tried again, and gets the same user", async () => {
  const made: NewUser[] = [];
  const plugins = [
    elsewhere(async (user) => {
      made.push(user);
      if (made.length <= 6) throw new Error("Away");
    }),
    registration({ enabled: true }),
  ];
  await using instance = await testInstance({ plugins });
  await makeServer(instance);
  const { id } = await register(instance);
  const code = await lastCode(instance);
  for (let at = 0; at < 6; at++) expect((await confirm(instance, id, code)).status).toBe(500);
  const { value, detail } = await confirm(instance, id, code);
  expect([value, detail]).toEqual([true, { username: "ann", realm: "host" }]);
  expect(made[6]).toEqual(made[0]);
});

test.each([
  ["no address", ""],
  ["what is none", "ask the front desk"],
  ["one with a name", "Ann <ann@example.net>"],
])("a taken name is answered as a free one where the host's directory has %s", async (_, email) => {
  const known = { id: "1", username: "ann", realm: "host", email, phone: "", givenname: "", surname: "" };
  const find: Directory["find"] = async ({ username }) => (username === "ann" ? known : null);
  const plugins = [
    elsewhere(() => Promise.reject(new Error("Not asked for here")), find),
    registration({ enabled: true }),
  ];
  await using instance = await testInstance({ plugins });
  await makeServer(instance);
  const [taken, free] = [await register(instance), await register(instance, { ...ANN, username: "bob" })];
  expect([taken.answer.status, taken.answer.value]).toEqual([free.answer.status, free.answer.value]);
  const recipients = (await delivered(instance)).map(({ recipient }) => recipient).toSorted();
  expect(recipients).toEqual([...(email.includes("@") ? ["ann@example.net"] : []), ANN.email].toSorted());
});
