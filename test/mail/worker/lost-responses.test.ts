import { expect, test } from "bun:test";
import { object } from "valibot";
import type { Database } from "../../../src/contracts/database.ts";
import { definePlugin } from "../../../src/plugin.ts";
import { abandonedError } from "../../../src/storage/errors.ts";
import { openEmptyDatabase } from "../../fixtures/database.ts";
import { realRandomBytes } from "../../fixtures/instance.ts";
import { gate, LOST, MESSAGE, queueInstance, REFUSED, until } from "../fixtures/queue.ts";

const TWO = { ...MESSAGE, to: ["ann", "bob"].map((name) => ({ name: "", address: `${name}@example.net` })) };

/** A database that loses the responses to the first commits with a statement of this form. */
function lossyDatabase(form: RegExp, times = 1) {
  const database = openEmptyDatabase({ randomBytes: realRandomBytes });
  const run = database.commit.bind(database) as (...given: readonly unknown[]) => Promise<unknown>;
  let lost = 0;
  database.commit = (async (...given: readonly unknown[]) => {
    const result = await run(...given);
    const texts = given
      .flat()
      .map((one) => (one as { getQuery?: () => { sql: string } }).getQuery?.().sql ?? "");
    if (lost >= times || !texts.some((text) => form.test(text))) return result;
    lost++;
    throw abandonedError();
  }) as Database["commit"];
  return { database, lost: () => lost };
}

/** An instance that lists the events about mail, each as its name and recipients. */
async function listeningInstance(options: Parameters<typeof queueInstance>[0]) {
  const events: string[] = [];
  const on = Object.fromEntries(
    ["mail_sent", "mail_failed", "mail_unknown"].map((name) => [
      name,
      async ({ data }: { readonly data: Readonly<Record<string, unknown>> }) =>
        void events.push(`${name} ${data.recipients}`),
    ]),
  );
  const listener = definePlugin({ name: "listener", options: object({}), setup: () => ({ on }) });
  const instance = await queueInstance({ ...options, plugins: [listener()] });
  await instance.save();
  return { ...instance, events };
}

const WORKER_ROWS = "SELECT recipient, outcome FROM audit WHERE action = 'worker'";

test.each([
  ["failed", REFUSED, [{ recipient: "ann@example.net", outcome: "not-sent" }]],
  ["unknown", LOST, [{ recipient: "ann@example.net", outcome: "unknown" }]],
  ["sent", null, []],
] as const)(
  "a recorded outcome whose response is lost is reported once: %s",
  async (state, failure, rows) => {
    const { database, lost } = lossyDatabase(/INTO mail_attempt/, 2);
    await using instance = await listeningInstance({ database });
    if (failure) instance.fail({ ...failure, times: 1 });
    const id = await instance.queue({ onUnknown: "stop" }, { ...MESSAGE, to: TWO.to.slice(0, 1) });
    await instance.drain();
    await instance.services.settled();
    expect(lost()).toBe(2);
    const { state: found, attempts, recipients } = await instance.mail(id);
    expect([found, attempts.length, recipients[0]?.attempts]).toEqual([state, 1, 1]);
    expect(instance.events).toEqual([`mail_${state} ann@example.net`]);
    expect(await instance.rows(WORKER_ROWS)).toEqual([...rows]);
  },
);

test("an expiry whose response is lost is reported once", async () => {
  const { database, lost } = lossyDatabase(/INTO mail_attempt/);
  await using instance = await listeningInstance({ database });
  const id = await instance.queue({ expiresAt: new Date(instance.clock.now.getTime() + 60_000) });
  instance.clock.advance(61);
  await instance.drain();
  await instance.services.settled();
  expect(lost()).toBe(1);
  expect((await instance.mail(id)).state).toBe("expired");
  expect(instance.events).toEqual(["mail_failed user@example.net"]);
  expect(await instance.rows(WORKER_ROWS)).toHaveLength(1);
});

test("an outcome of one of several recipients whose response is lost is one attempt", async () => {
  const { database, lost } = lossyDatabase(/INTO mail_attempt/);
  const entrance = gate();
  await using instance = await listeningInstance({
    database,
    around: async ({ recipient }, send) => {
      if (recipient === "bob@example.net") await entrance.pass();
      return send();
    },
  });
  const id = await instance.queue({}, TWO);
  const draining = instance.drain();
  await entrance.reached();
  await until(() => lost() === 1, "the response is lost");
  entrance.open();
  await draining;
  await instance.services.settled();
  const { state, attempts } = await instance.mail(id);
  expect(state).toBe("sent");
  expect(attempts.map(({ recipient }) => recipient)).toEqual(["ann@example.net", "bob@example.net"]);
  expect(instance.events).toEqual(["mail_sent ann@example.net,bob@example.net"]);
});

test("an outcome that another worker has taken over meanwhile is not reported", async () => {
  const entrance = gate();
  await using instance = await listeningInstance({
    around: async (_, send) => {
      await entrance.pass();
      return send();
    },
  });
  instance.fail({ ...REFUSED, times: 1 });
  const id = await instance.queue();
  const draining = instance.drain();
  await entrance.reached();
  await instance.rows(`UPDATE mail SET lease = NULL WHERE id = '${id}'`);
  entrance.open();
  await draining;
  await instance.services.settled();
  expect((await instance.mail(id)).attempts).toEqual([]);
  expect(instance.events).toEqual([]);
  expect(await instance.rows(WORKER_ROWS)).toEqual([]);
  const { text } = await instance.request("GET", "/metrics");
  expect(text).toContain("sealpost_audit_total{");
  expect(text).not.toContain('action="worker"');
});

test.each([
  ["notice", "sent"],
  ["code", "sent"],
] as const)(
  "messages of a claim whose response is lost are sent when the lease ends: %s",
  async (purpose, state) => {
    const { database, lost } = lossyDatabase(/"lost" = CASE/);
    await using instance = await listeningInstance({ database });
    const id = await instance.queue({ purpose });
    await instance.drain();
    expect(lost()).toBe(1);
    expect((await instance.mail(id)).state).toBe("sending");
    instance.clock.advance(9);
    await instance.drain();
    expect(instance.got).toHaveLength(0);
    instance.clock.advance(2);
    await instance.drain();
    expect((await instance.mail(id)).state).toBe(state);
    expect(instance.got).toHaveLength(1);
  },
);
