import { describe, expect, test } from "bun:test";
import { migrate } from "../../src/storage/migrate.ts";
import { MIGRATIONS } from "../../src/storage/migrations/index.ts";
import { createServerHealthRepository } from "../../src/storage/server-health.ts";
import { openTest } from "./fixtures/database.ts";

const NOW = new Date("2026-06-01T12:00:00Z");
const later = (seconds: number) => new Date(NOW.getTime() + seconds * 1_000);
const REFUSED = { phase: "connect", code: "refused" };
const REJECTED = { phase: "auth", code: "auth_rejected" };

async function health() {
  const database = openTest();
  await migrate(database, MIGRATIONS, { now: () => NOW });
  const repository = createServerHealthRepository(database);
  return {
    database,
    repository,
    /** Opens a circuit until this time. */
    async open(identifier: string, seconds: number, failedAt = NOW) {
      await database.commit([
        repository.fail(identifier, REFUSED, failedAt),
        repository.trip(identifier, later(seconds)),
      ]);
    },
    /** Whether the probe was leased. */
    async claim(token: string, seconds: number, identifier = "a") {
      const ref = { identifier, token };
      const [rows] = await database.commit([repository.claimProbe(ref, later(seconds), later(seconds + 15))]);
      return rows.length > 0;
    },
    openUntil: async (identifier = "a") => (await repository.find(identifier))?.openUntil,
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}

describe("fail()", () => {
  test("counts, and keeps the first date and the last failure", async () => {
    await using instance = await health();
    const { database, repository } = instance;
    await database.commit([repository.fail("a", REFUSED, NOW)]);
    const [[row]] = await database.commit([repository.fail("a", REJECTED, later(5))]);
    expect(row).toEqual({
      ...{ identifier: "a", failures: 2, opens: 0, openUntil: null, since: NOW, failedAt: later(5) },
      ...{ ...REJECTED, probe: null },
    });
  });
});

describe("trip()", () => {
  test("opens a circuit once", async () => {
    await using instance = await health();
    const { database, repository } = instance;
    await database.commit([repository.fail("a", REFUSED, NOW)]);
    const trip = () => database.commit([repository.trip("a", later(30))]);
    expect([await trip(), await trip()].map(([{ rowsAffected }]) => rowsAffected)).toEqual([1, 0]);
    expect(await repository.open(["a", "b"])).toEqual(new Set(["a"]));
    await database.commit([repository.clear("a")]);
    expect(await repository.open(["a"])).toEqual(new Set());
    expect(await repository.open([])).toEqual(new Set());
  });
});

describe("a probe", () => {
  test("is leased to one worker when due, and to another after that lease has ended", async () => {
    await using instance = await health();
    await instance.open("a", 30);
    expect(await instance.claim("early", 29)).toBe(false);
    expect([await instance.claim("one", 30), await instance.claim("two", 30)]).toEqual([true, false]);
    expect([await instance.claim("three", 44), await instance.claim("four", 45)]).toEqual([false, true]);
  });

  test("of a worker whose lease has ended changes nothing", async () => {
    await using instance = await health();
    const { database, repository } = instance;
    await instance.open("a", 0);
    await instance.claim("one", 0);
    await instance.claim("two", 15);
    const late = { identifier: "a", token: "one" };
    const before = await repository.find("a");
    await database.commit([
      repository.failProbe(late, REJECTED, { opens: 2, until: later(90) }, later(16)),
      repository.releaseProbe(late, later(16)),
      repository.closeByProbe(late),
    ]);
    expect(await repository.find("a")).toEqual(before);
  });

  test("that fails counts, and sets the time of the next one", async () => {
    await using instance = await health();
    const { database, repository } = instance;
    await instance.open("a", 0);
    await instance.claim("one", 0);
    const probe = { identifier: "a", token: "one" };
    await database.commit([repository.failProbe(probe, REJECTED, { opens: 2, until: later(60) }, later(1))]);
    expect(await repository.find("a")).toMatchObject({
      ...{ failures: 2, opens: 2, openUntil: later(60), failedAt: later(1), ...REJECTED, probe: null },
    });
  });

  test("that is made due is taken from the worker that runs it", async () => {
    await using instance = await health();
    const { database, repository } = instance;
    await instance.open("a", 30);
    await instance.claim("one", 30);
    await database.commit([repository.makeProbeDue("a", later(31))]);
    expect(await instance.claim("two", 31)).toBe(true);
    const [rows] = await database.commit([repository.closeByProbe({ identifier: "a", token: "one" })]);
    expect(rows).toEqual([]);
  });

  test("is not made due if the circuit is closed", async () => {
    await using instance = await health();
    const { database, repository } = instance;
    await database.commit([repository.fail("a", REFUSED, NOW), repository.makeProbeDue("a", NOW)]);
    expect(await instance.claim("one", 0)).toBe(false);
    await database.commit([repository.clearIfClosed("a")]);
    expect(await repository.find("a")).toBeUndefined();
  });
});

describe("recoverFromClockJump()", () => {
  test("makes only probes due that are later than possible", async () => {
    await using instance = await health();
    const { database, repository } = instance;
    await instance.open("too late", 901);
    await instance.open("late", 899);
    await instance.open("of tomorrow", 100, later(86_400));
    await instance.open("of a clock that differs", 100, later(4));
    await instance.open("probed", 0);
    await instance.claim("one", 2, "probed");
    await database.commit([repository.fail("closed", REFUSED, NOW)]);
    await database.commit([repository.recoverFromClockJump(NOW, { probe: later(900), lease: later(15) })]);
    expect({
      tooLate: await instance.openUntil("too late"),
      late: await instance.openUntil("late"),
      tomorrow: await instance.openUntil("of tomorrow"),
      differs: await instance.openUntil("of a clock that differs"),
      probed: await instance.openUntil("probed"),
      closed: await instance.openUntil("closed"),
    }).toEqual({
      ...{ tooLate: NOW, late: later(899), tomorrow: NOW, differs: later(100), probed: NOW, closed: null },
    });
  });
});
