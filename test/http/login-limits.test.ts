import { describe, expect, test } from "bun:test";
import { Secret } from "../../src/domain/secret.ts";
import { ADMIN, PEER, type TestInstance, testInstance } from "../fixtures/instance.ts";
import { SLOW, startLoginFlood } from "../fixtures/login-flood.ts";
import type { RequestOptions } from "../fixtures/request.ts";

const ACTOR = { action: "cli test", administrator: "", realm: "", client: "", policies: "", requestId: "" };
const STAFF = { username: "alice", realm: "staff" };

const logIn = (instance: TestInstance, json: object, options: RequestOptions = {}) =>
  instance.request("POST", "/auth", { json, token: null, ...options });

async function statuses(
  times: number,
  attempt: () => Promise<{ readonly status: number }>,
): Promise<number[]> {
  const found: number[] = [];
  for (let i = 0; i < times; i++) found.push((await attempt()).status);
  return found;
}

describe("the limit of attempts", () => {
  const wrong = { username: "admin", password: "wrong" };
  const TEN = Array<number>(10).fill(401);

  test("is ten failures of a name from an address, after which even the right password gets 429 with Retry-After", async () => {
    await using instance = await testInstance();
    expect(await statuses(11, () => logIn(instance, wrong))).toEqual([...TEN, 429]);
    instance.clock.advance(60);
    const { status, error, headers, detail } = await logIn(instance, ADMIN);
    expect([status, error?.code, detail]).toEqual([429, 429, null]);
    expect(headers.get("retry-after")).toBe("540");
  });

  test.each([
    [
      "a local admin",
      [
        "admin",
        "admin@",
        "ADMIN",
        "\uff41dmin",
        { username: "Admin", realm: "default" },
        { username: "admin", realm: "x" },
      ],
    ],
    [
      "no admin",
      ["carol", "carol@", "Carol", { username: "carol", realm: "x" }, { username: "carol", realm: "y" }],
    ],
    ["an admin of a realm", ["alice@staff", "Alice@STAFF", { username: "alice", realm: "staff" }]],
  ])("is one for every way to write the name of %s", async (_, names) => {
    await using instance = await testInstance();
    await instance.services.admins.save(STAFF, { password: new Secret("a secret word") }, ACTOR);
    const logins = names.map((name) => (typeof name === "string" ? { username: name } : name));
    let turn = 0;
    const attempt = () => logIn(instance, { ...logins[turn++ % names.length], password: "wrong" });
    expect(await statuses(13, attempt)).toEqual([...TEN, 429, 429, 429]);
  });

  test("is another one for another realm", async () => {
    await using instance = await testInstance();
    await statuses(10, () => logIn(instance, { username: "alice@staff", password: "wrong" }));
    expect((await logIn(instance, { username: "alice@other", password: "wrong" })).status).toBe(401);
    expect((await logIn(instance, { username: "alice", password: "wrong" })).status).toBe(401);
  });

  test("does not reveal by its realm which admins exist", async () => {
    const found = async (realm: string) => {
      await using instance = await testInstance();
      await instance.services.admins.save(STAFF, { password: new Secret("a secret word") }, ACTOR);
      const attempt = (given: object) => logIn(instance, { username: "alice", password: "wrong", ...given });
      return [
        await statuses(10, () => attempt({ realm })),
        await statuses(1, () => attempt({ realm: "other" })),
        await statuses(1, () => attempt({})),
      ];
    };
    expect(await found("staff")).toEqual(await found("nowhere"));
  });

  test("ends ten minutes after the first failure", async () => {
    await using instance = await testInstance();
    await statuses(10, () => logIn(instance, wrong));
    instance.clock.advance(600);
    expect((await logIn(instance, ADMIN)).status).toBe(200);
  });

  test("applies only to this address, so no other address can lock the admin out", async () => {
    await using instance = await testInstance();
    await statuses(11, () => logIn(instance, wrong));
    expect((await logIn(instance, ADMIN, { peer: "198.51.100.7" })).status).toBe(200);
  });

  test("applies only to this name, as typed", async () => {
    await using instance = await testInstance();
    await instance.services.admins.save(STAFF, { password: new Secret("a secret word") }, ACTOR);
    await statuses(11, () => logIn(instance, wrong));
    expect((await logIn(instance, { username: "alice@staff", password: "a secret word" })).status).toBe(200);
  });

  test("is the same for unknown names", async () => {
    await using instance = await testInstance();
    const unknown = { username: "nobody", password: "wrong" };
    expect(await statuses(11, () => logIn(instance, unknown))).toEqual([...TEN, 429]);
  });

  test("is not used up by successes", async () => {
    await using instance = await testInstance();
    expect(await statuses(25, () => logIn(instance, ADMIN))).toEqual(Array<number>(25).fill(200));
    await statuses(9, () => logIn(instance, wrong));
    expect(await statuses(5, () => logIn(instance, ADMIN))).toEqual(Array<number>(5).fill(200));
    expect(await statuses(2, () => logIn(instance, wrong))).toEqual([401, 429]);
  });

  test("is a hundred failures of an address, for any names", async () => {
    await using instance = await testInstance();
    const found = await statuses(101, async () =>
      logIn(instance, { username: `user${Math.random()}`, password: "x" }),
    );
    expect(found.filter((status) => status === 401)).toHaveLength(100);
    expect(found.at(-1)).toBe(429);
    expect((await logIn(instance, ADMIN)).status).toBe(429);
    expect((await logIn(instance, ADMIN, { peer: "198.51.100.7" })).status).toBe(200);
  });

  test("allows many concurrent logins with the right password", async () => {
    await using instance = await testInstance();
    const responses = await Promise.all(Array.from({ length: 25 }, () => logIn(instance, ADMIN)));
    expect(responses.map(({ status }) => status)).toEqual(Array<number>(25).fill(200));
  });

  test("does not count attempts that it rejected", async () => {
    await using instance = await testInstance();
    await statuses(120, () => logIn(instance, wrong));
    expect((await logIn(instance, { username: "somebody", password: "x" })).status).toBe(401);
  });

  test("cannot be exceeded by concurrent attempts", async () => {
    await using instance = await testInstance();
    const responses = await Promise.all(Array.from({ length: 40 }, () => logIn(instance, wrong)));
    expect(responses.filter(({ status }) => status === 401)).toHaveLength(10);
    expect(responses.filter(({ status }) => status === 429)).toHaveLength(30);
  });

  test("counts the /64 of an IPv6 client: a new address for every attempt does not help", async () => {
    await using instance = await testInstance();
    let host = 0;
    const found = await statuses(11, () => logIn(instance, wrong, { peer: `2001:db8::${++host}` }));
    expect(found).toEqual([...TEN, 429]);
    expect((await logIn(instance, ADMIN, { peer: "2001:db8:0:1::1" })).status).toBe(200);
  });

  test("uses X-Forwarded-For only from trusted proxies", async () => {
    await using instance = await testInstance({ trustedProxies: ["10.0.0.0/8"] });
    const from = (peer: string, forwarded: string) =>
      statuses(11, () => logIn(instance, wrong, { peer, headers: { "x-forwarded-for": forwarded } }));
    expect((await from("10.0.0.1", "198.51.100.1")).at(-1)).toBe(429);
    expect((await from("10.0.0.1", "198.51.100.2")).at(0)).toBe(401);
    await from(PEER, "198.51.100.3");
    const other = { peer: PEER, headers: { "x-forwarded-for": "198.51.100.4" } };
    expect((await logIn(instance, wrong, other)).status).toBe(429);
  });

  test("deletes expired windows when rows are pruned", async () => {
    await using instance = await testInstance();
    await logIn(instance, wrong);
    instance.clock.advance(601);
    await instance.services.prune();
    const rows = await instance.database.read.all("SELECT * FROM try_window");
    expect(rows).toEqual([]);
  });
});

