import { expect, test } from "bun:test";
import { object } from "valibot";
import type { Database } from "../../../src/contracts/database.ts";
import { definePlugin } from "../../../src/plugin.ts";
import { abandonedError } from "../../../src/storage/errors.ts";
import { openEmptyDatabase } from "../../fixtures/database.ts";
import { realRandomBytes } from "../../fixtures/instance.ts";
import {
  ACTOR,
  GREYLISTED,
  HOUR_SECONDS,
  LOST,
  MESSAGE,
  type QueueInstance,
  type QueueOptions,
  queueInstance,
  REFUSED,
} from "../fixtures/queue.ts";

const NAMES = ["mail_sent", "mail_failed", "mail_unknown"] as const;
const SENDER_REJECTED = { phase: "sender", code: "sender_rejected" } as const;

/** An instance that lists the events about mail, each as its name and recipients. */
async function listeningInstance(options: QueueOptions = {}) {
  const events: string[] = [];
  const listen =
    (name: string) =>
    async ({ data }: { readonly data: Readonly<Record<string, unknown>> }) => {
      events.push(`${name} ${data.recipients} ${data.mailId === "" ? "without ID" : data.identifier}`);
    };
  const on = Object.fromEntries(NAMES.map((name) => [name, listen(name)]));
  const listener = definePlugin({ name: "listener", options: object({}), setup: () => ({ on }) });
  const instance = await queueInstance({ ...options, plugins: [listener()] });
  await instance.save();
  return {
    ...instance,
    /** Returns the events since the last call. */
    async events() {
      await instance.services.settled();
      return events.splice(0).toSorted();
    },
  };
}

/** A message to recipients with these local parts. */
function messageTo(...names: readonly string[]) {
  return { ...MESSAGE, to: names.map((name) => ({ name: "", address: `${name}@example.net` })) };
}

/** Returns the audit rows of workers, each as its recipient and the start of its info. */
async function workerRows(instance: QueueInstance): Promise<string[]> {
  const rows = await instance.rows<{ recipient: string; outcome: string; info: string }>(
    "SELECT * FROM audit WHERE action = 'worker' ORDER BY number",
  );
  return rows.map(
    ({ recipient, outcome, info }) => `${recipient} ${outcome} ${info.split(" ").slice(0, 2).join(" ")}`,
  );
}

async function adminRows(instance: QueueInstance): Promise<number> {
  return (await instance.rows("SELECT 1 FROM audit WHERE action = 'test'")).length;
}

/** Drains until every recipient of a message has its final state. */
async function drainToEnd(instance: QueueInstance, id: string): Promise<void> {
  for (let hours = 0; hours < 30; hours++) {
    await instance.drain();
    if ((await instance.mail(id)).recipients.every(({ dueAt }) => dueAt === null)) return;
    instance.clock.advance(HOUR_SECONDS);
  }
  throw new Error("The message has no final state");
}

test("a cancellation emits the events of the recipients whose state is final, and writes their audit rows", async () => {
  await using instance = await listeningInstance();
  // The attempts run from the first recipient to the last.
  for (const failure of [REFUSED, LOST, GREYLISTED]) instance.fail({ ...failure, times: 1 });
  const message = messageTo("ann", "bob", "cid", "dora");
  const id = await instance.queue({ onUnknown: "stop" }, message);
  await instance.drain();
  const { recipients } = await instance.mail(id);
  expect(recipients.map(({ state }) => state)).toEqual(["failed", "unknown", "deferred", "sent"]);
  expect(await instance.events()).toEqual([]);

  await instance.services.mailQueue.cancel(id, ACTOR);
  expect(await instance.events()).toEqual([
    "mail_failed ann@example.net a",
    "mail_sent dora@example.net a",
    "mail_unknown bob@example.net a",
  ]);
  expect(await workerRows(instance)).toEqual([
    "ann@example.net not-sent failed recipient_rejected",
    "bob@example.net unknown unknown closed",
  ]);
  expect(await adminRows(instance)).toBe(1);

  await expect(instance.services.mailQueue.cancel(id, ACTOR)).rejects.toMatchObject({ code: "conflict" });
  await instance.drain();
  expect(await instance.events()).toEqual([]);
  expect(await workerRows(instance)).toHaveLength(2);
  expect(await adminRows(instance)).toBe(1);
});

