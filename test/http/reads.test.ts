import { describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import type { Database } from "../../src/contracts/database.ts";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";
import type { Operation } from "../openapi/document.ts";
import type { Known } from "../openapi/preparations.ts";
import { createWorld } from "../openapi/world.ts";
import { create } from "./apikey-support.ts";

/** Reads that change rows although they reveal no secret, with the reason. */
const WRITING: Readonly<Record<string, string>> = {
  completeOAuthSignIn: "a provider leads the browser back with a code, which ends the sign-in",
  listTokens: "the audit log has who read the addresses of users",
  listUsers: "the audit log has who read personal data",
};
const WITH_PASSWORD = { server: "mail.example.org", username: "ann", password: "a password" };

/** Returns every row of every table as text, and the number of changes, which a change to the same value raises. */
async function rowsOf({ read, write }: Database): Promise<Readonly<Record<string, string>>> {
  const tables = await read.all<{ name: string }>(
    sql`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '_cf*'`,
  );
  const rows = await Promise.all(
    tables.map(async ({ name }) => {
      const all = await read.all(sql.raw(`SELECT * FROM "${name}"`));
      return [name, JSON.stringify(all)] as const;
    }),
  );
  const changes = await write.get(sql`SELECT total_changes() AS count`);
  return { ...Object.fromEntries(rows), changes: JSON.stringify(changes) };
}

/** Returns the names of the tables that the work changes. */
async function changedBy(database: Database, work: () => Promise<unknown>): Promise<string[]> {
  const before = await rowsOf(database);
  await work();
  const after = await rowsOf(database);
  return Object.keys(after).filter((name) => after[name] !== before[name]);
}

function urlOf({ path, parameters }: Operation, known: Known): string {
  const query = parameters.filter(({ name, in: place }) => place === "query" && name in known);
  const given = new URLSearchParams(Object.fromEntries(query.map(({ name }) => [name, String(known[name])])));
  return `${path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(known[name])))}?${given}`;
}

async function head({ app, token }: TestInstance, path: string): Promise<void> {
  const response = await app.request(path, { method: "HEAD", headers: { Authorization: token } });
  expect([response.status, await response.text()]).toEqual([200, ""]);
}

describe("a request that only reads", () => {
  test.each([
    ["an admin's token", false],
    ["an API key", true],
  ])("changes no row, with %s", async (_, hasKey) => {
    await using world = await createWorld();
    const { instance, operations } = world;
    const { database, services } = instance;
    const { key } = await create(instance, { rights: services.rights.join() });
    const token = hasKey ? key : instance.token;
    // The first use of a key in an hour is recorded.
    await instance.request("GET", "/auth/rights", { token });
    const odd: unknown[] = [];
    const writing: string[] = [];
    for (const operation of operations.filter(({ method }) => method === "GET")) {
      const known = await world.prepare(operation);
      await services.settled();
      let status = 0;
      const changed = await changedBy(database, async () => {
        ({ status } = await instance.request("GET", urlOf(operation, known), { token }));
        await services.settled();
      });
      if (status >= 400 && !hasKey) odd.push([operation.operationId, status]);
      if (changed.length > 0) writing.push(operation.operationId);
    }
    expect(odd).toEqual([]);
    expect(writing.toSorted()).toEqual(Object.keys(WRITING));
  });

  test("is audited if it reveals a password, and only then", async () => {
    await using instance = await testInstance();
    const { database, request } = instance;
    await request("POST", "/smtpserver/main", { json: WITH_PASSWORD });
    for (const path of ["/smtpserver/", "/smtpserver/main"]) {
      expect(await changedBy(database, () => request("GET", path))).toContain("audit");
      expect(await changedBy(database, () => request("GET", `${path}?censor=1`))).toEqual([]);
      expect(await changedBy(database, () => head(instance, path))).toEqual([]);
    }
  });

  test("records the use of an API key once an hour", async () => {
    await using instance = await testInstance();
    const { database, request, clock } = instance;
    const { key: token } = await create(instance, { rights: "policyread" });
    const read = () => changedBy(database, () => request("GET", "/policy/", { token }));
    expect([await read(), await read()]).toEqual([["api_key_use", "changes"], []]);
    clock.advance(3_600);
    expect([await read(), await read()]).toEqual([["api_key_use", "changes"], []]);
  });
});