describe("an undecided attempt", () => {
  const wrong = { username: "admin", password: "wrong" };

  /** Leaves the rows of a process that was killed during this many logins, after one that failed. */
  async function kill(instance: TestInstance, logins: number): Promise<void> {
    await logIn(instance, wrong);
    const { database, clock } = instance;
    const rows = await database.read.all<{ key: string }>("SELECT key FROM try_window");
    const expiresMs = clock.now.getTime() + 15_000;
    const slots = rows.flatMap(({ key }) =>
      Array.from({ length: logins }, (_, index) => `('${index}', '${key}', ${expiresMs})`),
    );
    await database.commit([
      database.write.run(`INSERT INTO attempt_slot (attempt, key, expires_at) VALUES ${slots.join(", ")}`),
    ]);
  }

  test("of a killed process locks no one out for longer than 15 s", async () => {
    await using instance = await testInstance();
    await kill(instance, 9);
    const login = logIn(instance, ADMIN);
    instance.clock.advance(15);
    expect((await login).status).toBe(200);
    expect(await instance.database.read.all("SELECT * FROM attempt_slot")).toEqual([]);
  });

  test("that expires before its verdict allows no attempt beyond the limit", async () => {
    await using instance = await testInstance({ passwordCost: { ln: 14, r: 8, p: 1 } });
    const late = Array.from({ length: 10 }, () => logIn(instance, wrong));
    // There are two limits, for the name and for the address.
    const slots = async () => (await instance.database.read.all("SELECT * FROM attempt_slot")).length;
    for (let index = 0; index < 500 && (await slots()) < 20; index++) await Bun.sleep(1);
    instance.clock.advance(15);
    const more = Array.from({ length: 10 }, () => logIn(instance, wrong));
    const responses = await Promise.all([...late, ...more]);
    expect(responses.filter(({ status }) => status === 401)).toHaveLength(10);
    expect((await logIn(instance, ADMIN)).status).toBe(429);
  });
});

