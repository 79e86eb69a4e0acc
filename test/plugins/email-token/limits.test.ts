import { describe, expect, test } from "bun:test";
import { definePlugin, type SealpostEvent } from "sealpost/plugin";
import * as v from "valibot";
import { PEER } from "../../fixtures/instance.ts";
import { PIN, started, transactionOf, verdictOf, WRONG } from "./support.ts";

/** Exempt from the per-client limits, which have tests of their own. */
const trustedClients = [PEER];

/** More guesses with LONG_TESTS=1. */
const GUESSES = process.env.LONG_TESTS === "1" ? 10_000 : 2_000;

describe("a code", () => {
  test("is valid for 120 seconds, or for as long as email.validtime says", async () => {
    await using it = await started({ trustedClients });
    await it.enroll({ pin: PIN });
    const late = async (seconds: number) => {
      const asked = await it.check({ user: "ann", pass: PIN });
      it.clock.advance(seconds);
      const checked = await it.check({
        user: "ann",
        pass: await it.code(),
        transaction_id: transactionOf(asked),
      });
      return checked.value;
    };
    expect([await late(119), await late(120)]).toEqual([true, false]);
    await it.post("/system/setConfig", { "email.validtime": "300" });
    expect(await late(299)).toBe(true);
  });

  test("is not valid longer after the clock is set back, and does not delay another code", async () => {
    await using it = await started({ trustedClients });
    await it.enroll({ pin: PIN });
    it.clock.advance(86_400);
    const transaction_id = transactionOf(await it.check({ user: "ann", pass: PIN }));
    const pass = await it.code();
    it.clock.advance(-86_400);
    expect((await it.check({ user: "ann", pass, transaction_id })).value).toBe(false);
    const fresh = transactionOf(await it.check({ user: "ann", pass: PIN }));
    expect(fresh).not.toBe(transaction_id);
    expect((await it.check({ user: "ann", pass: await it.code(), transaction_id: fresh })).value).toBe(true);
  });

  test("is void after five wrong attempts of any length", async () => {
    await using it = await started({ trustedClients });
    await it.enroll({ pin: PIN });
    const asked = await it.check({ user: "ann", pass: PIN });
    const transaction_id = transactionOf(asked);
    for (const pass of ["1", WRONG, "9".repeat(250), " ", "ü"]) {
      expect(verdictOf(await it.check({ user: "ann", pass, transaction_id }))).toEqual([
        200,
        false,
        "REJECT",
      ]);
    }
    expect((await it.check({ user: "ann", pass: await it.code(), transaction_id })).value).toBe(false);
  });

  test("is voided by a newer one", async () => {
    await using it = await started({ trustedClients });
    await it.enroll({ pin: PIN });
    const old = {
      transaction_id: transactionOf(await it.check({ user: "ann", pass: PIN })),
      pass: await it.code(),
    };
    it.clock.advance(30);
    const fresh = {
      transaction_id: transactionOf(await it.check({ user: "ann", pass: PIN })),
      pass: await it.code(),
    };
    expect(fresh.transaction_id).not.toBe(old.transaction_id);
    expect((await it.check({ user: "ann", ...old })).value).toBe(false);
    expect((await it.check({ user: "ann", ...fresh })).value).toBe(true);
  });

  test("is accepted for exactly one of forty concurrent requests", async () => {
    await using it = await started({ trustedClients });
    await it.enroll({ pin: PIN });
    const asked = await it.check({ user: "ann", pass: PIN });
    const right = { user: "ann", pass: await it.code(), transaction_id: transactionOf(asked) };
    const responses = await Promise.all(Array.from({ length: 40 }, () => it.check(right)));
    expect(responses.filter(({ value }) => value === true)).toHaveLength(1);
  });

  test(`allows at most five attempts out of ${GUESSES} concurrent guesses`, async () => {
    await using it = await started({ trustedClients });
    const serial = await it.enroll({ pin: PIN });
    const asked = await it.check({ user: "ann", pass: PIN });
    const [{ code_hash: hash } = { code_hash: "" }] = await it.database.read.all<{ code_hash: string }>(
      "SELECT code_hash FROM email_token_challenge",
    );
    expect(hash).toMatch(/^[\w-]{43}$/);
    const transaction_id = transactionOf(asked);
    const right = await it.code();
    const guess = (number: number) => {
      const pass = String(number).padStart(6, "0");
      return pass === right ? null : it.check({ user: "ann", pass, transaction_id });
    };
    let accepted = 0;
    for (let begin = 0; begin < GUESSES; begin += 250) {
      const responses = await Promise.all(Array.from({ length: 250 }, (_, index) => guess(begin + index)));
      accepted += responses.filter((response) => response?.value === true).length;
    }
    const [row] = await it.database.read.all("SELECT tries_left FROM email_token_challenge");
    const { value } = await it.request("GET", "/token/", { query: { serial } });
    expect([accepted, row]).toEqual([0, { tries_left: 0 }]);
    expect(value).toMatchObject({ tokens: [{ failcount: 5 }] });
    expect((await it.check({ user: "ann", pass: right, transaction_id })).value).toBe(false);
  }, 60_000);
});

