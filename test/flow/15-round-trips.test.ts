import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { directory } from "sealpost/plugins/directory";
import { emailToken } from "sealpost/plugins/email-token";
import { events } from "sealpost/plugins/events";
import { recovery } from "sealpost/plugins/recovery";
import { registration } from "sealpost/plugins/registration";
import { smsGateway } from "sealpost/plugins/sms-gateway";
import { openDatabase } from "../../src/storage/open-database.ts";
import { ADMIN, realRandomBytes, type TestInstance, testInstance } from "../fixtures/instance.ts";
import {
  describeTrips,
  NO_SQLD,
  type RoundTripProxy,
  startCountedDatabase,
} from "../fixtures/round-trips.ts";

const DEFINITION = { server: "mail.example.org", sender: "app@example.org", password: "secret" };
const TEST = { ...DEFINITION, recipient: "ann@example.net" };
const PIN = "1234";

type Answer = Awaited<ReturnType<TestInstance["request"]>>;

/** The input of a call. Each call uses up its own. */
interface Subject {
  readonly number: number;
  readonly instance: TestInstance;
}

interface Call {
  readonly name: string;
  /** Upper bound of the round trips of a warm call, including deferred ones. */
  readonly max: number;
  /** Prepares the call; not counted. @returns the argument of the call. */
  readonly prepare?: (subject: Subject) => Promise<Record<string, unknown>>;
  readonly call: (subject: Subject, given: Record<string, unknown>) => Promise<Answer>;
  readonly status?: number;
}

const get = (path: string, max: number): Call => ({
  name: `GET ${path}`,
  max,
  call: ({ instance }) => instance.request("GET", path),
});
const post = (path: string, json: object, max: number): Call => ({
  name: `POST ${path}`,
  max,
  call: ({ instance }) => instance.request("POST", path, { json }),
});

const ANN = { username: "ann", email: "ann@example.net", password: "a password of ann" };

/** Each call with a code has its own user, because a user must wait for the next code. */
async function codeFor({ instance }: Subject): Promise<Record<string, unknown>> {
  const user = `code${calls++}`;
  await addUserWithToken(instance, user);
  const { detail } = await instance.request("POST", "/validate/triggerchallenge", { json: { user } });
  const text = new TextDecoder().decode(instance.sent.at(-1)?.bytes);
  return { user, transaction_id: detail?.transaction_id, pass: /Your code is (\d+)/.exec(text)?.[1] ?? "" };
}
const check = (subject: Subject, json: Record<string, unknown>) =>
  subject.instance.request("POST", "/validate/check", { json: { user: "ann", ...json }, token: null });

let calls = 0;
async function addUserWithToken(instance: TestInstance, username: string): Promise<void> {
  const email = `${username}@example.net`;
  await instance.request("POST", "/user/", { json: { ...ANN, username, email } });
  await instance.request("POST", "/token/init", { json: { type: "email", user: username, email, pin: PIN } });
}