describe("a clock that is set back", () => {
  const DAY_SECONDS = 86_400;

  test("does not extend a lock", async () => {
    await using instance = await testInstance();
    await statuses(10, () => logIn(instance, { username: "admin", password: "wrong" }));
    instance.clock.advance(-DAY_SECONDS);
    expect((await logIn(instance, ADMIN)).status).toBe(200);
    const again = await statuses(11, () => logIn(instance, { username: "admin", password: "wrong" }));
    expect(again).toEqual([...Array<number>(10).fill(401), 429]);
  });

  test("by the difference between two machines does not lift a lock", async () => {
    await using instance = await testInstance();
    await statuses(10, () => logIn(instance, { username: "admin", password: "wrong" }));
    instance.clock.advance(-5);
    expect((await logIn(instance, ADMIN)).status).toBe(429);
  });

  test("does not extend the life of a token", async () => {
    await using instance = await testInstance();
    const list = (token: string) => instance.request("GET", "/smtpserver/", { token });
    instance.clock.advance(400 * DAY_SECONDS);
    const token = await instance.logIn(ADMIN.username, ADMIN.password);
    expect((await list(token)).status).toBe(200);
    instance.clock.advance(-30);
    expect((await list(token)).status).toBe(200);
    instance.clock.advance(-400 * DAY_SECONDS);
    const { status, error } = await list(token);
    expect([status, error?.code]).toEqual([401, 4305]);
  });
});

describe("a flood of logins", () => {
  const wrong = { username: "admin", password: "wrong" };

  test("is rejected with 503 and Retry-After, without counting a failure or leaving a row", async () => {
    await using instance = await testInstance({ passwordCost: SLOW });
    {
      await using _ = await startLoginFlood(instance);
      const rejected = await Promise.all(Array.from({ length: 20 }, () => logIn(instance, wrong)));
      for (const { status, error, headers } of rejected) {
        expect([status, error?.code]).toEqual([503, 503]);
        expect(headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
      }
    }
    expect(await instance.database.read.all("SELECT * FROM attempt_slot")).toEqual([]);
    expect((await logIn(instance, ADMIN)).status).toBe(200);
  }, 30_000);
});
