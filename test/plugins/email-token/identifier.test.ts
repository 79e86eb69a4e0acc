import { describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { emailToken } from "sealpost/plugins/email-token";
import { smsGateway } from "sealpost/plugins/sms-gateway";
import { readPlugins } from "../../../src/plugin/registry.ts";
import { migrate } from "../../../src/storage/migrate.ts";
import { MIGRATIONS } from "../../../src/storage/migrations/index.ts";
import { openEmptyDatabase } from "../../fixtures/database.ts";
import { realRandomBytes } from "../../fixtures/instance.ts";
import { PIN, SERVER, type Started, started, startedWithout, verdictOf, WRONG } from "./support.ts";

const init = (it: Started, json: object) =>
  it.post("/token/init", { type: "email", user: "ann", dynamic_email: true, pin: PIN, ...json });
const senders = async (it: Started) => (await it.messages()).map(({ from }) => from?.address);
/** The definitions that the plugin names. */
const servers = async ({ request }: Pick<Started, "request">) => {
  const { value } = await request("GET", "/plugins/");
  const plugins = value as { name: string; servers: { identifier: string }[] }[];
  return plugins.find(({ name }) => name === "email-token")?.servers.map(({ identifier }) => identifier);
};
const outcomeOf = async (response: ReturnType<Started["post"]>) => {
  const { status, error } = await response;
  return [status, error?.code, error?.message];
};

describe("email.identifier of a token", () => {
  test("is the definition that its codes go through, and no other, even after it was deleted", async () => {
    await using it = await started();
    await it.post("/smtpserver/other", { ...SERVER, sender: "other@example.org" });
    await it.post("/system/setConfig", { "email.identifier": "default" });
    const serial = String((await init(it, { "email.identifier": "other" })).detail?.serial);
    const { value } = await it.request("GET", "/token/");
    expect(value).toMatchObject({ tokens: [{ info: { dynamic_email: true, "email.identifier": "other" } }] });
    expect(verdictOf(await it.check({ user: "ann", pass: PIN }))[2]).toBe("CHALLENGE");
    expect(await senders(it)).toEqual(["other@example.org"]);

    const saved = await it.post("/smtpserver/other", { ...SERVER, sender: "other@example.org" });
    expect(saved.status).toBe(200);
    expect(await servers(it)).toEqual(["default", "other"]);
    expect((await it.request("DELETE", "/smtpserver/other")).value).toBe(true);
    it.clock.advance(31);
    const { detail, value: triggered } = await it.trigger({ serial });
    expect(triggered).toBe(0);
    expect(detail?.failures).toMatchObject([{ serial, code: "server_unknown" }]);
    expect(it.sent).toHaveLength(1);
  });

  test("must exist, belong to the type, and is the setting again after it was left out", async () => {
    await using it = await started();
    await it.post("/smtpserver/other", { ...SERVER, sender: "other@example.org" });
    expect(await outcomeOf(init(it, { "email.identifier": "none" }))).toEqual([
      400,
      905,
      "ERR905: Invalid parameter: email.identifier: there is no server definition of this name",
    ]);
    expect(await outcomeOf(init(it, { "sms.identifier": "default" }))).toEqual([
      400,
      905,
      "ERR905: Invalid parameter: sms.identifier: tokens of type email do not use it",
    ]);
    const serial = (await init(it, { "email.identifier": "other" })).detail?.serial;
    expect((await init(it, { serial, "email.identifier": "" })).status).toBe(200);
    await it.check({ user: "ann", pass: PIN });
    expect(await senders(it)).toEqual([SERVER.sender]);
  });
});

test("the names that tokens have are known without counting codes and attempts as changes", async () => {
  await using it = await started();
  for (const name of ["other", "third"]) await it.post(`/smtpserver/${name}`, SERVER);
  const changes = async () => {
    const row = await it.database.read.get<{ n: number }>(
      sql`SELECT n FROM epoch WHERE part = 'email_token_route'`,
    );
    return row.n;
  };
  const serials: unknown[] = [];
  for (const identifier of ["other", "other", "", "third"]) {
    serials.push((await init(it, { "email.identifier": identifier })).detail?.serial);
  }
  const [first, second, , third] = serials;
  expect(await servers(it)).toEqual(["default", "other", "third"]);
  const before = await changes();
  await it.check({ user: "ann", pass: PIN });
  await it.check({ user: "ann", pass: PIN + WRONG });
  await it.post("/token/disable", { serial: first });
  await it.post("/token/reset", { user: "ann" });
  await it.request("DELETE", `/token/${first}`);
  expect(await changes()).toBe(before);
  expect(await servers(it)).toEqual(["default", "other", "third"]);
  await init(it, { serial: second, "email.identifier": "third" });
  expect(await servers(it)).toEqual(["default", "third"]);
  await it.request("DELETE", `/token/${third}`);
  expect(await servers(it)).toEqual(["default", "third"]);
  await init(it, { serial: second });
  expect(await servers(it)).toEqual(["default"]);
});

test("the names of tokens that an earlier version stored are known as well", async () => {
  const database = openEmptyDatabase({ randomBytes: realRandomBytes });
  const { migrations } = readPlugins([emailToken()]);
  const isNew = ({ name }: { name: string }) => /0005|kept/.test(name);
  const platform = { now: () => new Date(1_790_000_000_000) };
  await migrate(database, [...MIGRATIONS, ...migrations.filter((one) => !isNew(one))], platform);
  const insert = (serial: string, type: string, identifier: string) =>
    database.write.run(sql`INSERT INTO email_token_token (serial, type, user_id, username, realm, address, pin_hash,
      otp_length, description, fail_count, sent_at, transaction_id, created_at, identifier)
      VALUES (${serial}, ${type}, '', '', '', 'a@example.org', '', 6, '', 0, 0, '', 0, ${identifier})`);
  await database.commit([
    insert("A", "email", "office"),
    insert("B", "email", "office"),
    insert("C", "email", ""),
    insert("D", "sms", "carrier"),
  ]);
  await using it = await startedWithout({ database });
  expect(await servers(it)).toEqual(["default", "office"]);
});

test("sms.identifier of a token is the gateway that its codes go through", async () => {
  await using it = await started({ plugins: [smsGateway()] });
  for (const [name, domain] of [
    ["default", "sms.example.org"],
    ["other", "other.example.org"],
  ])
    await it.post("/smsgateway", { name, "option.MAILTO": `{phone}@${domain}` });
  const sms = { type: "sms", dynamic_email: null, dynamic_phone: true };
  expect((await outcomeOf(init(it, { ...sms, "sms.identifier": "none" }))).slice(0, 2)).toEqual([400, 905]);
  const serial = (await init(it, { ...sms, "sms.identifier": "other" })).detail?.serial;
  const { value } = await it.request("GET", "/token/");
  expect(value).toMatchObject({ tokens: [{ info: { dynamic_phone: true, "sms.identifier": "other" } }] });
  await it.check({ user: "ann", pass: PIN });
  expect(it.sent.map(({ recipient }) => recipient)).toEqual(["+491701234567@other.example.org"]);
  await it.request("DELETE", "/smsgateway/other");
  it.clock.advance(31);
  expect((await it.trigger({ serial })).detail?.failures).toMatchObject([{ code: "gateway_unknown" }]);
  expect(it.sent).toHaveLength(1);
});
