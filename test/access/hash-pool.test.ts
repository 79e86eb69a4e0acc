import { describe, expect, test } from "bun:test";
import { HashPool } from "../../src/access/hash-pool.ts";

const MAX_WAITING = 64;
const BUSY = {
  code: "busy",
  status: 503,
  number: 503,
  retryable: true,
  retryAfterSeconds: expect.any(Number),
};

/** Creates work that the test finishes, and records the order in which it starts. */
function workshop(pool: HashPool) {
  const started: string[] = [];
  const open: (() => void)[] = [];
  const failure = (promise: Promise<unknown>) =>
    promise.then(
      () => null,
      (error: unknown) => error,
    );
  return {
    started,
    /** @returns the error of the call, or `null` after its work has finished. */
    run(name: string, client: string | null = name, request?: Pick<Request, "signal">) {
      const work = () => {
        started.push(name);
        return new Promise<void>((resolve) => open.push(resolve));
      };
      return failure(pool.run(work, { client, request }));
    },
    /** Finishes running work until this many calls have started. */
    async serve(count: number): Promise<void> {
      while (started.length < count) {
        open.shift()?.();
        await Bun.sleep(1);
      }
    },
    /** Finishes all running and waiting work. */
    async finish<T>(promises: readonly Promise<T>[]): Promise<T[]> {
      const ended = Promise.all(promises);
      let isOver = false;
      void ended.then(() => {
        isOver = true;
      });
      while (!isOver) {
        open.shift()?.();
        await Bun.sleep(1);
      }
      return ended;
    },
  };
}

describe("HashPool", () => {
  test.each([1, 3])("runs at most %d at a time", async (maxRunning) => {
    const pool = new HashPool(maxRunning);
    let [running, most] = [0, 0];
    const work = async () => {
      most = Math.max(most, ++running);
      await Bun.sleep(1);
      running--;
    };
    await Promise.all(Array.from({ length: 20 }, (_, at) => pool.run(work, { client: `${at % 4}` })));
    expect(most).toBe(maxRunning);
  });

  test("runs at least one, even with a single core", async () => {
    expect(await new HashPool(0).run(async () => "done", { client: "a" })).toBe("done");
  });

  test("passes on results and errors, and continues after an error", async () => {
    const pool = new HashPool(1);
    const error = new Error("no");
    expect(await pool.run(async () => 1, { client: "a" })).toBe(1);
    await expect(pool.run(() => Promise.reject(error), { client: "a" })).rejects.toBe(error);
    expect(await pool.run(async () => 2, { client: "a" })).toBe(2);
  });

  test("serves clients in turn: a flood from one delays another by one hash", async () => {
    const { run, started, serve, finish } = workshop(new HashPool(1));
    const flood = Array.from({ length: 20 }, (_, at) => run(`flood ${at}`, "flood"));
    const other = run("other");
    await serve(3);
    expect(started).toContain("other");
    expect(await finish([...flood, other])).toEqual(Array(21).fill(null));
  });

  test(`rejects with 503 and Retry-After when ${MAX_WAITING} others wait`, async () => {
    const pool = new HashPool(1);
    const { run, finish } = workshop(pool);
    const clients = Array.from({ length: 1 + MAX_WAITING }, (_, at) => run(`${at}`));
    expect(await run("one more")).toMatchObject(BUSY);
    expect(() => pool.assertRoom({ client: "one more" })).toThrow(expect.objectContaining({ code: "busy" }));
    expect(await finish(clients)).toEqual(Array(65).fill(null));
    pool.assertRoom({ client: "one more" });
  });

  test("a full queue evicts an item of the client with the most", async () => {
    const pool = new HashPool(1);
    const { run, finish } = workshop(pool);
    const flood = Array.from({ length: 1 + MAX_WAITING }, (_, at) => run(`flood ${at}`, "flood"));
    expect(await run("flood more", "flood")).toMatchObject(BUSY);
    pool.assertRoom({ client: "other" });
    const other = run("other");
    expect(await flood.at(-1)).toMatchObject(BUSY);
    const ended = await finish([...flood.slice(0, -1), other]);
    expect(ended).toEqual(Array(65).fill(null));
  });

  test.each([
    ["the /64s of an IPv6 /48", (index: number) => `2001:db8:1:${index.toString(16)}::/64`],
    ["the addresses of an IPv4 /24", (index: number) => `198.51.100.${index}`],
  ])("a flood from %s is that of one client to others", async (_, clientOf) => {
    const pool = new HashPool(1);
    const { run, started, serve, finish } = workshop(pool);
    const flood = Array.from({ length: 1 + MAX_WAITING }, (_, at) => run(`flood ${at}`, clientOf(at)));
    expect(await run("flood more", clientOf(100))).toMatchObject(BUSY);
    const others = ["203.0.113.9", "2001:db8:2:1::/64"].map((client) => run(client));
    await serve(4);
    expect(started).toEqual(expect.arrayContaining(["203.0.113.9", "2001:db8:2:1::/64"]));
    const ended = await finish([...flood, ...others]);
    expect(ended.filter((error) => error === null)).toHaveLength(1 + MAX_WAITING);
    expect(ended.slice(-2)).toEqual([null, null]);
  });

  test("never rejects the operator", async () => {
    const { run, finish } = workshop(new HashPool(1));
    const clients = Array.from({ length: 1 + MAX_WAITING }, (_, at) => run(`${at}`));
    const operator = run("operator", null);
    expect(await finish([...clients, operator])).toEqual(Array(66).fill(null));
  });

  test("hashes nothing for a client that hung up in the queue", async () => {
    const { run, started, finish } = workshop(new HashPool(1));
    const client = new AbortController();
    const first = run("first");
    const gone = run("gone", "gone", client);
    const last = run("last");
    client.abort();
    expect(await gone).toMatchObject(BUSY);
    await finish([first, last]);
    expect(started).toEqual(["first", "last"]);
  });
});
