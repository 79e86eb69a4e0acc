import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import { Secret } from "../../src/domain/secret.ts";
import { createBullmqWake } from "../../src/wake/bullmq.ts";
import { Ear, mailId, testWake } from "../contract/wake.ts";
import { Child } from "../fixtures/process/child.ts";
import { DENO_SERVER, denoPath } from "../fixtures/process/deno.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { redisPath, startRedis, type TestRedis } from "./fixtures/redis.ts";

const TEST_MS = 30_000;
/** What the driver promises, and what a busy machine adds. */
const REFUSED_WITHIN_MS = 2_500;
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
    // Redis has sixteen of them.
    const wake = make(`${shared.url}/${databases++ % 16}`);
    return { wake, listen: wake.listen, heardBy: "one", [Symbol.asyncDispose]: wake[Symbol.asyncDispose] };
  });

  describe("createBullmqWake()", () => {
    test("a wake is one small job with the id alone, and nothing is left of it", async () => {
      await using redis = await startRedis();
      await using wake = make(redis.url);
      const id = mailId();
      await wake.notify([id]);
      const job = await redis.ask("HGETALL", "sealpost:wake:1");
      expect(job).toContain(`data\n"${id}"\n`);
      expect(job.length).toBeLessThan(250);
      using ear = new Ear(wake.listen);
      await ear.until(1);
      ear[Symbol.dispose]();
      await ear.ended;
      expect(await redis.ask("KEYS", "sealpost:wake:[1-9]*")).toBe("\n");
    });

    test("a listener that leaves holds nothing back, whatever it is busy with", async () => {
      await using redis = await startRedis();
      await using wake = make(redis.url);
      using ear = new Ear(wake.listen, () => new Promise(() => undefined));
      await wake.notify([mailId()]);
      await ear.until(1);
      expect(await redis.ask("LLEN", "sealpost:wake:active")).toBe("1\n");
      ear[Symbol.dispose]();
      await ear.ended;
      expect(await redis.ask("LLEN", "sealpost:wake:active")).toBe("0\n");
    });

    test("the same wake for later is one, and one at once is not lost on it", async () => {
      await using redis = await startRedis();
      await using wake = make(redis.url);
      using ear = new Ear(wake.listen);
      const id = mailId();
      const notBefore = new Date(Date.now() + MINUTE_MS);
      for (const date of [notBefore, notBefore, new Date(notBefore.getTime() + 1)])
        await wake.notify([id], { notBefore: date });
      expect((await redis.ask("ZCARD", "sealpost:wake:delayed")).trim()).toBe("2");
      await wake.notify([id]);
      await ear.until(1);
      expect(ear.heard).toEqual([id]);
    });

    test("a listener hears so many at the same time as it is told, and leaves the others", async () => {
      await using redis = await startRedis();
      const options = { url: new Secret(redis.url), now: () => new Date(), concurrency: 2 };
      await using wake = createBullmqWake(options);
      const forever = new Promise<void>(() => undefined);
      using busy = new Ear(wake.listen, () => forever);
      await wake.notify([mailId(), mailId()]);
      await busy.until(2);
      await wake.notify([mailId(), mailId()]);
      using idle = new Ear(wake.listen);
      await idle.until(2);
      expect(busy.heard).toHaveLength(2);
    });

    test(
      "notify() rejects at once while Redis is away; listeners hear again when it is back; each is logged once",
      async () => {
        await using redis = await startRedis();
        await using wake = make(redis.url);
        using ear = new Ear(wake.listen);
        await wake.notify([mailId()]);
        await ear.until(1);
        records.length = 0;
        await redis.stop();
        const { error, ms } = await refusal(wake);
        expect(error.message).toContain("Redis does not take the wake");
        expect(ms).toBeLessThan(REFUSED_WITHIN_MS);
        const again = await refusal(wake);
        expect(again.ms).toBeLessThan(REFUSED_WITHIN_MS);
        // The first try to come back says so.
        while (logged() === "") await Bun.sleep(20);
        await redis.start();
        const late = await untilTaken(wake);
        await ear.until(2);
        // Those that were refused are not kept for later.
        expect(ear.heard.slice(1)).toEqual([late]);
        expect(logged()).toMatch(/^Redis is away[^\n]*(\nRedis is back)?$/);
      },
      TEST_MS,
    );

    test(
      "notify() and listen() may begin while Redis is away",
      async () => {
        await using redis = await startRedis();
        await redis.stop();
        await using wake = make(redis.url);
        using ear = new Ear(wake.listen);
        expect((await refusal(wake)).ms).toBeLessThan(REFUSED_WITHIN_MS);
        await redis.start();
        const late = await untilTaken(wake);
        await ear.until(1);
        expect(ear.heard).toEqual([late]);
      },
      TEST_MS,
    );

    test(
      "notify() rejects within two seconds when Redis keeps silent, and dispose ends",
      async () => {
        await using redis = await startRedis();
        await using wake = make(redis.url);
        using ear = new Ear(wake.listen);
        await wake.notify([mailId()]);
        await ear.until(1);
        redis.freeze();
        expect((await refusal(wake)).ms).toBeLessThan(REFUSED_WITHIN_MS);
        const start = performance.now();
        await wake[Symbol.asyncDispose]();
        await ear.ended;
        expect(performance.now() - start).toBeLessThan(PROMPT_MS);
      },
      TEST_MS,
    );

    test.each(["stopped", "never there"])("dispose ends soon with a Redis that is %s", async (what) => {
      await using redis = await startRedis();
      if (what === "never there") await redis.stop();
      const wake = make(redis.url);
      using ear = new Ear(wake.listen);
      await wake.notify([mailId()]).catch(() => undefined);
      await redis.stop();
      const start = performance.now();
      await wake[Symbol.asyncDispose]();
      await ear.ended;
      expect(performance.now() - start).toBeLessThan(PROMPT_MS);
    });

    test(
      "what Redis says again and again is logged once",
      async () => {
        await using redis = await startRedis();
        await using wake = make(redis.url);
        using ear = new Ear(wake.listen);
        await wake.notify([mailId()]);
        await ear.until(1);
        records.length = 0;
        await redis.ask("REPLICAOF", "127.0.0.1", "1");
        expect((await refusal(wake)).error.message).toContain("READONLY");
        while (!logged().includes("READONLY")) await Bun.sleep(20);
        // It tries again each tenth of a second or so; that many tries are waited for, whatever time they take.
        const before = await commandsOf(redis);
        while ((await commandsOf(redis)) < before + 10) await Bun.sleep(20);
        expect(records.filter((_, at) => logged().split("\n")[at]?.includes("READONLY"))).toHaveLength(1);
        await redis.ask("REPLICAOF", "NO", "ONE");
        const late = await untilTaken(wake);
        await ear.until(2);
        expect(ear.heard[1]).toBe(late);
      },
      TEST_MS,
    );

    test("a password is used, and never told", async () => {
      await using redis = await startRedis({ password: "correct-horse" });
      await using right = make(redis.url);
      await right.notify([mailId()]);
      records.length = 0;
      await using wrong = make(redis.url.replace("correct", "hunter2"));
      using _ear = new Ear(wrong.listen);
      const { error } = await refusal(wrong);
      const said = [Bun.inspect(error), Bun.inspect(records, { depth: 9 }), logged()].join("\n");
      expect(said).toContain("Redis is away");
      expect(said).not.toMatch(/hunter2|horse/);
    });

    test.each([
      ["Bun", process.execPath, [process.execPath]],
      ["Deno", denoPath, DENO_SERVER],
    ])("%s loads BullMQ when it is used, and hears what it says", async (_, path, interpreter) => {
      if (path === null) return console.warn("Skipped: bullmq on Deno, which npm has not for this machine");
      using folder = temporaryFolder();
      const child = new Child("test/wake/fixtures/one-wake.ts", [shared.url, mailId()], {
        folder: folder.path,
        interpreter,
      });
      const { code, stdout, stderr } = await child.ended;
      expect([stdout, stderr, code]).toEqual(["made: false\nheard: true\nused: true\n", "", 0]);
    });

    test("an URL that is none is refused without being told", async () => {
      await using wake = make("redis://:hunter2@[");
      const { error } = await refusal(wake);
      expect(error).toBeInstanceOf(TypeError);
      expect(Bun.inspect(error)).not.toContain("hunter2");
    });
  });
});

/** How many times a command that blocks was refused. */
async function commandsOf(redis: TestRedis): Promise<number> {
  const stats = await redis.ask("INFO", "commandstats");
  return Number(/cmdstat_bzpopmin:.*rejected_calls=(\d+)/.exec(stats)?.[1] ?? 0);
}

type Notifies = Pick<ReturnType<typeof make>, "notify">;

async function refusal(wake: Notifies): Promise<{ readonly error: Error; readonly ms: number }> {
  const start = performance.now();
  const error = await wake.notify([mailId()]).catch((reason: unknown) => reason);
  if (!(error instanceof Error)) throw new Error("It was taken");
  return { error, ms: performance.now() - start };
}

/** Says a wake until it is taken; the id of that one. */
async function untilTaken(wake: Notifies): Promise<string> {
  for (;;) {
    const id = mailId();
    const isTaken = await wake.notify([id]).then(
      () => true,
      () => false,
    );
    if (isTaken) return id;
    await Bun.sleep(20);
  }
}
