import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase } from "../../../src/storage/open-database.ts";
import { PEER, realRandomBytes } from "../../fixtures/instance.ts";
import { leaf, SENDER } from "../../fixtures/smime/authority.ts";
import { privateKey } from "../../fixtures/smime/keys.ts";
import { isInstalled } from "../../fixtures/smime/openssl.ts";
import { areaUnderRoc, type Comparison, compare } from "./fixtures/timing.ts";
import { ANN, addUser, recoveryInstance } from "./fixtures/users.ts";

const IS_LONG = process.env.LONG_TESTS === "1";
if (!IS_LONG) console.warn("Skipped: five timing comparisons, which run with LONG_TESTS=1");
const PAIRS = IS_LONG ? 500 : 150;
/** Allowed for responses. By chance alone, 500 pairs give 0.5 ± 0.018, and 150 pairs ± 0.033. */
const MAX_DEVIATION = IS_LONG ? 0.05 : 0.12;
/** Allowed without a minimum duration: the directory needs a little longer for a known user. */
const MAX_WORK_DEVIATION = IS_LONG ? 0.08 : 0.12;
const BOUND_MS = 300_000;
/** The default, or less in the short form of the tests. */
const MIN_RESPONSE_MS = IS_LONG ? 200 : 20;

/** A server with its database in a file, a user for each pair, and functions that send requests. */
async function served(
  definition: Readonly<Record<string, unknown>> = {},
  options: Parameters<typeof recoveryInstance>[0] = {},
) {
  const folder = mkdtempSync(join(tmpdir(), "sealpost-timing-"));
  const database = openDatabase({ url: `file:${join(folder, "timing.db")}`, randomBytes: realRandomBytes });
  const instance = await recoveryInstance(options, { database, trustedClients: [PEER] });
  const base = { server: "mail.example.org", sender: SENDER, ...definition };
  const saved = await instance.request("POST", "/smtpserver/default", { json: base });
  expect(saved.status).toBe(200);
  for (let index = 0; index < PAIRS + 100; index++) {
    await addUser(instance, { username: `user-${index}`, email: `user-${index}@example.net` });
  }
  const http = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) => instance.app.fetch(request, { peerAddress: PEER }),
  });
  const ask = async (path: string, given: object) => {
    const body = JSON.stringify(given);
    const headers = { "content-type": "application/json" };
    const response = await fetch(new URL(path, http.url), { method: "POST", headers, body });
    expect(response.status).toBe(200);
    return response.text();
  };
  return {
    instance,
    ask,
    recover: (user: string, email = `${user}@example.net`) => ask("/recover", { user, email }),
    async [Symbol.asyncDispose]() {
      await http.stop(true);
      await instance[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true });
    },
  };
}

function judge(
  what: string,
  { area, medianMs, spreadMs }: Comparison,
  maxDeviation = MAX_WORK_DEVIATION,
): void {
  const [one, other] = medianMs.map(
    (ms, index) => `${ms.toFixed(2)} ms (quartiles ${spreadMs[index]?.toFixed(2)} ms apart)`,
  );
  console.info(`${what}: area ${area.toFixed(3)} of ${PAIRS} pairs; ${one} and ${other}`);
  expect(Math.abs(area - 0.5)).toBeLessThan(maxDeviation);
}

test("areaUnderRoc() distinguishes kinds that differ, and only those", () => {
  expect(areaUnderRoc([1, 2, 3], [4, 5, 6])).toBe(1);
  expect(areaUnderRoc([4, 5, 6], [1, 2, 3])).toBe(0);
  expect(areaUnderRoc([1, 2, 3], [1, 2, 3])).toBe(0.5);
});

test(
  "POST /recover takes as long for an account as for an unknown name",
  async () => {
    await using server = await served();
    const found = (index: number) => server.recover(`user-${index}`);
    judge("account, none", await compare(PAIRS, found, (index) => server.recover(`none-${index}`)));
  },
  BOUND_MS,
);

test(
  "POST /recover takes the minimum duration of the options, also for an unknown name",
  async () => {
    await using server = await served({}, { leastAnswerMs: MIN_RESPONSE_MS });
    const found = (index: number) => server.recover(`user-${index}`);
    const comparison = await compare(PAIRS, found, (index) => server.recover(`none-${index}`));
    expect(Math.min(...comparison.medianMs)).toBeGreaterThan(MIN_RESPONSE_MS);
    judge(`account, none; ${MIN_RESPONSE_MS} ms at least`, comparison, MAX_DEVIATION);
  },
  BOUND_MS,
);

test.skipIf(!IS_LONG)(
  "POST /recover takes as long for a wrong address as for an unknown name",
  async () => {
    await using server = await served();
    const stranger = (index: number) => server.recover(`user-${index}`, `eve-${index}@example.net`);
    judge("wrong address, none", await compare(PAIRS, stranger, (index) => server.recover(`none-${index}`)));
  },
  BOUND_MS,
);

test.skipIf(!IS_LONG)(
  "POST /recover takes as long for the same account again and again as for an unknown name",
  async () => {
    await using server = await served();
    const again = () => server.recover(ANN.username, ANN.email);
    judge(
      "the same account, none",
      await compare(PAIRS, again, () => server.recover("none", "none@example.net")),
    );
  },
  BOUND_MS,
);

test.skipIf(!IS_LONG)(
  "POST /recover takes as long for an account as for an unknown name when the definition is missing",
  async () => {
    await using server = await served({}, { server: "gone" });
    const found = (index: number) => server.recover(`user-${index}`);
    judge(
      "account, none; no definition",
      await compare(PAIRS, found, (index) => server.recover(`none-${index}`)),
    );
  },
  BOUND_MS,
);

test.skipIf(!IS_LONG || !isInstalled("openssl"))(
  "POST /recover takes as long for an account as for an unknown name when the definition cannot sign",
  async () => {
    const key = await privateKey("p256");
    const certificate = await leaf({ key, notBefore: "20200101000000Z", notAfter: "20260602000000Z" });
    const signing = { private_key: key, certificate, smime: true, dont_send_on_error: true };
    await using server = await served(signing);
    server.instance.clock.advance(7 * 24 * 3_600);
    const found = (index: number) => server.recover(`user-${index}`);
    judge(
      "account, none; cannot sign",
      await compare(PAIRS, found, (index) => server.recover(`none-${index}`)),
    );
  },
  BOUND_MS,
);

test.skipIf(!IS_LONG)(
  "POST /recover/reset takes as long for an account as for an unknown name",
  async () => {
    await using server = await served();
    const given = { recoverycode: "wrong", password: "a new password" };
    const reset = (user: string) => server.ask("/recover/reset", { user, ...given });
    const prepared = async (user: string) => {
      await server.recover(user);
    };
    for (let index = 0; index < PAIRS + 40; index++)
      await prepared(`user-${index}`).then(() => prepared(`none-${index}`));
    const found = (index: number) => reset(`user-${index}`);
    judge("reset of an account, of none", await compare(PAIRS, found, (index) => reset(`none-${index}`)));
  },
  BOUND_MS,
);
