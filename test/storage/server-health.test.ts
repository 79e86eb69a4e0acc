import { describe, expect, test } from "bun:test";
import { migrate } from "../../src/storage/migrate.ts";
import { MIGRATIONS } from "../../src/storage/migrations/index.ts";
import { createServerHealthRepository } from "../../src/storage/server-health.ts";
import { openTest } from "./fixtures/database.ts";

const NOW = new Date("2026-06-01T12:00:00Z");
const later = (seconds: number) => new Date(NOW.getTime() + seconds * 1_000);
const REFUSED = { phase: "connect", code: "refused" };

async function health() {
  const database = openTest();
  await migrate(database, MIGRATIONS, { now: () => NOW });
  return {
    database,
    repository: createServerHealthRepository(database),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}

describe("fail()", () => {
  test("counts, and keeps the first date and the last failure", async () => {
    await using instance = await health();
    const { database, repository } = instance;
    await database.commit([repository.fail("a", REFUSED, 1, NOW)]);
    const [[row]] = await database.commit([
      repository.fail("a", { phase: "auth", code: "auth_rejected" }, 2, later(5)),
    ]);
    expect(row).toEqual({
      ...{ identifier: "a", failures: 3, opens: 0, openUntil: null, since: NOW, failedAt: later(5) },
      ...{ phase: "auth", code: "auth_rejected" },
    });
  });
});

describe("trip() and probe()", () => {
  test("are for one caller of many", async () => {
    await using instance = await health();
    const { database, repository } = instance;
    await database.commit([repository.fail("a", REFUSED, 5, NOW)]);
    const trip = () => database.commit([repository.trip({ identifier: "a", opens: 0 }, later(30))]);
    const probe = (now: Date) => database.commit([repository.probe("a", now, later(150))]);
    expect([await trip(), await trip()].map(([{ rowsAffected }]) => rowsAffected)).toEqual([1, 0]);
    expect((await probe(later(29)))[0].rowsAffected).toBe(0);
    expect(
      [await probe(later(30)), await probe(later(30))].map(([{ rowsAffected }]) => rowsAffected),
    ).toEqual([1, 0]);
    expect(await repository.open(["a", "b"])).toEqual(new Set(["a"]));
    await database.commit([repository.clear("a")]);
    expect(await repository.open(["a"])).toEqual(new Set());
    expect(await repository.open([])).toEqual(new Set());
  });
});

describe("rescue()", () => {
  test("shortens what no circuit lasts, and nothing else", async () => {
    await using instance = await health();
    const { database, repository } = instance;
    for (const [name, seconds] of [
      ["long", 700],
      ["short", 500],
    ] as const) {
      await database.commit([
        repository.fail(name, REFUSED, 5, NOW),
        repository.trip({ identifier: name, opens: 0 }, later(seconds)),
      ]);
    }
    await database.commit([repository.fail("closed", REFUSED, 1, NOW), repository.rescue(NOW, later(600))]);
    const until = async (name: string) => (await repository.find(name))?.openUntil;
    expect([await until("long"), await until("short"), await until("closed")]).toEqual([
      NOW,
      later(500),
      null,
    ]);
  });
});
