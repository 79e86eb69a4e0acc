import { describe, expect, test } from "bun:test";
import { directory } from "sealpost/plugins/directory";
import { emailToken } from "sealpost/plugins/email-token";
import { recovery } from "sealpost/plugins/recovery";
import { registration } from "sealpost/plugins/registration";
import { ADMIN, PEER, repeatableBytes, type TestInstance, testInstance } from "../fixtures/instance.ts";
import { areaUnderRoc, compare } from "../plugins/recovery/fixtures/timing.ts";

/** `bun run proof:timing` asks for it: times mean nothing while other tests run. */
const IS_WANTED = process.env.TIMING === "1";
if (!IS_WANTED) console.warn("Skipped: timing of open routes; bun run proof:timing runs it");
const PAIRS = 500;
const TEST_MS = 400_000;
/** By chance alone, 500 pairs give 0.5 ± 0.018. */
const MAX_DEVIATION = 0.05;
const LEAK_MS = 3;
/** More than the comparison warms up with. */
const USERS = PAIRS + 100;
/** The cheapest cost at which the hash is still most of the work. */
const COST = { ln: 11, r: 8, p: 1 };
const PASSWORD = "a long enough one";
const TRANSACTION = "01234567890123456789";

type Ask = (index: number) => Promise<unknown>;
interface Pair {
  readonly known: Ask;
  readonly unknown: Ask;
}

const userOf = (index: number) => ({ username: `user-${index}`, email: `user-${index}@example.net` });

/** An instance in which half of what a stranger asks for exists. */
async function started() {
  const plugins = [
    ...[directory(), emailToken(), recovery({ enabled: true, leastAnswerMs: 0 })],
    registration({ enabled: true }),
  ];
  const instance = await testInstance({ plugins, trustedClients: [PEER], passwordCost: COST });
  const json = { server: "mail.example.org", sender: "app@example.org" };
  await instance.request("POST", "/smtpserver/default", { json });
  for (let index = 0; index < USERS; index++)
    await instance.request("POST", "/user/", { json: userOf(index) });
  return instance;
}

/** Each login comes from an address of its own, so that limits change nothing. */
const logIn = ({ request }: TestInstance, username: string): Ask => {
  let count = 0;
  return () =>
    request("POST", "/auth", {
      token: null,
      json: { username, password: "wrong" },
      peer: `2001:db8:${(++count).toString(16)}::1`,
    });
};
const post = ({ request }: TestInstance, path: string, json: (index: number) => object): Ask => {
  return (index) => request("POST", path, { token: null, json: json(index) });
};

