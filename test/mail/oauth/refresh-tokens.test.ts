import { describe, expect, test } from "bun:test";
import type { Database } from "../../../src/contracts/database.ts";
import { notSent } from "../../../src/domain/delivery.ts";
import { Secret } from "../../../src/domain/secret.ts";
import { createUseRefreshTokens } from "../../../src/mail/oauth/use-refresh-tokens.ts";
import type { SmtpServerRow } from "../../../src/storage/smtp-servers.ts";
import { get, issued, tokenDatabase } from "./support.ts";

const GIVEN = { flow: "refresh_token", refreshToken: new Secret("given") } as const;
const dead = { successful: false, failure: notSent("oauth", "oauth_grant") } as const;
const sent = ({ requests }: { readonly requests: readonly { readonly refreshToken: Secret }[] }) =>
  requests.map(({ refreshToken }) => refreshToken.reveal());
/** An endpoint that replaces the refresh token at each use. */
const rotating = (_: unknown, count: number) =>
  issued(`token-${count}`, { refreshToken: `refresh-${count}` });

describe("a refresh token that the endpoint replaced", () => {
  test("is used from then on, in every process, and is encrypted in the database", async () => {
    await using shared = await tokenDatabase();
    const first = shared.startProcess(rotating);
    for (let use = 0; use < 3; use++) {
      await get(first.tokens(GIVEN));
      shared.clocks.advance(3_600);
    }
    expect(sent(first)).toEqual(["given", "refresh-1", "refresh-2"]);
    const second = shared.startProcess(() => issued("other"));
    await get(second.tokens(GIVEN));
    expect(sent(second)).toEqual(["refresh-3"]);
    const rows = await shared.database.read.all<object>("SELECT * FROM oauth_grant");
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toContain("refresh-");
  });

  test("is stored before its access token is used", async () => {
    await using shared = await tokenDatabase();
    const first = shared.startProcess(rotating);
    await get(first.tokens(GIVEN));
    // Nothing of the first process is left but the database.
    const second = shared.startProcess(() => issued("other"));
    shared.clocks.advance(3_600);
    await get(second.tokens(GIVEN));
    expect(sent(second)).toEqual(["refresh-1"]);
  });

  test("is used from then on even if it came without a usable access token", async () => {
    await using shared = await tokenDatabase();
    const failure = notSent("oauth", "oauth_unavailable");
    const first = shared.startProcess((_, count) =>
      count === 1
        ? { successful: false, failure, refreshToken: new Secret("refresh-1") }
        : issued("token", { refreshToken: "refresh-2" }),
    );
    expect(await get(first.tokens(GIVEN))).toBe("oauth_unavailable");
    shared.clocks.advance(2);
    expect(await get(first.tokens(GIVEN))).toBe("token");
    shared.clocks.advance(3_600);
    await get(shared.startProcess(rotating).tokens(GIVEN));
    await get(first.tokens(GIVEN));
    expect(sent(first)).toEqual(["given", "refresh-1"]);
  });

  test("outlives a change of the definition that leaves the given one", async () => {
    await using shared = await tokenDatabase();
    const { tokens, ...process } = shared.startProcess(rotating);
    await get(tokens(GIVEN));
    await get(tokens(GIVEN, { id: "a", version: 2 }));
    expect(sent(process)).toEqual(["given", "refresh-1"]);
  });

  test("passes from the test of an unsaved definition to the saved one", async () => {
    await using shared = await tokenDatabase();
    const { tokens, ...process } = shared.startProcess(rotating);
    await get(tokens(GIVEN, null));
    await get(tokens(GIVEN));
    await get(tokens(GIVEN, null));
    shared.clocks.advance(3_600);
    await get(tokens(GIVEN, null));
    expect(sent(process)).toEqual(["given", "refresh-1", "refresh-2"]);
    expect(await shared.database.read.all<object>("SELECT definition FROM oauth_grant")).toEqual([
      { definition: "a" },
    ]);
  });

  test("is never sent to another endpoint, or by another client", async () => {
    await using shared = await tokenDatabase();
    const { tokens, ...process } = shared.startProcess(rotating);
    await get(tokens(GIVEN));
    await get(tokens({ ...GIVEN, tokenUrl: "https://other.test/" }));
    await get(tokens({ ...GIVEN, clientId: "other" }));
    expect(sent(process)).toEqual(["given", "given", "given"]);
  });

  test("is forgotten when the given one changes", async () => {
    await using shared = await tokenDatabase();
    const { tokens, ...process } = shared.startProcess(rotating);
    await get(tokens(GIVEN));
    await get(tokens({ ...GIVEN, refreshToken: new Secret("new") }, { id: "a", version: 2 }));
    expect(sent(process)).toEqual(["given", "new"]);
    expect(await shared.database.read.all<object>("SELECT given FROM oauth_grant")).toHaveLength(1);
  });

  test("outlives the other definitions that had the same given one", async () => {
    await using shared = await tokenDatabase();
    const { tokens, ...process } = shared.startProcess(rotating);
    await get(tokens(GIVEN));
    await get(tokens(GIVEN, { id: "b", version: 1 }));
    await get(tokens({ ...GIVEN, refreshToken: new Secret("new") }, { id: "b", version: 2 }));
    await get(tokens(GIVEN, { id: "a", version: 2 }));
    expect(sent(process)).toEqual(["given", "refresh-1", "new", "refresh-2"]);
    const { database, repository } = shared;
    const keptUntil = async (idleBefore: number) => {
      await database.commit(repository.prune(new Date(idleBefore), new Date(idleBefore)));
      return (await database.read.all<object>("SELECT given FROM oauth_grant WHERE definition = '*'")).length;
    };
    expect(await keptUntil(shared.clocks.now)).toBe(1);
    expect(await keptUntil(shared.clocks.now + 1)).toBe(0);
  });

  test("of the winner is used if two processes refresh, and the loser's is rejected", async () => {
    await using shared = await tokenDatabase();
    const response = Promise.withResolvers<void>();
    const slow = shared.startProcess(async (_, count) => {
      await response.promise;
      return count === 1 ? dead : issued("late");
    });
    const waiting = get(slow.tokens(GIVEN));
    await slow.requested;
    // The lease of the slow process ends.
    shared.clocks.advance(14);
    await get(shared.startProcess(rotating).tokens(GIVEN));
    response.resolve();
    expect(await waiting).toBe("late");
    expect(sent(slow)).toEqual(["given", "refresh-1"]);
  });

  test("gives way to its successor if the response to its commit was lost", async () => {
    await using shared = await tokenDatabase();
    let commits = 0;
    const { database } = shared;
    const commit = async (...[statements, options]: Parameters<Database["commit"]>) => {
      const results = await database.commit(statements, options);
      // The first one leases the request.
      if (++commits === 2) throw new Error("The connection was lost");
      return results;
    };
    const first = shared.startProcess(rotating, { database: { commit: commit as Database["commit"] } });
    expect(await get(first.tokens(GIVEN))).toBe("oauth_unavailable");
    shared.clocks.advance(3_600);
    const second = shared.startProcess(() => issued("second", { refreshToken: "successor" }));
    await get(second.tokens(GIVEN));
    shared.clocks.advance(3_600);
    await get(first.tokens(GIVEN));
    expect([...sent(first), ...sent(second)]).toEqual(["given", "successor", "refresh-1"]);
  });

  test("of a loser does not replace the winner's", async () => {
    await using shared = await tokenDatabase();
    const response = Promise.withResolvers<void>();
    const slow = shared.startProcess(async () => {
      await response.promise;
      return issued("late", { refreshToken: "late-refresh" });
    });
    const waiting = get(slow.tokens(GIVEN));
    await slow.requested;
    shared.clocks.advance(14);
    await get(shared.startProcess(rotating).tokens(GIVEN));
    response.resolve();
    expect(await waiting).toBe("late");
    shared.clocks.advance(3_600);
    const third = shared.startProcess(rotating);
    await get(third.tokens(GIVEN));
    expect(sent(third)).toEqual(["refresh-1"]);
  });
});

