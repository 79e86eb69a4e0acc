import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { inspect } from "node:util";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import type { Transport } from "../../src/contracts/transport.ts";
import { Secret } from "../../src/domain/secret.ts";
import { KEYS, type TestInstance, testInstance } from "../fixtures/instance.ts";
import { SENDER, sender } from "../fixtures/smime/authority.ts";
import { encrypt } from "../fixtures/smime/keys.ts";

const ACTOR = { action: "cli test", administrator: "", realm: "", client: "", policies: "", requestId: "" };
const SECRETS = {
  smtp: "smtp-pässword-8f2c",
  wrong: "wrong-password-91ac",
  passphrase: "pass-phrase-77d0",
  admin: "admin-password-c0de",
  query: "query-secret-1234",
};
const CENSORED = "__CENSORED__";

const records: LogRecord[] = [];
beforeAll(() =>
  configure({
    sinks: { kept: (record) => void records.push(record) },
    loggers: [
      { category: ["sealpost"], lowestLevel: "trace", sinks: ["kept"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["kept"] },
    ],
    reset: true,
  }),
);
afterAll(() => reset());

/** Every form in which a secret is recognizable. */
function formsOf(secret: string): string[] {
  const bytes = new TextEncoder().encode(secret);
  return [
    secret,
    encodeURIComponent(secret),
    bytes.toBase64(),
    bytes.toHex(),
    JSON.stringify(secret).slice(1, -1),
  ];
}

async function dump({ database }: TestInstance): Promise<string> {
  const tables = await database.read.all<{ name: string }>(
    "SELECT name FROM sqlite_master WHERE type = 'table'",
  );
  const contents = await Promise.all(tables.map(({ name }) => database.read.all(`SELECT * FROM "${name}"`)));
  return inspect(contents, { depth: 9, maxArrayLength: null, maxStringLength: null });
}

/** Saves, tests, fails and logs in. @returns the texts of all responses that must not contain a secret. */
async function scenario(instance: TestInstance): Promise<string[]> {
  const { key, certificate } = await sender("p256");
  const private_key = await encrypt(key, [], SECRETS.passphrase);
  const server = { server: "mail.example.org", username: "user", sender: SENDER };
  const secrets = {
    password: SECRETS.smtp,
    private_key,
    private_key_password: SECRETS.passphrase,
    certificate,
  };
  const responses: string[] = [];
  const step = async (method: string, path: string, options: Parameters<TestInstance["request"]>[2] = {}) => {
    responses.push((await instance.request(method, path, options)).text);
  };
  const save = (json: object) => step("POST", "/smtpserver/a", { json: { ...server, ...json } });
  const send = (json: object) =>
    step("POST", "/smtpserver/send_test_email", {
      json: { ...server, recipient: "u@example.net", identifier: "a", ...json },
    });

  await save({ ...secrets, smime: true });
  await save({ ...secrets, private_key_password: SECRETS.wrong, smime: true });
  await save({ ...secrets, port: "x" });
  await save({ ...secrets, private_key: SECRETS.smtp });
  await save({ ...secrets, certificate: SECRETS.smtp });
  await save({ password: `${SECRETS.smtp}\r\n` });
  await save({ password: [SECRETS.smtp] });
  await save({ server: `smtp://user:${SECRETS.smtp}@mail.example.org` });
  await save({ server: "elsewhere.example.org" });
  await send({ ...secrets, smime: true });
  await send({
    password: CENSORED,
    private_key: CENSORED,
    private_key_password: CENSORED,
    certificate,
    smime: true,
  });
  await send({ ...secrets, private_key_password: SECRETS.wrong, smime: true });
  await send({ password: SECRETS.wrong });
  await step("GET", "/smtpserver/?censor=1");
  await step("GET", "/smtpserver/", { query: { password: SECRETS.query } });
  const json = { "content-type": "application/json" };
  await step("POST", "/smtpserver/a", { body: `{"password":"${SECRETS.smtp}"`, headers: json });
  await step("POST", "/auth", { json: { username: "admin", password: SECRETS.wrong } });
  await step("POST", "/auth", { json: { username: SECRETS.wrong, password: SECRETS.admin } });
  await step("GET", "/smtpserver/", { token: `${instance.token}x` });
  await step("GET", "/audit/");
  await step("GET", "/policy/");
  await instance.services.admins.save(
    { username: "admin", realm: "" },
    { password: new Secret(SECRETS.admin) },
    ACTOR,
  );
  await step("GET", "/smtpserver/");
  await instance.logIn("admin", SECRETS.admin);
  return responses;
}

/** A transport that throws an unexpected error. */
const broken: Transport = {
  name: "broken",
  send: async ({ server }) => {
    throw new Error("The transport broke", { cause: { server } });
  },
  [Symbol.asyncDispose]: async () => undefined,
};

describe.each([
  ["that works", {}],
  ["whose transport breaks", { transport: broken }],
] as const)("an instance %s", (_, options) => {
  test("keeps every secret out of responses, audit rows, log and database", async () => {
    await using instance = await testInstance(options);
    const responses = await scenario(instance);
    const log = inspect(records, {
      depth: 12,
      maxArrayLength: null,
      maxStringLength: null,
      showHidden: true,
    });
    const places = { responses: responses.join("\n"), log, database: await dump(instance) };
    const secrets = [...Object.values(SECRETS), instance.token, KEYS.split(":")[1] ?? ""];
    for (const [place, text] of Object.entries(places)) {
      for (const form of secrets.flatMap(formsOf)) {
        expect([place, form, text.includes(form)]).toEqual([place, form, false]);
      }
      expect([place, text.includes("PRIVATE KEY-----\\nM")]).toEqual([place, false]);
    }
  });
});

test("the error of the broken transport is in the log, so the test above searched something", async () => {
  records.length = 0;
  await using instance = await testInstance({ transport: broken });
  await scenario(instance);
  expect(records.filter(({ level }) => level === "error").length).toBeGreaterThan(0);
});
