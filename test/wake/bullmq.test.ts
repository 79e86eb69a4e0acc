import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import { Secret } from "../../src/domain/secret.ts";
import { createBullmqWake } from "../../src/wake/bullmq.ts";
import { Listener, mailId, testWake } from "../contract/wake.ts";
import { Child } from "../fixtures/process/child.ts";
import { DENO_SERVER, denoPath } from "../fixtures/process/deno.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { redisPath, startRedis, type TestRedis } from "./fixtures/redis.ts";

const TEST_MS = 30_000;
/** The documented two seconds, plus some time for a busy machine. */
const REJECTED_WITHIN_MS = 2_500;
const PROMPT_MS = 2_000;
const MINUTE_MS = 60_000;

const make = (url: string) => createBullmqWake({ url: new Secret(url), now: () => new Date() });

const records: LogRecord[] = [];
const logged = () => records.map(({ message }) => message.join("")).join("\n");

if (redisPath === null) console.warn("Skipped: bullmq, because redis-server is not installed");

describe.skipIf(redisPath === null)("with a Redis", () => {
  let shared: TestRedis;
  let databases = 0;
  beforeAll(async () => {
    shared = await startRedis();
    await configure({
      sinks: { kept: (record) => void records.push(record) },
      loggers: [
        { category: ["sealpost", "wake"], lowestLevel: "info", sinks: ["kept"] },
        { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["kept"] },
      ],
      reset: true,
    });
  });
  afterAll(async () => {
    await reset();
    await shared[Symbol.asyncDispose]();
  });

  testWake("bullmq", async () => {
    // Redis has 16 databases.
    const wake = make(`${shared.url}/${databases++ % 16}`);
    return { wake, listen: wake.listen, receivedBy: "one", [Symbol.asyncDispose]: wake[Symbol.asyncDispose] };
  });

  describe("createBullmqWake()", () => {
    test("a wake is one small job that holds only the ID and leaves nothing behind", async () => {
      await using redis = await startRedis();
      await using wake = make(redis.url);
      const id = mailId();
      await wake.notify([id]);
      const job = await redis.ask("HGETALL", "sealpost:wake:1");
      expect(job).toContain(`data\n"${id}"\n`);
      expect(job.length).toBeLessThan(250);
      using listener = new Listener(wake.listen);
      await listener.until(1);
      listener[Symbol.dispose]();
      await listener.ended;
      expect(await redis.ask("KEYS", "sealpost:wake:[1-9]*")).toBe("\n");
    });

    test("a listener that stops keeps no wake, even if it is busy", async () => {
      await using redis = await startRedis();
      await using wake = make(redis.url);
      using listener = new Listener(wake.listen, () => new Promise(() => undefined));
      await wake.notify([mailId()]);
      await listener.until(1);
      expect(await redis.ask("LLEN", "sealpost:wake:active")).toBe("1\n");
      listener[Symbol.dispose]();
      await listener.ended;
      expect(await redis.ask("LLEN", "sealpost:wake:active")).toBe("0\n");
    });

    test("equal delayed wakes are one wake, and an immediate one is separate", async () => {
      await using redis = await startRedis();
      await using wake = make(redis.url);
      using listener = new Listener(wake.listen);
      const id = mailId();
      const notBefore = new Date(Date.now() + MINUTE_MS);
      for (const date of [notBefore, notBefore, new Date(notBefore.getTime() + 1)])
        await wake.notify([id], { notBefore: date });
      expect((await redis.ask("ZCARD", "sealpost:wake:delayed")).trim()).toBe("2");
      await wake.notify([id]);
      await listener.until(1);
      expect(listener.received).toEqual([id]);
    });

    test("a listener handles as many wakes concurrently as configured and leaves the others", async () => {
      await using redis = await startRedis();
      const options = { url: new Secret(redis.url), now: () => new Date(), concurrency: 2 };
      await using wake = createBullmqWake(options);
      const forever = new Promise<void>(() => undefined);
      using busy = new Listener(wake.listen, () => forever);
      await wake.notify([mailId(), mailId()]);
      await busy.until(2);
      await wake.notify([mailId(), mailId()]);
      using idle = new Listener(wake.listen);
      await idle.until(2);
      expect(busy.received).toHaveLength(2);
    });

    test(
      "notify() rejects fast during an outage of Redis, listeners recover after it, and both are logged once",
      async () => {
        await using redis = await startRedis();
        await using wake = make(redis.url);
        using listener = new Listener(wake.listen);
        await wake.notify([mailId()]);
        await listener.until(1);
        records.length = 0;
        await redis.stop();
        const { error, ms } = await rejection(wake);
        expect(error.message).toContain("Redis does not accept the wake");
        expect(ms).toBeLessThan(REJECTED_WITHIN_MS);
        const again = await rejection(wake);
        expect(again.ms).toBeLessThan(REJECTED_WITHIN_MS);
        // The first attempt to reconnect is logged.
        while (logged() === "") await Bun.sleep(20);
        await redis.start();
        const late = await untilAccepted(wake);
        await listener.until(2);
        // Rejected wakes are not kept.
        expect(listener.received.slice(1)).toEqual([late]);
        expect(logged()).toMatch(/^Redis is unavailable[^\n]*(\nRedis is available again)?$/);
      },
      TEST_MS,
    );

    test(
      "notify() and listen() may start during an outage of Redis",
      async () => {
        await using redis = await startRedis();
        await redis.stop();
        await using wake = make(redis.url);
        using listener = new Listener(wake.listen);
        expect((await rejection(wake)).ms).toBeLessThan(REJECTED_WITHIN_MS);
        await redis.start();
        const late = await untilAccepted(wake);
        await listener.until(1);
        expect(listener.received).toEqual([late]);
      },
      TEST_MS,
    );

    test(
      "notify() rejects within two seconds if Redis does not respond, and dispose returns",
      async () => {
        await using redis = await startRedis();
        await using wake = make(redis.url);
        using listener = new Listener(wake.listen);
        await wake.notify([mailId()]);
        await listener.until(1);
        redis.freeze();
        expect((await rejection(wake)).ms).toBeLessThan(REJECTED_WITHIN_MS);
        const start = performance.now();
        await wake[Symbol.asyncDispose]();
        await listener.ended;
        expect(performance.now() - start).toBeLessThan(PROMPT_MS);
      },
      TEST_MS,
    );

    test.each(["stopped", "never available"])(
      "dispose returns soon with a Redis that is %s",
      async (what) => {
        await using redis = await startRedis();
        if (what === "never available") await redis.stop();
        const wake = make(redis.url);
        using listener = new Listener(wake.listen);
        await wake.notify([mailId()]).catch(() => undefined);
        await redis.stop();
        const start = performance.now();
        await wake[Symbol.asyncDispose]();
        await listener.ended;
        expect(performance.now() - start).toBeLessThan(PROMPT_MS);
      },
    );

    test(
      "a repeated error of Redis is logged once",
      async () => {
        await using redis = await startRedis();
        await using wake = make(redis.url);
        using listener = new Listener(wake.listen);
        await wake.notify([mailId()]);
        await listener.until(1);
        records.length = 0;
        await redis.ask("REPLICAOF", "127.0.0.1", "1");
        expect((await rejection(wake)).error.message).toContain("READONLY");
        while (!logged().includes("READONLY")) await Bun.sleep(20);
        // BullMQ retries about every tenth of a second; wait for ten retries, however long they take.
        const before = await commandsOf(redis);
        while ((await commandsOf(redis)) < before + 10) await Bun.sleep(20);
        expect(records.filter((_, at) => logged().split("\n")[at]?.includes("READONLY"))).toHaveLength(1);
        await redis.ask("REPLICAOF", "NO", "ONE");
        const late = await untilAccepted(wake);
        await listener.until(2);
        expect(listener.received[1]).toBe(late);
      },
      TEST_MS,
    );

    test("a password is used and never shown", async () => {
      await using redis = await startRedis({ password: "correct-horse" });
      await using right = make(redis.url);
      await right.notify([mailId()]);
      records.length = 0;
      await using wrong = make(redis.url.replace("correct", "hunter2"));
      using _listener = new Listener(wrong.listen);
      const { error } = await rejection(wrong);
      const output = [Bun.inspect(error), Bun.inspect(records, { depth: 9 }), logged()].join("\n");
      expect(output).toContain("Redis is unavailable");
      expect(output).not.toMatch(/hunter2|horse/);
    });

    test.each([
      ["Bun", process.execPath, [process.execPath]],
      ["Deno", denoPath, DENO_SERVER],
    ])("%s loads BullMQ on first use and receives its wakes", async (_, path, interpreter) => {
      if (path === null) return console.warn("Skipped: bullmq on Deno, which npm has not for this machine");
      using folder = temporaryFolder();
      const child = new Child("test/wake/fixtures/one-wake.ts", [shared.url, mailId()], {
        folder: folder.path,
        interpreter,
      });
      const { code, stdout, stderr } = await child.ended;
      expect([stdout, stderr, code]).toEqual(["made: false\nheard: true\nused: true\n", "", 0]);
    });

    test("an invalid URL is rejected and not repeated", async () => {
      await using wake = make("redis://:hunter2@[");
      const { error } = await rejection(wake);
      expect(error).toBeInstanceOf(TypeError);
      expect(Bun.inspect(error)).not.toContain("hunter2");
    });
  });
});

/** Counts the blocking commands that Redis rejected. */
async function commandsOf(redis: TestRedis): Promise<number> {
  const stats = await redis.ask("INFO", "commandstats");
  return Number(/cmdstat_bzpopmin:.*rejected_calls=(\d+)/.exec(stats)?.[1] ?? 0);
}

type Notifies = Pick<ReturnType<typeof make>, "notify">;

async function rejection(wake: Notifies): Promise<{ readonly error: Error; readonly ms: number }> {
  const start = performance.now();
  const error = await wake.notify([mailId()]).catch((reason: unknown) => reason);
  if (!(error instanceof Error)) throw new Error("The wake was accepted");
  return { error, ms: performance.now() - start };
}

/** Notifies until a wake is accepted, and returns its ID. */
async function untilAccepted(wake: Notifies): Promise<string> {
  for (;;) {
    const id = mailId();
    const isAccepted = await wake.notify([id]).then(
      () => true,
      () => false,
    );
    if (isAccepted) return id;
    await Bun.sleep(20);
  }
}