describe("the fail counter", () => {
  test("locks a token after ten wrong codes, emits token_locked, and is reset by a correct code or POST /token/reset", async () => {
    const events: SealpostEvent[] = [];
    const probe = definePlugin({
      name: "probe",
      options: v.object({}),
      setup: () => ({ on: { token_locked: (event) => void events.push(event) } }),
    });
    await using it = await started({ trustedClients, plugins: [probe()] });
    const serial = await it.enroll({ pin: PIN });
    const fail = async (times: number) => {
      const asked = await it.check({ user: "ann", pass: PIN });
      const transaction_id = transactionOf(asked);
      for (let time = 0; time < times; time++) await it.check({ user: "ann", pass: WRONG, transaction_id });
      return { transaction_id, pass: await it.code() };
    };
    const failcount = async () => {
      const { value } = await it.request("GET", "/token/", { query: { serial } });
      return (value as { tokens: { failcount: number; locked: boolean }[] }).tokens.map((one) => [
        one.failcount,
        one.locked,
      ]);
    };
    expect((await it.check({ user: "ann", ...(await fail(4)) })).value).toBe(true);
    expect(await failcount()).toEqual([[0, false]]);
    await fail(5);
    it.clock.advance(30);
    await fail(4);
    it.clock.advance(30);
    const last = await fail(1);
    expect(await failcount()).toEqual([[10, true]]);
    expect(events.map(({ data }) => data)).toEqual([
      { user: "ann", realm: "default", serial, tokentype: "email" },
    ]);
    expect((await it.check({ user: "ann", ...last })).value).toBe(false);

    it.clock.advance(30);
    const sent = it.sent.length;
    expect(verdictOf(await it.check({ user: "ann", pass: PIN }))).toEqual([200, false, "REJECT"]);
    expect((await it.trigger()).detail?.failures).toMatchObject([{ serial, code: "locked" }]);
    expect(it.sent).toHaveLength(sent);
    expect((await it.post("/token/reset", { user: "ann" })).value).toBe(1);
    expect((await it.check({ user: "ann", pass: PIN })).body.result.authentication).toBe("CHALLENGE");
    expect((await it.post("/token/reset", { serial: "none" })).status).toBe(404);
    expect((await it.post("/token/reset", {})).error?.message).toBe("ERR905: Missing parameter: serial");
  });
});

describe("another code", () => {
  test("is not sent within 30 seconds: the response repeats the transaction and says how long to wait", async () => {
    await using it = await started({ trustedClients });
    await it.enroll({ pin: PIN });
    const first = await it.check({ user: "ann", pass: PIN });
    expect(first.detail).not.toHaveProperty("resend_after");
    it.clock.advance(10);
    const second = await it.check({ user: "ann", pass: PIN });
    expect(second.detail).toEqual({ ...first.detail, resend_after: 20 });
    expect(it.sent).toHaveLength(1);
    it.clock.advance(20);
    const third = await it.trigger();
    expect(transactionOf(third)).not.toBe(transactionOf(first));
    expect(it.sent).toHaveLength(2);
  });

  test("is sent once for twenty concurrent requests", async () => {
    await using it = await started({ trustedClients });
    await it.enroll({ pin: PIN });
    const responses = await Promise.all(
      Array.from({ length: 20 }, () => it.check({ user: "ann", pass: PIN })),
    );
    expect(it.sent).toHaveLength(1);
    expect(new Set(responses.map(transactionOf)).size).toBe(1);
    const right = { user: "ann", pass: await it.code(), transaction_id: responses.map(transactionOf)[0] };
    expect((await it.check(right)).value).toBe(true);
  });

  test("is sent immediately after a correct one was used", async () => {
    await using it = await started();
    await it.enroll({ pin: PIN });
    for (let login = 0; login < 3; login++) {
      const asked = await it.check({ user: "ann", pass: PIN });
      const right = { user: "ann", pass: await it.code(), transaction_id: transactionOf(asked) };
      expect((await it.check(right)).value).toBe(true);
    }
    expect(it.sent).toHaveLength(3);
  });

  test("is not sent to an address that got five within an hour, even for another token", async () => {
    await using it = await started({ trustedClients });
    await it.enroll({ pin: PIN });
    const other = await it.enroll({ user: "", dynamic_email: false, email: "ANN@example.org" });
    for (let message = 0; message < 4; message++) {
      await it.check({ user: "ann", pass: PIN });
      it.clock.advance(60);
    }
    await it.trigger({ serial: other });
    expect(it.sent).toHaveLength(5);
    const standing = await it.check({ user: "ann", pass: PIN });
    expect([standing.body.result.authentication, standing.detail?.resend_after]).toEqual([
      "CHALLENGE",
      3_360,
    ]);
    it.clock.advance(120);
    expect(verdictOf(await it.check({ user: "ann", pass: PIN }))).toEqual([200, false, "REJECT"]);
    const failed = await it.trigger();
    expect(failed.detail?.failures).toMatchObject([{ code: "rate_limited", retry_after: 3_240 }]);
    expect(it.sent).toHaveLength(5);
    it.clock.advance(3_240);
    const token = await it.logIn("admin", "correct horse");
    expect((await it.trigger({ user: "ann" }, { token })).value).toBe(1);
  });
});

