import { describe, expect, test } from "bun:test";
import { notSent } from "../../../src/domain/delivery.ts";
import { Secret } from "../../../src/domain/secret.ts";
import { get, issued, tokenDatabase } from "./support.ts";

const rejected = { successful: false, failure: notSent("oauth", "oauth_client") } as const;
const unavailable = { successful: false, failure: notSent("oauth", "oauth_unavailable") } as const;
const numbered = (_: unknown, count: number) => issued(`token-${count}`);

describe("a token", () => {
  test("is requested once for 50 callers", async () => {
    await using shared = await tokenDatabase();
    const { tokens, requests } = shared.startProcess(() => issued("one"));
    const all = await Promise.all(Array.from({ length: 50 }, () => get(tokens())));
    expect(new Set(all)).toEqual(new Set(["one"]));
    expect(requests).toHaveLength(1);
  });

  test("is requested once for two processes", async () => {
    await using shared = await tokenDatabase();
    const response = Promise.withResolvers<void>();
    const first = shared.startProcess(async () => {
      await response.promise;
      return issued("one");
    });
    const second = shared.startProcess(() => issued("two"));
    const results = [get(first.tokens())];
    await first.requested;
    results.push(get(second.tokens()));
    await second.nextRead();
    response.resolve();
    expect(await Promise.all(results)).toEqual(["one", "one"]);
    expect(second.requests).toHaveLength(0);
  });

  test("outlives the process that requested it, and is encrypted in the database", async () => {
    await using shared = await tokenDatabase();
    expect(await get(shared.startProcess(() => issued("plain-token")).tokens())).toBe("plain-token");
    const rows = await shared.database.read.all<object>("SELECT * FROM oauth_token");
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toContain("plain-token");
    expect(await get(shared.startProcess(() => rejected).tokens())).toBe("plain-token");
  });

  test.each([
    ["a tenth of its life", 3_600, 3_240],
    ["60 s, of a short life", 300, 240],
    ["600 s, of a long life", 86_400, 85_800],
    ["60 s, if the endpoint does not say its life", null, 240],
  ])("is replaced when there is left %s", async (_, expiresInSeconds, seconds) => {
    await using shared = await tokenDatabase();
    const { tokens } = shared.startProcess((_, count) => issued(`token-${count}`, { expiresInSeconds }));
    await get(tokens());
    shared.clocks.advance(seconds - 1);
    expect(await get(tokens())).toBe("token-1");
    shared.clocks.advance(1);
    expect(await get(tokens())).toBe("token-2");
  });

  test("is used until its end if no other can be had", async () => {
    await using shared = await tokenDatabase();
    const { tokens, requests } = shared.startProcess((_, count) =>
      count === 1 ? issued("one") : unavailable,
    );
    await get(tokens());
    shared.clocks.advance(3_300);
    expect(await get(tokens())).toBe("one");
    expect(await get(tokens())).toBe("one");
    expect(requests).toHaveLength(2);
    shared.clocks.advance(300);
    expect(await get(tokens())).toBe("oauth_unavailable");
  });

  test("does not look young after the clock was set back", async () => {
    await using shared = await tokenDatabase();
    const { tokens } = shared.startProcess(numbered);
    await get(tokens());
    shared.clocks.now -= 7_200_000;
    shared.clocks.ms += 3_300_000;
    expect(await get(tokens())).toBe("token-2");
    const other = shared.startProcess(() => issued("other"));
    shared.clocks.now -= 7_200_000;
    expect(await get(other.tokens())).toBe("other");
  });

  test("is another one as soon as anything of which it is made differs", async () => {
    await using shared = await tokenDatabase();
    const { tokens, requests } = shared.startProcess(numbered);
    await get(tokens());
    for (const own of [
      { clientId: "b" },
      { clientSecret: new Secret("b") },
      { scope: "b" },
      { username: "b" },
      { privateKey: new Secret("b") },
      { certificate: "b" },
      { serviceAccount: new Secret("b") },
      { tokenUrl: "https://other.test/" },
    ]) {
      await get(tokens(own));
    }
    await get(tokens({}, { id: "a", version: 2 }));
    await get(tokens({}, null));
    expect(requests).toHaveLength(11);
    await get(tokens());
    expect(requests).toHaveLength(11);
  });
});

