import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { directory } from "sealpost/plugins/directory";
import { events } from "sealpost/plugins/events";
import { smsGateway } from "sealpost/plugins/sms-gateway";
import { openDatabase } from "../../src/storage/libsql.ts";
import { realRandomBytes, type TestInstance, testInstance } from "../fixtures/instance.ts";
import {
  describeTrips,
  NO_SQLD,
  type RoundTripProxy,
  startCountedDatabase,
} from "../fixtures/round-trips.ts";

const DEFINITION = { server: "mail.example.org", sender: "app@example.org", password: "secret" };
const TEST = { ...DEFINITION, recipient: "ann@example.net" };

interface Call {
  readonly method: string;
  readonly path: string;
  readonly json?: object;
  /** The most round trips that a warm call makes, what it defers included. */
  readonly max: number;
}

const CALLS: readonly Call[] = [
  { method: "GET", path: "/smtpserver/?censor=1", max: 1 },
  { method: "GET", path: "/policy/", max: 1 },
  { method: "GET", path: "/system/", max: 1 },
  { method: "GET", path: "/plugins/", max: 1 },
  { method: "GET", path: "/eventhandling/", max: 1 },
  { method: "GET", path: "/smtpserver/", max: 2 },
  // Two of these are the deferred look at event bindings, after a change that moves the epoch.
  { method: "POST", path: "/smtpserver/main", json: DEFINITION, max: 4 },
  { method: "DELETE", path: "/smtpserver/none", max: 2 },
  { method: "POST", path: "/smtpserver/send_test_email", json: TEST, max: 2 },
  {
    method: "POST",
    path: "/smtpserver/main/send_test_email",
    json: { recipient: "ann@example.net" },
    max: 2,
  },
  { method: "POST", path: "/policy/all", json: { scope: "admin", action: "*" }, max: 4 },
  { method: "POST", path: "/system/setConfig", json: { "email.identifier": "main" }, max: 2 },
];

describe.skipIf(NO_SQLD !== null)(
  `Round trips of a warm call${NO_SQLD === null ? "" : ` (${NO_SQLD})`}:`,
  () => {
    let proxy: RoundTripProxy;
    let instance: TestInstance;

    beforeAll(async () => {
      proxy = await startCountedDatabase();
      const database = openDatabase({ url: proxy.url, randomBytes: realRandomBytes });
      instance = await testInstance({ database, plugins: [directory(), events(), smsGateway()] });
      await instance.request("POST", "/smtpserver/main", { json: DEFINITION });
    });
    afterAll(async () => {
      await instance[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    });

    for (const { method, path, json, max } of CALLS) {
      test(`${method} ${path} makes at most ${max}`, async () => {
        const options = json === undefined ? {} : { json };
        // The change of a call before costs the next one a second read.
        await instance.request(method, path, options);
        await instance.request("GET", "/smtpserver/?censor=1");
        await instance.services.settled();
        proxy.reset();
        await instance.request(method, path, options);
        await instance.services.settled();
        expect(proxy.trips.length, describeTrips(proxy.trips)).toBeLessThanOrEqual(max);
      });
    }
  },
);