test("one endpoint that does not respond does not hold up the others' daily use", async () => {
  await using shared = await tokenDatabase();
  const others = Promise.withResolvers<void>();
  const used: string[] = [];
  const rowOf = (id: string) => ({ id, identifier: id, oauthFlow: "refresh_token" }) as SmtpServerRow;
  const useRefreshTokens = createUseRefreshTokens({
    repository: { list: async () => ["slow", "b", "c", "d"].map(rowOf) },
    tokensOf: async ({ id }) =>
      shared
        .startProcess(async () => {
          if (id === "slow") await others.promise;
          if (used.push(id) === 3) others.resolve();
          return issued(id);
        })
        .tokens({ ...GIVEN, refreshToken: new Secret(id) }, { id, version: 1 }),
    circuit: { observe: async () => undefined },
    platform: { now: () => new Date(shared.clocks.now) },
  });
  await useRefreshTokens();
  expect(used.at(-1)).toBe("slow");
  expect(used).toHaveLength(4);
});

describe("refreshIfUnused()", () => {
  const DAY_SECONDS = 86_400;

  test("uses a refresh token whose last use was before the time", async () => {
    await using shared = await tokenDatabase();
    const { tokens, requests } = shared.startProcess(rotating);
    const refresh = (days: number) =>
      tokens(GIVEN).refreshIfUnused(new Date(shared.clocks.now - days * DAY_SECONDS * 1_000));
    expect(await refresh(25)).toMatchObject({ successful: true });
    shared.clocks.advance(25 * DAY_SECONDS);
    expect(await refresh(25)).toBeNull();
    shared.clocks.advance(1);
    expect(await refresh(25)).toMatchObject({ successful: true });
    expect(requests).toHaveLength(2);
  });

  test("returns the failure of one that is dead", async () => {
    await using shared = await tokenDatabase();
    const { tokens } = shared.startProcess(() => dead);
    const result = await tokens(GIVEN).refreshIfUnused(new Date(shared.clocks.now));
    expect(result).toMatchObject({ successful: false, failure: { code: "oauth_grant" } });
    expect(shared.failures).toEqual(["main oauth_grant"]);
  });
});
