import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { sql } from "drizzle-orm";
import { directory } from "sealpost/plugins/directory";
import { emailToken } from "sealpost/plugins/email-token";
import { openDatabase } from "../../src/storage/open-database.ts";
import { PEER, realRandomBytes, type TestInstance, testInstance } from "../fixtures/instance.ts";
import { NO_SQLD, type RoundTripProxy, startCountedDatabase } from "../fixtures/round-trips.ts";

setDefaultTimeout(120_000);

const DELAY_MS = 20;
const BURST = 300;
const CALLERS = 32;
const PIN = "a pin";

interface Code {
  readonly user: string;
  readonly transaction_id: string;
  readonly pass: string;
}

describe.skipIf(NO_SQLD !== null)(
  `Codes over a database with a round trip of 20 ms${NO_SQLD === null ? "" : ` (${NO_SQLD})`}:`,
  () => {
    let proxy: RoundTripProxy;
    let instance: TestInstance;
    let users = 0;

    beforeAll(async () => {
      proxy = await startCountedDatabase();
      // A longer timeout than the default, because client, proxy and database share a machine that may be slow.
      const database = openDatabase({
        url: proxy.url,
        randomBytes: realRandomBytes,
        requestTimeoutMs: 20_000,
      });
      const plugins = [directory(), emailToken()];
      instance = await testInstance({ database, plugins, trustedClients: [PEER] });
      const json = { server: "mail.example.org", sender: "app@example.org" };
      await instance.request("POST", "/smtpserver/default", { json });
    });
    afterAll(async () => {
      await instance[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    });

    /** Creates `count` users with a code each, without the delay. */
    async function issue(count: number): Promise<readonly Code[]> {
      proxy.delayMs = 0;
      const codes = await Promise.all(Array.from({ length: count }, () => issueOne(`user${users++}`)));
      proxy.delayMs = DELAY_MS;
      return codes;
    }

    async function issueOne(user: string): Promise<Code> {
      const email = `${user}@example.net`;
      await instance.request("POST", "/user/", { json: { username: user, email } });
      await instance.request("POST", "/token/init", { json: { type: "email", user, email, pin: PIN } });
      const { detail } = await instance.request("POST", "/validate/triggerchallenge", { json: { user } });
      const bytes = instance.sent.find(({ recipient }) => recipient === email)?.bytes;
      const pass = /Your code is (\d+)/.exec(new TextDecoder().decode(bytes))?.[1] ?? "";
      return { user, transaction_id: String(detail?.transaction_id), pass };
    }

    const check = async (code: Code) => {
      const { status, value } = await instance.request("POST", "/validate/check", {
        json: code,
        token: null,
      });
      return { status, value };
    };
    const RIGHT = { status: 200, value: true };
    const WRONG = { status: 200, value: false };

    test(`${BURST} parallel checks of right codes all succeed and use up their codes`, async () => {
      const codes = await issue(BURST);
      const verdicts = await Promise.all(codes.map(check));
      expect(verdicts.filter((verdict) => !Bun.deepEquals(verdict, RIGHT))).toEqual([]);
      proxy.delayMs = 0;
      expect((await Promise.all(codes.map(check))).filter(({ value }) => value !== false)).toEqual([]);
    });

    test(`${CALLERS} parallel callers share commits`, async () => {
      const codes = [...(await issue(CALLERS * 3))];
      proxy.reset();
      await Promise.all(
        Array.from({ length: CALLERS }, async () => {
          for (let code = codes.pop(); code !== undefined; code = codes.pop()) {
            expect(await check(code)).toEqual(RIGHT);
          }
        }),
      );
      const commits = proxy.trips.filter(({ isCommit }) => isCommit).length;
      expect(commits).toBeLessThanOrEqual((CALLERS * 3) / 4);
    });

    test("a verdict whose response is lost is read, and the code is used up once", async () => {
      const [right, wrong] = await issue(2);
      if (!right || !wrong) throw new Error("Two codes were issued");
      const isAttempt = ({ statements }: { readonly statements: readonly string[] }) =>
        statements.some((text) => text.includes('INSERT INTO "email_token_attempt"'));
      for (const [code, verdict] of [
        [right, RIGHT],
        [{ ...wrong, pass: "no code" }, WRONG],
      ] as const) {
        const lost = proxy.dropResponse(isAttempt);
        const checked = check(code);
        await lost;
        expect(await checked).toEqual(verdict);
      }
      expect(await check(right)).toEqual(WRONG);
      expect(await check(wrong)).toEqual(RIGHT);
      const rows = await instance.database.read.all<{ success: number; info: string }>(
        sql`SELECT success, info FROM audit WHERE action = 'POST /validate/check' ORDER BY number DESC LIMIT 4`,
      );
      expect(rows.map(({ success, info }) => `${success} ${info}`).toReversed()).toEqual([
        "1 code accepted",
        "0 wrong code",
        "0 no such code",
        "1 code accepted",
      ]);
    });
  },
);

describe("parallel guesses", () => {
  test("get no more verdicts than guesses in a row", async () => {
    await using instance = await testInstance({ plugins: [directory(), emailToken()] });
    const guess = () =>
      instance.request("POST", "/validate/check", {
        json: { user: "ann", transaction_id: "12345678901234567890", pass: "1" },
        token: null,
      });
    const statuses = (await Promise.all(Array.from({ length: 40 }, guess))).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(10);
    expect(statuses.filter((status) => status === 429)).toHaveLength(30);
    const audited = await instance.database.read.all(
      sql`SELECT 1 FROM audit WHERE action = 'POST /validate/check' AND info = 'no such code'`,
    );
    expect(audited).toHaveLength(10);
  });
});
