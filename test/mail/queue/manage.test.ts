import { describe, expect, test } from "bun:test";
import type { MailOptions } from "../../../src/contracts/plugin/mail.ts";
import {
  ACTOR,
  DOWN,
  GREYLISTED,
  gate,
  HOUR_SECONDS,
  LOST,
  MESSAGE,
  type QueueInstance,
  queueInstance,
  REFUSED,
  TO,
} from "../fixtures/queue.ts";

const HOST = "mail.example.org";

describe("retry()", () => {
  test("makes a waiting message due now", async () => {
    await using instance = await queueInstance();
    const { mailQueue } = instance.services;
    await instance.save();
    const id = await instance.queue();
    instance.fail({ ...GREYLISTED, reply: { code: 450, enhanced: null, text: "try again in 5 hours" } });
    await instance.drain();
    await instance.drain();
    expect((await instance.mail(id)).state).toBe("deferred");
    await mailQueue.retry(id, ACTOR);
    await instance.drain();
    expect(await instance.mail(id)).toMatchObject({ state: "sent", recipients: [{ attempts: 2 }] });
    const [row] = await instance.rows("SELECT * FROM audit WHERE action = 'test'");
    expect(row).toMatchObject({ success: 1, identifier: "a", recipient: TO.address, info: id });
  });

  test("starts the time of a message for a later time, or whose time is over, again", async () => {
    await using instance = await queueInstance();
    const { mailQueue } = instance.services;
    await instance.save();
    const now = () => instance.clock.now.getTime();
    const over = await instance.queue();
    await mailQueue.hold(ACTOR);
    instance.clock.advance(2 * DAY_SECONDS);
    const later = await instance.queue({ sendAt: new Date(now() + HOUR_SECONDS * 1_000) });
    const soon = await instance.queue();
    for (const id of [over, later, soon]) await mailQueue.retry(id, ACTOR);
    const startsAt = now();
    expect((await instance.mail(over)).recipients).toMatchObject([{ startsAt }]);
    expect((await instance.mail(later)).recipients).toMatchObject([{ startsAt }]);
    expect((await instance.mail(soon)).recipients[0]).not.toHaveProperty("startsAt");
  });

  test("finds the row for any reply of the server", async () => {
    await using instance = await queueInstance();
    await instance.save();
    const texts = ['"q" \\ /', "\u2028\u0007é😀", "\ttab <&>", "x".repeat(500)];
    for (const text of texts) {
      instance.fail({ ...GREYLISTED, reply: { code: 450, enhanced: null, text } });
      await instance.queue();
      await instance.drain();
    }
    for (const { id, recipients } of (await instance.services.mailQueue.page({ page: 1, pageSize: 9 }))
      .mails) {
      expect(texts).toContain(recipients[0]?.failure?.reply?.text ?? "");
      await instance.services.mailQueue.retry(id, ACTOR);
    }
    await instance.drain();
    expect(instance.got).toHaveLength(texts.length);
  });
});

const DAY_SECONDS = 86_400;
const contents = (instance: QueueInstance) => instance.rows("SELECT id FROM mail_content");

/** A message that waits for a server until it fails. */
async function failedByServer(instance: QueueInstance, options: MailOptions = {}): Promise<string> {
  await instance.save();
  const id = await instance.queue(options);
  instance.fail({ ...DOWN, times: 1_000 }, HOST);
  await instance.drain();
  instance.clock.advance(DAY_SECONDS);
  await instance.drain();
  return id;
}