const ROUTES: Readonly<Record<string, (it: TestInstance) => Pair | Promise<Pair>>> = {
  "POST /auth": (it) => ({ known: logIn(it, ADMIN.username), unknown: logIn(it, "nobody") }),
  "POST /validate/check with a PIN": async (it) => {
    const json = { type: "email", user: "user-0", dynamic_email: true, pin: "1234" };
    await it.request("POST", "/token/init", { json });
    const check = (user: string) => post(it, "/validate/check", () => ({ user, pass: "wrong" }));
    return { known: check("user-0"), unknown: check("nobody") };
  },
  "POST /validate/check of a user without a token": (it) => {
    const check = (user: string) => post(it, "/validate/check", () => ({ user, pass: "wrong" }));
    return { known: check("user-1"), unknown: check("nobody") };
  },
  "POST /validate/check with a code": (it) => {
    const params = { pass: "123456", transaction_id: TRANSACTION };
    const check = (user: string) => post(it, "/validate/check", () => ({ user, ...params }));
    return { known: check("user-0"), unknown: check("nobody") };
  },
  "GET /validate/polltransaction": async (it) => {
    await it.request("POST", "/token/init", { json: { type: "email", user: "user-2", dynamic_email: true } });
    const { detail } = await it.request("POST", "/validate/triggerchallenge", { json: { user: "user-2" } });
    const poll = (id: unknown) => () => it.request("GET", `/validate/polltransaction/${id}`, { token: null });
    return { known: poll(detail?.transaction_id), unknown: poll(TRANSACTION) };
  },
  "POST /recover": (it) => ({
    known: post(it, "/recover", (index) => ({ user: `user-${index}`, email: `user-${index}@example.net` })),
    unknown: post(it, "/recover", (index) => ({ user: `none-${index}`, email: `none-${index}@example.net` })),
  }),
  "POST /recover/reset": (it) => {
    const reset = (name: string) =>
      post(it, "/recover/reset", (index) => ({
        ...{ user: `${name}-${index}`, recoverycode: "abcdefgh".repeat(3), password: PASSWORD },
      }));
    return { known: reset("user"), unknown: reset("none") };
  },
  "POST /register": (it) => {
    const register = (name: string) =>
      post(it, "/register", (index) => ({
        ...{ username: `${name}-${index}`, email: `${name}-${index}@example.com`, password: PASSWORD },
        ...{ surname: "Lee", givenname: "Ann" },
      }));
    return { known: register("user"), unknown: register("none") };
  },
  "POST /register/confirm": async (it) => {
    const person = { username: "new", email: "new@example.com", surname: "Lee", givenname: "Ann" };
    const register = { token: null, json: { ...person, password: PASSWORD } };
    const ids: string[] = [];
    for (let index = 0; index < USERS; index++) {
      const json = { ...register.json, username: `new-${index}`, email: `new-${index}@example.com` };
      const { detail } = await it.request("POST", "/register", { ...register, json });
      ids.push(String(detail?.transaction_id));
    }
    const confirm = (idOf: (index: number) => string) =>
      post(it, "/register/confirm", (index) => ({ transaction_id: idOf(index), code: "ABCDE-FGHJK" }));
    return {
      known: confirm((index) => ids[index] ?? ""),
      unknown: confirm((index) => String(10 ** 9 + index)),
    };
  },
};

describe.skipIf(!IS_WANTED)("time tells no stranger what exists:", () => {
  test.each(Object.entries(ROUTES))(
    "%s",
    async (name, prepare) => {
      await using it = await started();
      const { known, unknown } = await prepare(it);
      const { area, medianMs } = await compare(PAIRS, known, unknown);
      await using again = await started();
      const planted = await prepare(again);
      const leak = await compare(PAIRS, planted.known, async (index) => {
        work(LEAK_MS);
        await planted.unknown(index);
      });
      const [one, other] = medianMs.map((ms) => `${ms.toFixed(2)} ms`);
      console.info(
        `${name}: area ${area.toFixed(3)} of ${PAIRS} pairs, ${one} and ${other}; ` +
          `with a leak of ${LEAK_MS} ms ${leak.area.toFixed(3)}`,
      );
      expect(Math.abs(area - 0.5)).toBeLessThan(MAX_DEVIATION);
      expect(Math.abs(leak.area - 0.5)).toBeGreaterThan(MAX_DEVIATION);
    },
    TEST_MS,
  );
});

/** Keeps the thread busy for this long, as a leak would. */
function work(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}

test("a leak of 3 ms among times of 20 ms and more is found, and its absence too", () => {
  const bytes = repeatableBytes();
  /** Times of a busy server: at least 20 ms, and sometimes much more. */
  const times = (leakMs: number) =>
    Array.from({ length: PAIRS }, () => {
      const [a = 0, b = 0] = bytes(2);
      return 20 + (a / 255) * 8 + (b > 240 ? 30 : 0) + leakMs;
    });
  const known = times(0);
  expect(Math.abs(areaUnderRoc(known, times(0)) - 0.5)).toBeLessThan(MAX_DEVIATION);
  expect(areaUnderRoc(known, times(LEAK_MS)) - 0.5).toBeGreaterThan(MAX_DEVIATION);
});