describe("a failure", () => {
  test("is shared by the callers of all processes", async () => {
    await using shared = await tokenDatabase();
    const { tokens, requests } = shared.startProcess(() => rejected);
    await Promise.all(Array.from({ length: 12 }, () => get(tokens())));
    for (let call = 0; call < 12; call++) expect(await get(tokens())).toBe("oauth_client");
    expect(requests).toHaveLength(1);
    const second = shared.startProcess(() => issued("two"));
    expect(await get(second.tokens())).toBe("oauth_client");
    expect(shared.failures).toEqual(["main oauth_client"]);
  });

  test.each([
    ["that passes", [1, 5, 30, 30], unavailable],
    ["that needs an admin", [5, 15, 60, 60], rejected],
  ] as const)("%s is repeated after %j s", async (_, waits, failure) => {
    await using shared = await tokenDatabase();
    const { tokens, requests } = shared.startProcess(() => failure);
    await get(tokens());
    for (const [index, seconds] of waits.entries()) {
      shared.clocks.advance(seconds - 0.5);
      await get(tokens());
      expect(requests).toHaveLength(index + 1);
      shared.clocks.advance(0.5);
      await get(tokens());
      expect(requests).toHaveLength(index + 2);
    }
  });

  test("lasts as long as Retry-After asks, and tells the time that is left", async () => {
    await using shared = await tokenDatabase();
    const limited = { ...unavailable.failure, retryAfterMs: 120_000 };
    const { tokens, requests } = shared.startProcess(() => ({ successful: false, failure: limited }));
    await get(tokens());
    shared.clocks.advance(100);
    const result = await tokens().get({ signal: new AbortController().signal });
    expect(result).toMatchObject({ failure: { retryAfterMs: 20_000 } });
    expect(requests).toHaveLength(1);
    shared.clocks.advance(20);
    await get(tokens());
    expect(requests).toHaveLength(2);
  });

  test("lasts an hour at most, whatever Retry-After asks", async () => {
    await using shared = await tokenDatabase();
    const { tokens, requests } = shared.startProcess(() => ({
      ...unavailable,
      failure: { ...unavailable.failure, retryAfterMs: 365 * 24 * 3_600_000 },
    }));
    await get(tokens());
    shared.clocks.advance(3_599);
    await get(tokens());
    expect(requests).toHaveLength(1);
    shared.clocks.advance(1);
    await get(tokens());
    expect(requests).toHaveLength(2);
  });

  test("does not outlive a change of the definition, nor a success", async () => {
    await using shared = await tokenDatabase();
    const { tokens } = shared.startProcess((_, count) => (count === 2 ? issued("two") : rejected));
    expect(await get(tokens())).toBe("oauth_client");
    expect(await get(tokens({}, { id: "a", version: 2 }))).toBe("two");
  });

  test("of an unsaved definition is not reported", async () => {
    await using shared = await tokenDatabase();
    await get(shared.startProcess(() => rejected).tokens({}, null));
    expect(shared.failures).toEqual([]);
  });
});

describe("a rejected token", () => {
  test("is replaced once, and again after ten seconds", async () => {
    await using shared = await tokenDatabase();
    const { tokens, requests } = shared.startProcess(numbered);
    expect(await get(tokens())).toBe("token-1");
    expect(await get(tokens(), "token-1")).toBe("token-2");
    expect(await get(tokens(), "token-2")).toBe("token-2");
    shared.clocks.advance(10);
    expect(await get(tokens(), "token-2")).toBe("token-3");
    expect(requests).toHaveLength(3);
  });

  test("is replaced by the newer one that another caller or process got", async () => {
    await using shared = await tokenDatabase();
    const first = shared.startProcess(numbered);
    const second = shared.startProcess(() => issued("other"));
    await get(first.tokens());
    expect(await get(second.tokens())).toBe("token-1");
    const all = await Promise.all(Array.from({ length: 12 }, () => get(first.tokens(), "token-1")));
    expect(new Set(all)).toEqual(new Set(["token-2"]));
    expect(await get(second.tokens(), "token-1")).toBe("token-2");
    expect(first.requests).toHaveLength(2);
    expect(second.requests).toHaveLength(0);
  });

  test("gives the failure if there is no other", async () => {
    await using shared = await tokenDatabase();
    const { tokens } = shared.startProcess((_, count) => (count === 1 ? issued("one") : unavailable));
    await get(tokens());
    expect(await get(tokens(), "one")).toBe("oauth_unavailable");
  });
});

describe("a request", () => {
  test("goes on when its caller is aborted, and serves the next one", async () => {
    await using shared = await tokenDatabase();
    const response = Promise.withResolvers<void>();
    const { tokens, requests, requested, settled } = shared.startProcess(async () => {
      await response.promise;
      return issued("one");
    });
    const stop = new AbortController();
    const result = tokens()
      .get({ signal: stop.signal })
      .catch((error: unknown) => error);
    await requested;
    stop.abort(new Error("stopped"));
    expect(await result).toEqual(new Error("stopped"));
    response.resolve();
    await settled();
    expect(await get(tokens())).toBe("one");
    expect(requests).toHaveLength(1);
  });

  test("of a process that died is made by another one after 14 s", async () => {
    await using shared = await tokenDatabase();
    const dead = shared.startProcess(() => new Promise(() => undefined));
    void get(dead.tokens());
    await dead.requested;
    const second = shared.startProcess(() => issued("two"));
    const waiting = get(second.tokens());
    shared.clocks.advance(13);
    await second.nextRead();
    await second.nextRead();
    expect(second.requests).toHaveLength(0);
    shared.clocks.advance(1);
    expect(await waiting).toBe("two");
  });

  test("fails without a database, and is made when it is back", async () => {
    const shared = await tokenDatabase();
    const { tokens, requests } = shared.startProcess(numbered);
    await shared.database[Symbol.asyncDispose]();
    expect(await get(tokens())).toBe("oauth_unavailable");
    expect(requests).toHaveLength(0);
  });
});