describe("a message that failed by the server's fault", () => {
  test("is queued again by a retry, with another day to arrive", async () => {
    await using instance = await queueInstance({ tokenSeconds: 3 * DAY_SECONDS });
    const id = await failedByServer(instance);
    expect(await instance.mail(id)).toMatchObject({ state: "failed", recipients: [{ state: "failed" }] });
    await instance.save("a", { server: "two.example.org" });
    instance.clock.advance(DAY_SECONDS - 1);
    await instance.services.mailQueue.retry(id, ACTOR);
    const giveUpAt = new Date(instance.clock.now.getTime() + DAY_SECONDS * 1_000);
    expect(await instance.mail(id)).toMatchObject({
      ...{ state: "queued", giveUpAt, recipients: [{ state: "queued", attempts: 0 }] },
    });
    await instance.drain();
    expect(await instance.mail(id)).toMatchObject({ state: "sent", attempts: [{}, { outcome: "sent" }] });
    expect(await contents(instance)).toEqual([]);
  });

  test.each([
    ["a worker", (instance: QueueInstance) => instance.drain()],
    ["the daily deletion of old rows", (instance: QueueInstance) => instance.services.prune()],
  ])("is erased after a day by %s, and then cannot be retried", async (_, erase) => {
    await using instance = await queueInstance();
    const id = await failedByServer(instance);
    instance.clock.advance(DAY_SECONDS - 1);
    await erase(instance);
    expect(await contents(instance)).toEqual([{ id }]);
    instance.clock.advance(1);
    await erase(instance);
    expect(await contents(instance)).toEqual([]);
    await expect(instance.services.mailQueue.retry(id, ACTOR)).rejects.toMatchObject({ code: "conflict" });
    expect((await instance.mail(id)).state).toBe("failed");
  });

  test("cannot be retried after its time, whether or not it is erased", async () => {
    await using instance = await queueInstance();
    const id = await failedByServer(instance);
    instance.clock.advance(DAY_SECONDS);
    await expect(instance.services.mailQueue.retry(id, ACTOR)).rejects.toMatchObject({ code: "conflict" });
  });

  test("is kept until it expires, and a retry lasts no longer", async () => {
    await using instance = await queueInstance();
    const expiresAt = new Date(instance.clock.now.getTime() + 1.5 * DAY_SECONDS * 1_000);
    const id = await failedByServer(instance, { expiresAt });
    expect(await instance.mail(id)).toMatchObject({ state: "failed", contentUntil: expiresAt });
    await instance.services.mailQueue.retry(id, ACTOR);
    expect((await instance.mail(id)).giveUpAt).toEqual(expiresAt);
    await instance.drain();
    instance.clock.advance(DAY_SECONDS / 2);
    await instance.drain();
    expect((await instance.mail(id)).state).toBe("expired");
    expect(await contents(instance)).toEqual([]);
    const retried = instance.services.mailQueue.retry(id, ACTOR);
    await expect(retried).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining("has expired"),
    });
  });

  test("is retried when its deleted definition exists again", async () => {
    await using instance = await queueInstance();
    await instance.save();
    const id = await instance.queue();
    await instance.request("DELETE", "/smtpserver/a");
    await instance.drain();
    expect((await instance.mail(id)).state).toBe("failed");
    await instance.save();
    await instance.services.mailQueue.retry(id, ACTOR);
    await instance.drain();
    expect((await instance.mail(id)).state).toBe("sent");
  });

  test("is retried only for recipients that it did not reach", async () => {
    await using instance = await queueInstance({ tokenSeconds: 3 * DAY_SECONDS });
    await instance.save();
    const to = ["no-such-user", "a", "b"].map((name) => ({ ...TO, address: `${name}@example.net` }));
    instance.fail(REFUSED, HOST);
    instance.fail({ ...DOWN, times: 100 }, HOST);
    const id = await instance.queue({}, { ...MESSAGE, to });
    await instance.drain();
    instance.clock.advance(DAY_SECONDS);
    await instance.drain();
    await instance.services.mailQueue.retry(id, ACTOR);
    expect((await instance.mail(id)).recipients.map(({ state }) => state)).toEqual([
      "failed",
      "queued",
      "queued",
    ]);
    await instance.save("a", { server: "two.example.org" });
    await instance.drain();
    expect(instance.got.map(({ recipient }) => recipient).sort()).toEqual(["a@example.net", "b@example.net"]);
  });

  test("cannot be cancelled, as it has ended", async () => {
    await using instance = await queueInstance();
    const id = await failedByServer(instance);
    await expect(instance.services.mailQueue.cancel(id, ACTOR)).rejects.toMatchObject({ code: "conflict" });
  });

  test("is erased when it is cancelled after a retry", async () => {
    await using instance = await queueInstance();
    const id = await failedByServer(instance);
    await instance.services.mailQueue.retry(id, ACTOR);
    await instance.services.mailQueue.cancel(id, ACTOR);
    expect((await instance.mail(id)).state).toBe("cancelled");
    expect(await contents(instance)).toEqual([]);
  });
});