const CALLS: readonly Call[] = [
  get("/smtpserver/?censor=1", 1),
  get("/smtpserver/main?censor=1", 1),
  get("/policy/", 1),
  get("/audit/", 1),
  get("/mail/", 1),
  get("/system/", 1),
  get("/plugins/", 1),
  get("/event/", 1),
  get("/smtpserver/", 2),
  post("/smtpserver/main", DEFINITION, 2),
  {
    name: "POST /smtpserver/main with another host",
    max: 2,
    call: ({ instance, number }) =>
      instance.request("POST", "/smtpserver/main", {
        json: { ...DEFINITION, server: `mail${number}.example.org` },
      }),
  },
  {
    name: "DELETE /smtpserver/none",
    max: 2,
    call: ({ instance }) => instance.request("DELETE", "/smtpserver/none"),
  },
  post("/smtpserver/send_test_email", TEST, 2),
  post("/smtpserver/main/send_test_email", { recipient: "ann@example.net" }, 2),
  post("/smtpserver/main/send_test_email", { recipient: "ann@example.net", enqueue_job: true }, 2),
  post("/policy/all", { scope: "admin", action: "*" }, 2),
  post("/system/setConfig", { "email.identifier": "main" }, 2),
  {
    name: "POST /token/init",
    max: 2,
    call: ({ instance, number }) =>
      instance.request("POST", "/token/init", {
        json: { type: "email", user: `user${number}`, email: `user${number}@example.net`, pin: PIN },
      }),
  },
  {
    name: "POST /token/init with a foreign address",
    // The third queues the notice to the owner: the token must not depend on it.
    max: 3,
    call: ({ instance, number }) =>
      instance.request("POST", "/token/init", {
        json: { type: "email", user: `user${number}`, email: ANN.email },
      }),
  },
  {
    name: "POST /user/",
    max: 2,
    call: ({ instance, number }) =>
      instance.request("POST", "/user/", { json: { ...ANN, username: `new${number}` } }),
  },
  {
    name: "POST /auth",
    max: 3,
    call: ({ instance }) =>
      instance.request("POST", "/auth", {
        json: { username: "admin", password: ADMIN.password },
        token: null,
      }),
  },
  {
    name: "a wrong login",
    max: 3,
    status: 401,
    call: ({ instance }) =>
      instance.request("POST", "/auth", { json: { username: "admin", password: "wrong" }, token: null }),
  },
  {
    name: "an inline test with Idempotency-Key",
    max: 3,
    call: ({ instance, number }) =>
      instance.request("POST", "/smtpserver/send_test_email", {
        json: TEST,
        headers: { "idempotency-key": `key-${number}` },
      }),
  },
  {
    name: "POST /validate/triggerchallenge",
    max: 3,
    call: (subject) => {
      subject.instance.clock.advance(40);
      return subject.instance.request("POST", "/validate/triggerchallenge", { json: { user: "ann" } });
    },
  },
  { name: "a check of a right code", max: 2, prepare: codeFor, call: check },
  {
    name: "a check of a wrong code",
    max: 2,
    prepare: codeFor,
    call: (subject, given) => check(subject, { ...given, pass: "x" }),
  },
  {
    name: "a check of a code without a transaction",
    max: 2,
    call: (subject) => check(subject, { transaction_id: "12345678901234567890", pass: "x" }),
  },
  { name: "a wrong PIN", max: 3, call: (subject) => check(subject, { pass: "9999" }) },
  {
    name: "a PIN with mail",
    max: 4,
    call: (subject) => {
      subject.instance.clock.advance(40);
      return check(subject, { pass: PIN });
    },
  },
  {
    name: "POST /recover",
    max: 3,
    call: ({ instance, number }) =>
      instance.request("POST", "/recover", {
        json: { user: `user${number}`, email: `user${number}@example.net` },
        token: null,
      }),
  },
  {
    name: "POST /register",
    max: 3,
    call: ({ instance, number }) =>
      instance.request("POST", "/register", {
        json: {
          username: `reg${number}`,
          email: `reg${number}@example.net`,
          givenname: "A",
          surname: "B",
          password: "a password",
        },
        token: null,
      }),
  },
];

describe.skipIf(NO_SQLD !== null)(
  `Round trips of a warm call${NO_SQLD === null ? "" : ` (${NO_SQLD})`}:`,
  () => {
    let proxy: RoundTripProxy;
    let instance: TestInstance;

    beforeAll(async () => {
      proxy = await startCountedDatabase();
      const database = openDatabase({ url: proxy.url, randomBytes: realRandomBytes });
      const plugins = [
        ...[directory(), events(), smsGateway(), emailToken()],
        ...[recovery({ enabled: true, leastAnswerMs: 1 }), registration({ enabled: true })],
      ];
      instance = await testInstance({
        database,
        plugins,
        trustedClients: [],
        baseUrl: "https://app.example.org",
      });
      await instance.request("POST", "/smtpserver/main", { json: DEFINITION });
      for (const key of ["email.identifier", "recovery.identifier", "register.identifier"]) {
        await instance.request("POST", "/system/setConfig", { json: { [key]: "main" } });
      }
      await instance.request("POST", "/user/", { json: ANN });
      for (let number = 0; number < 3; number++) {
        const json = { ...ANN, username: `user${number}`, email: `user${number}@example.net` };
        await instance.request("POST", "/user/", { json });
      }
      await instance.request("POST", "/token/init", {
        json: { type: "email", user: "ann", email: ANN.email, pin: PIN },
      });
    });
    afterAll(async () => {
      await instance[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    });

    for (const { name, max, prepare, call, status = 200 } of CALLS) {
      test(`${name} makes at most ${max}`, async () => {
        for (let number = 0; number < 2; number++) {
          const subject = { number, instance };
          const given = (await prepare?.(subject)) ?? {};
          instance.clock.advance(40);
          // A change by the previous call costs the next one a second read.
          await instance.request("GET", "/plugins/");
          await instance.services.settled();
          proxy.reset();
          const answer = await call(subject, given);
          expect(answer.status, JSON.stringify(answer)).toBe(status);
        }
        const untilAnswer = proxy.trips.length;
        await instance.services.settled();
        const isLater = /recover|register|enqueue/.test(name);
        const counted = isLater ? untilAnswer : proxy.trips.length;
        expect(counted, describeTrips(proxy.trips)).toBeLessThanOrEqual(max);
      });
    }
  },
);
