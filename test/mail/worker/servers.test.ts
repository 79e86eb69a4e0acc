import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { sql } from "drizzle-orm";
import type { Message } from "../../../src/domain/message.ts";
import { startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { makeTransport } from "../../transport/support.ts";
import { GREYLISTED, gate, MESSAGE, queueInstance, TO, until, working } from "../fixtures/queue.ts";

/** On a machine that is busy with others. */
setDefaultTimeout(30_000);

function messageTo(count: number): Message {
  const to = Array.from({ length: count }, (_, at) => ({ ...TO, address: `user${at}@example.net` }));
  return { ...MESSAGE, to };
}

describe("mails_per_minute", () => {
  test("is kept for any number of waiting messages", async () => {
    await using instance = await queueInstance();
    await instance.save("a", { mails_per_minute: 3 });
    for (let number = 0; number < 8; number++) await instance.queue();
    const sent: number[] = [];
    for (let round = 0; round < 4; round++) {
      await instance.drain();
      await instance.drain();
      sent.push(instance.got.length);
      instance.clock.advance(61);
    }
    expect(sent).toEqual([3, 6, 8, 8]);
  });

  test("counts recipients, each of which gets a message of its own", async () => {
    await using instance = await queueInstance();
    await instance.save("a", { mails_per_minute: 4 });
    for (const count of [3, 3, 1, 9, 2]) {
      await instance.queue({}, messageTo(count));
      instance.clock.advance(1);
    }
    const sent: number[] = [];
    for (let round = 0; round < 5; round++) {
      await instance.drain();
      await instance.drain();
      sent.push(instance.got.length);
      instance.clock.advance(61);
    }
    // The last message of a minute may exceed the limit.
    expect(sent).toEqual([6, 16, 18, 18, 18]);
  });

  test("lets a message to more recipients leave while messages that are not queued take a part", async () => {
    await using instance = await queueInstance();
    await instance.save("a", { mails_per_minute: 4 });
    const ids = [await instance.queue({}, messageTo(9)), await instance.queue()];
    for (let minute = 0; minute < 3; minute++) {
      const json = { server: "a", to: [TO.address], subject: "Hello", text: "Hello", queue: false };
      expect((await instance.request("POST", "/mail/", { json })).value).toMatchObject({ state: "sent" });
      await instance.drain();
      instance.clock.advance(50);
    }
    for (const id of ids) expect(await instance.mail(id)).toMatchObject({ state: "sent" });
  });

  test("does not count recipients who are not due yet", async () => {
    await using instance = await queueInstance();
    await instance.save("a", { mails_per_minute: 3 });
    await instance.queue();
    await instance.queue({}, messageTo(9));
    const later = instance.clock.now.getTime() + 3_600_000;
    await instance.rows(`UPDATE mail SET recipients = (
      SELECT json_group_array(json(iif(key = 0, value, json_set(value, '$.dueAt', ${later}))))
      FROM json_each(recipients))`);
    await instance.queue();
    await instance.drain();
    expect(instance.got).toHaveLength(3);
  });

  test("counts an attempt whose recipient is deferred once while others are being sent to", async () => {
    const entrance = gate();
    await using instance = await queueInstance({
      around: async ({ recipient }, send) => {
        if (recipient === "user1@example.net") await entrance.pass();
        return send();
      },
    });
    await instance.save("a", { mails_per_minute: 3 });
    instance.fail(GREYLISTED);
    await instance.queue({}, messageTo(2));
    const first = instance.drain();
    await entrance.reached();
    const isRecorded = async () => (await instance.rows("SELECT 1 FROM mail_attempt")).length === 1;
    await until(isRecorded, "the first attempt is recorded");
    await instance.queue();
    await instance.drain();
    expect(instance.got).toHaveLength(1);
    entrance.open();
    await first;
    expect(instance.got).toHaveLength(2);
  });

  test("does not hold back messages that are about to expire", async () => {
    await using instance = await queueInstance();
    await instance.save("a", { mails_per_minute: 1 });
    await instance.queue();
    const id = await instance.queue({ expiresAt: new Date(instance.clock.now.getTime() + 10_000) });
    await instance.drain();
    instance.clock.advance(11);
    await instance.drain();
    expect(instance.got).toHaveLength(1);
    expect(await instance.mail(id)).toMatchObject({ state: "expired", attempts: [] });
  });

  test("counts what another worker is sending", async () => {
    const entrance = gate();
    await using instance = await queueInstance({
      around: async (_, send) => {
        await entrance.pass();
        return send();
      },
    });
    await instance.save("a", { mails_per_minute: 3 });
    for (let number = 0; number < 8; number++) await instance.queue();
    const first = instance.drain();
    await entrance.reached();
    const second = instance.drain();
    await second;
    entrance.open();
    await first;
    expect(instance.got).toHaveLength(3);
  });

  test("does not count what a worker that died was sending, which would never be sent again", async () => {
    await using instance = await queueInstance();
    await instance.save("a", { mails_per_minute: 1 });
    const id = await instance.queue();
    const ended = instance.clock.now.getTime() - 1;
    await instance.rows(
      `UPDATE mail SET state = 'sending', lease = 'of one who was killed', due_at = ${ended}`,
    );
    await instance.drain();
    expect(await instance.mail(id)).toMatchObject({ state: "sent", attempts: [{ outcome: "lost" }, {}] });
  });

  test("is not used up for a day after a wrong clock", async () => {
    await using instance = await queueInstance();
    await instance.save("a", { mails_per_minute: 3 });
    instance.clock.advance(86_400);
    for (let number = 0; number < 3; number++) await instance.queue();
    await instance.drain();
    instance.clock.advance(-86_400);
    await instance.queue();
    await instance.drain();
    expect(instance.got).toHaveLength(4);
  });
});

describe("max_connections", () => {
  test("is kept by the deliveries of one worker", async () => {
    let now = 0;
    let max = 0;
    await using instance = await queueInstance({
      around: async (_, send) => {
        max = Math.max(max, ++now);
        await new Promise((resolve) => setImmediate(resolve));
        now--;
        return send();
      },
    });
    await instance.save("a", { max_connections: 2 });
    for (let number = 0; number < 20; number++) await instance.queue();
    await instance.queue({}, messageTo(9));
    await instance.drain();
    expect({ max, sent: instance.got.length }).toEqual({ max: 2, sent: 29 });
  });

  test("is kept where the next messages wait in the transport", async () => {
    await using server = await startSmtpServer();
    await using instance = await queueInstance({ transport: makeTransport() });
    await instance.save("a", { server: "127.0.0.1", port: server.port, username: "", max_connections: 2 });
    for (let number = 0; number < 40; number++) await instance.queue();
    await instance.drain();
    expect(server.messages).toHaveLength(40);
    expect(new Set(server.messages.map(({ messageId }) => messageId)).size).toBe(40);
    expect(server.connections).toHaveLength(2);
  });
});

describe("a changed definition", () => {
  test("holds for the next attempt that starts, though its message was claimed before", async () => {
    const entrance = gate();
    await using instance = await queueInstance({
      around: async (_, send) => {
        if (instance.got.length === 0) await entrance.pass();
        return send();
      },
    });
    await instance.save("a", { server: "old.example.org", max_connections: 1 });
    for (let number = 0; number < 3; number++) await instance.queue();
    const draining = instance.drain();
    await entrance.reached();
    expect(await instance.rows("SELECT 1 FROM mail WHERE lease IS NOT NULL")).toHaveLength(3);
    // Another process would save it like this.
    await instance.database.commit([
      instance.database.write.run(
        sql`UPDATE smtp_server SET server = 'new.example.org', version = version + 1`,
      ),
    ]);
    entrance.open();
    await draining;
    expect(instance.got.map(({ server }) => server.host)).toEqual([
      "old.example.org",
      "new.example.org",
      "new.example.org",
    ]);
  });
});

describe("a server that is slow", () => {
  test.each([
    ["one", 5, 1],
    ["several with many connections", 100, 2],
  ])("%s does not hold up another", async (_, connections, count) => {
    const entrance = gate();
    await using instance = await queueInstance({
      around: async ({ server }, send) => {
        if (server.host.startsWith("slow")) await entrance.pass();
        return send();
      },
    });
    const slowMails = connections * 5;
    for (let slow = 0; slow < count; slow++) {
      const name = `slow${slow}`;
      await instance.save(name, { server: `${name}.example.org`, max_connections: connections });
      await Promise.all(Array.from({ length: slowMails }, () => instance.queue({}, MESSAGE, name)));
    }
    const stop = new AbortController();
    const working = instance.services.work(stop.signal);
    await entrance.reached();
    await instance.save("fast", { server: "fast.example.org" });
    for (let number = 0; number < 30; number++) await instance.queue({}, MESSAGE, "fast");
    await until(() => instance.got.length === 30, "the fast one is done");
    expect(new Set(instance.got.map(({ server }) => server.host))).toEqual(new Set(["fast.example.org"]));
    entrance.open();
    await until(() => instance.got.length === 30 + count * slowMails, "the others, too", 20_000);
    stop.abort();
    await working;
  });
});

test("queued tests of unsaved definitions do not wait for those whose servers do not respond", async () => {
  const entrance = gate();
  await using instance = await queueInstance({
    around: async ({ server }, send) => {
      if (server.host.startsWith("dead")) await entrance.pass();
      return send();
    },
  });
  await using _worker = working(instance);
  const queueTest = (server: string) =>
    instance.request("POST", "/smtpserver/send_test_email", {
      json: { server, sender: "me@example.org", recipient: TO.address, enqueue_job: true },
    });
  for (let number = 0; number < 20; number++) await queueTest(`dead${number}.example.org`);
  await entrance.reached();
  expect((await queueTest("good.example.org")).value).toBe(true);
  await until(() => instance.got.length === 1, "the test of the good server");
  entrance.open();
  await until(() => instance.got.length === 21, "the other tests");
});