describe("failures of a client", () => {
  test("lead to 429 after ten for one name, without affecting other clients or names", async () => {
    await using it = await started();
    await it.enroll({ pin: PIN });
    const wrong = (user: string, peer = PEER) => it.check({ user, pass: WRONG }, { peer });
    const responses = await Promise.all(Array.from({ length: 15 }, () => wrong("ann")));
    expect(responses.filter(({ status }) => status === 200)).toHaveLength(10);
    for (const name of [{ user: "ann@Default" }, { user: "ANN", realm: "default" }]) {
      expect((await it.check({ ...name, pass: WRONG })).status).toBe(429);
    }
    const rejected = await it.check({ user: "Ann", pass: PIN });
    expect([rejected.status, rejected.headers.get("retry-after")]).toEqual([429, "600"]);
    expect((await wrong("bob")).status).toBe(200);
    expect(verdictOf(await it.check({ user: "ann", pass: PIN }, { peer: "192.0.2.77" }))[2]).toBe(
      "CHALLENGE",
    );
    it.clock.advance(600);
    expect((await wrong("ann")).status).toBe(200);
  });

  test("lead to 429 after ten for an unknown name as well", async () => {
    await using it = await started();
    const responses = [];
    for (let time = 0; time < 12; time++) responses.push(await it.check({ user: "nobody", pass: WRONG }));
    expect(responses.map(({ status }) => status)).toEqual([...Array(10).fill(200), 429, 429]);
  });

  test("lead to 429 after a hundred for all names, but never for a trusted client", async () => {
    await using it = await started();
    const responses = await Promise.all(
      Array.from({ length: 120 }, (_, index) => it.check({ user: `u${index}`, pass: WRONG })),
    );
    expect(responses.filter(({ status }) => status === 200)).toHaveLength(100);
    await using trusting = await started({ trustedClients: ["192.0.2.0/24"] });
    const all = await Promise.all(
      Array.from({ length: 120 }, () => trusting.check({ user: "ann", pass: WRONG })),
    );
    expect(all.every(({ status }) => status === 200)).toBe(true);
  });

  test("do not include a correct PIN or code", async () => {
    await using it = await started();
    await it.enroll({ pin: PIN });
    const fail = async () => (await it.check({ user: "ann", pass: WRONG })).status;
    for (let time = 0; time < 8; time++) await fail();
    for (let time = 0; time < 5; time++) await it.check({ user: "ann", pass: PIN });
    const asked = await it.check({ user: "ann", pass: PIN });
    const right = { user: "ann", pass: await it.code(), transaction_id: transactionOf(asked) };
    expect((await it.check(right)).value).toBe(true);
    expect([await fail(), await fail(), await fail()]).toEqual([200, 200, 429]);
  });

  test("do not include a correct PIN that is sent again with its idempotency key", async () => {
    await using it = await started();
    await it.enroll({ pin: PIN });
    const repeat = () =>
      it.check({ user: "ann", pass: PIN }, { headers: { "Idempotency-Key": "one login" } });
    const first = transactionOf(await repeat());
    for (let time = 0; time < 12; time++) expect(transactionOf(await repeat())).toBe(first);
    expect(it.sent).toHaveLength(1);
  });
});