test("a cancellation of a message that reached no recipient emits no event", async () => {
  await using instance = await listeningInstance();
  const id = await instance.queue({}, messageTo("ann", "bob"));
  await instance.services.mailQueue.cancel(id, ACTOR);
  expect(await instance.events()).toEqual([]);
  expect(await workerRows(instance)).toEqual([]);
  expect(await adminRows(instance)).toBe(1);
});

test("a retry of a final message emits only the events of the recipients that it is queued again for", async () => {
  await using instance = await listeningInstance();
  instance.fail({ ...REFUSED, times: 1 });
  instance.fail({ ...SENDER_REJECTED, times: 1 });
  const id = await instance.queue({}, messageTo("ann", "bob", "cid"));
  await instance.drain();
  instance.fail({ ...SENDER_REJECTED, times: 100 });
  await drainToEnd(instance, id);
  expect(await instance.events()).toEqual([
    "mail_failed ann@example.net,bob@example.net a",
    "mail_sent cid@example.net a",
  ]);
  const rows = [
    "ann@example.net not-sent failed recipient_rejected",
    "bob@example.net not-sent failed sender_rejected",
  ];
  expect(await workerRows(instance)).toEqual(rows);

  await instance.services.mailQueue.retry(id, ACTOR);
  await drainToEnd(instance, id);
  expect((await instance.mail(id)).state).toBe("failed");
  expect(await instance.events()).toEqual(["mail_failed bob@example.net a"]);
  expect(await workerRows(instance)).toEqual([...rows, rows[1] ?? ""]);
  expect(await adminRows(instance)).toBe(1);
});

test("a cancellation after a retry of a final message repeats no event", async () => {
  await using instance = await listeningInstance();
  instance.fail({ ...SENDER_REJECTED, times: 1 });
  const id = await instance.queue({}, messageTo("ann", "bob"));
  await instance.drain();
  instance.fail({ ...SENDER_REJECTED, times: 100 });
  await drainToEnd(instance, id);
  expect(await instance.events()).toEqual(["mail_failed ann@example.net a", "mail_sent bob@example.net a"]);
  await instance.services.mailQueue.retry(id, ACTOR);
  await instance.services.mailQueue.cancel(id, ACTOR);
  expect(await instance.events()).toEqual([]);
  expect(await workerRows(instance)).toHaveLength(1);
  expect(await adminRows(instance)).toBe(2);
});

test("a retry before the end emits each event once, at the end", async () => {
  await using instance = await listeningInstance();
  instance.fail({ ...REFUSED, times: 1 });
  instance.fail({ ...GREYLISTED, times: 1 });
  const id = await instance.queue({}, messageTo("ann", "bob", "cid"));
  await instance.drain();
  await instance.services.mailQueue.retry(id, ACTOR);
  expect(await instance.events()).toEqual([]);
  await instance.drain();
  expect(await instance.events()).toEqual([
    "mail_failed ann@example.net a",
    "mail_sent bob@example.net,cid@example.net a",
  ]);
  expect(await workerRows(instance)).toHaveLength(1);
});

test("a cancellation whose response is lost is done, and reported once", async () => {
  const database = openEmptyDatabase({ randomBytes: realRandomBytes });
  const commit = database.commit.bind(database) as (...given: readonly unknown[]) => Promise<unknown>;
  let isLossy = false;
  database.commit = (async (...given: readonly unknown[]) => {
    const results = await commit(...given);
    if (isLossy) throw abandonedError();
    return results;
  }) as Database["commit"];
  await using instance = await listeningInstance({ database });
  instance.fail({ ...REFUSED, times: 1 });
  instance.fail({ ...GREYLISTED, times: 1 });
  const id = await instance.queue({}, messageTo("ann", "bob", "cid"));
  await instance.drain();
  isLossy = true;
  await instance.services.mailQueue.cancel(id, ACTOR);
  isLossy = false;
  expect((await instance.mail(id)).recipients.map(({ state }) => state)).toEqual([
    "failed",
    "cancelled",
    "sent",
  ]);
  expect(await instance.events()).toEqual(["mail_failed ann@example.net a", "mail_sent cid@example.net a"]);
  expect(await workerRows(instance)).toHaveLength(1);
  expect(await adminRows(instance)).toBe(1);
});
