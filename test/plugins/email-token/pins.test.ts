import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { hashPassword } from "../../../src/secrets/password.ts";
import { IS_IN_OBJECT } from "../../fixtures/database.ts";
import { CHEAP, PEER, realRandomBytes as randomBytes } from "../../fixtures/instance.ts";
import { SLOW, startLoginFlood } from "../../fixtures/login-flood.ts";
import { PIN, type Started, started, transactionOf, verdictOf, WRONG } from "./support.ts";

// Real hashes take long on a busy machine.
setDefaultTimeout(30_000);

if (IS_IN_OBJECT)
  console.warn(
    "Skipped: the time to check a PIN; each statement is a request to workerd, and several take longer than 5 ms",
  );

/** The cost of a password hash, which PINs used to have. */
const DEFAULT_COST = { ln: 14, r: 8, p: 5 };

const hashes = ({ database }: Started) =>
  database.read
    .all<{ pin_hash: string }>("SELECT pin_hash FROM email_token_token ORDER BY serial")
    .then((rows) => rows.map((row) => row.pin_hash));

/** Gives all tokens of ann the kind of hash that PINs used to have. */
async function makeOld({ database }: Started, cost = CHEAP): Promise<string> {
  const old = await hashPassword(PIN, { randomBytes, cost });
  await database.commit([
    database.write.run(`UPDATE email_token_token SET pin_hash = '${old}' WHERE username = 'ann'`),
  ]);
  return old;
}

describe("a PIN", () => {
  test("is stored as a keyed hash whose key is an encrypted secret of its own", async () => {
    await using it = await started();
    await it.enroll({ pin: PIN });
    expect(await hashes(it)).toEqual([expect.stringMatching(/^\$pin\$/)]);
    const secrets = await it.database.read.all<{ name: string }>("SELECT name FROM instance ORDER BY name");
    expect(secrets.map(({ name }) => name)).toContain("pin pepper email-token");
    await it.database.commit([
      it.database.write.run("DELETE FROM instance WHERE name = 'pepper email-token'"),
    ]);
    expect(transactionOf(await it.check({ user: "ann", pass: PIN }))).toMatch(/^\d{20}$/);
  });

  test.skipIf(IS_IN_OBJECT)(
    "takes less than 5 ms to check, right or wrong, for a known or an unknown user",
    async () => {
      await using it = await started({ trustedClients: [PEER], passwordCost: DEFAULT_COST });
      await it.enroll({ pin: PIN });
      for (const user of ["ann", "bob"]) {
        const times: number[] = [];
        for (let index = 0; index < 60; index++) {
          const startMs = performance.now();
          await it.check({ user, pass: WRONG });
          times.push(performance.now() - startMs);
        }
        // Only the fastest count: the others waited for other programs on this machine.
        expect(times.toSorted((a, b) => a - b)[10]).toBeLessThan(5);
      }
    },
  );
});

describe("an old hash of a PIN", () => {
  test("works until the first correct PIN replaces it in all tokens of the user", async () => {
    await using it = await started({ trustedClients: [PEER] });
    await it.enroll({ pin: PIN });
    await it.enroll({ pin: PIN });
    const old = await makeOld(it);
    expect(verdictOf(await it.check({ user: "ann", pass: WRONG }))).toEqual([200, false, "REJECT"]);
    expect(await hashes(it)).toEqual([old, old]);
    const response = await it.check({ user: "ann", pass: PIN });
    expect(verdictOf(response)).toEqual([200, false, "CHALLENGE"]);
    const [one, other] = await hashes(it);
    expect([one, other]).toEqual([expect.stringMatching(/^\$pin\$/), one]);
    expect(verdictOf(await it.check({ user: "ann", pass: PIN }))).toEqual([200, false, "CHALLENGE"]);
    expect(verdictOf(await it.check({ user: "ann", pass: WRONG }))).toEqual([200, false, "REJECT"]);
  });

  test("is replaced when the user enrolls another token with the same PIN", async () => {
    await using it = await started();
    await it.enroll({ pin: PIN });
    await makeOld(it);
    await it.enroll({ pin: PIN });
    const [one, other] = await hashes(it);
    expect([one, other]).toEqual([expect.stringMatching(/^\$pin\$/), one]);
    expect((await it.check({ user: "ann", pass: PIN })).detail?.multi_challenge).toHaveLength(2);
  });

  test("sends every check through the hashing pool, even for new hashes and unknown users, until no old hash is left", async () => {
    await using it = await started({ passwordCost: SLOW, trustedClients: [PEER] });
    await it.request("POST", "/user/", { json: { username: "eve", email: "eve@example.org" } });
    await it.enroll({ pin: PIN });
    await it.enroll({ user: "eve", pin: "eve's" });
    const checks = () => Promise.all(["ann", "eve", "bob"].map((user) => it.check({ user, pass: WRONG })));
    await makeOld(it, SLOW);
    {
      await using _ = await startLoginFlood(it);
      expect((await checks()).map(({ status }) => status)).toEqual([503, 503, 503]);
    }
    await it.check({ user: "ann", pass: PIN });
    {
      await using _ = await startLoginFlood(it);
      expect((await checks()).map(({ status }) => status)).toEqual([200, 200, 200]);
    }
  });

  test("is checked in the hashing pool, and a full pool returns 503 without counting a failure", async () => {
    await using it = await started({ passwordCost: SLOW });
    await it.enroll({ pin: PIN });
    await makeOld(it, SLOW);
    {
      await using _ = await startLoginFlood(it);
      const checks = Array.from({ length: 9 }, () => it.check({ user: "ann", pass: WRONG }));
      for (const { status, error } of await Promise.all(checks))
        expect([status, error?.code]).toEqual([503, 503]);
    }
    const windows = await it.database.read.all<{ failed: number }>(
      "SELECT failed FROM try_window WHERE key LIKE 'email-token:%'",
    );
    expect(windows.map(({ failed }) => failed)).toEqual([0, 0]);
  });
});