describe("cancel()", () => {
  test("cancels a message for the recipients that it did not reach, and erases it", async () => {
    await using instance = await queueInstance();
    await instance.save();
    const id = await instance.queue({}, { ...MESSAGE, to: [TO, { ...TO, address: "b@example.net" }] });
    instance.fail(GREYLISTED);
    await instance.drain();
    await instance.services.mailQueue.cancel(id, ACTOR);
    expect(await instance.mail(id)).toMatchObject({
      state: "cancelled",
      recipients: [
        { state: "cancelled", dueAt: null },
        { state: "sent", dueAt: null },
      ],
    });
    expect(await instance.rows("SELECT content FROM mail_content")).toEqual([]);
    instance.clock.advance(HOUR_SECONDS);
    await instance.drain();
    expect(instance.got).toHaveLength(1);
  });
});

describe.each(["retry", "cancel"] as const)("%s()", (verb) => {
  test("rejects a message that is being sent, is final or does not exist", async () => {
    const entrance = gate();
    await using instance = await queueInstance({
      around: async (_, send) => {
        await entrance.pass();
        return send();
      },
    });
    const steer = (id: string) => instance.services.mailQueue[verb](id, ACTOR);
    await instance.save();
    const id = await instance.queue();
    const drained = instance.drain();
    await entrance.reached();
    await expect(steer(id)).rejects.toMatchObject({ code: "conflict" });
    entrance.open();
    await drained;
    await expect(steer(id)).rejects.toMatchObject({ code: "conflict" });
    await expect(steer("nobody")).rejects.toMatchObject({ code: "resource_not_found" });
    expect(await instance.rows("SELECT 1 FROM audit WHERE action = 'test'")).toEqual([]);
    expect((await instance.mail(id)).state).toBe("sent");
  });
});

describe("page() and stats()", () => {
  test("show messages by state, definition, recipient and age, never their content", async () => {
    await using instance = await queueInstance();
    const { mailQueue } = instance.services;
    await instance.save();
    await instance.save("b", { server: "two.example.org" });
    instance.fail(REFUSED);
    const failed = await instance.queue();
    await instance.drain();
    instance.clock.advance(60);
    const since = instance.clock.now;
    const waiting = await instance.queue({}, { ...MESSAGE, to: [{ ...TO, address: "B@example.net" }] }, "b");
    const idsOf = async (query: Partial<Parameters<typeof mailQueue.page>[0]>) =>
      (await mailQueue.page({ page: 1, pageSize: 10, ...query })).mails.map(({ id }) => id);
    expect(await idsOf({})).toEqual([waiting, failed]);
    expect(await idsOf({ state: "failed" })).toEqual([failed]);
    expect(await idsOf({ identifier: "b" })).toEqual([waiting]);
    expect(await idsOf({ recipient: "b@EXAMPLE.net" })).toEqual([waiting]);
    expect(await idsOf({ since })).toEqual([waiting]);
    expect(await mailQueue.page({ page: 2, pageSize: 1 })).toMatchObject({
      total: 2,
      mails: [{ id: failed }],
    });
    const [mail] = (await mailQueue.page({ page: 1, pageSize: 1 })).mails;
    for (const hidden of ["content", "lease", "lane", "queueName"]) expect(mail).not.toHaveProperty(hidden);
    const { waiting: left, counts } = await mailQueue.stats(new Date(0));
    expect(left.map(({ state, identifier, count }) => [state, identifier, count])).toEqual([
      ["queued", "b", 1],
    ]);
    expect(counts.map(({ state, identifier, count }) => [state, identifier, count])).toEqual([
      ["failed", "a", 1],
      ["queued", "b", 1],
    ]);
  });

  test("emit mail_failed for a message that failed", async () => {
    await using instance = await queueInstance();
    await instance.save();
    instance.fail(LOST);
    const id = await instance.queue({ purpose: "code" });
    await instance.drain();
    expect(await instance.rows("SELECT outcome, info FROM audit WHERE action = 'worker'")).toEqual([
      { outcome: "unknown", info: `unknown closed ${id}` },
    ]);
  });
});
