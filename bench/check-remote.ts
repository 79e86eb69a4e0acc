import { directory } from "sealpost/plugins/directory";
import { emailToken } from "sealpost/plugins/email-token";
import { openDatabase } from "../src/storage/open-database.ts";
import { PEER, realRandomBytes, testInstance } from "../test/fixtures/instance.ts";
import { NO_SQLD, startCountedDatabase } from "../test/fixtures/round-trips.ts";
import { type BenchResult, print } from "./result.ts";

const DELAY_MS = 20;
const CALLERS = 32;
const CHECKS = 640;
const LIMIT = 150;

/** Checks of right codes by 32 callers over a libSQL server at 20 ms. Client, proxy and server share the machine. */
export async function benchCheckRemote(): Promise<BenchResult> {
  const name = `checks of right codes per second by ${CALLERS} callers, ${DELAY_MS} ms to the database, against ${LIMIT}`;
  if (NO_SQLD !== null) return { name, skipped: NO_SQLD };
  await using proxy = await startCountedDatabase();
  const database = openDatabase({ url: proxy.url, randomBytes: realRandomBytes });
  const plugins = [directory(), emailToken()];
  await using instance = await testInstance({ database, plugins, trustedClients: [PEER] });
  const { request, sent } = instance;
  await request("POST", "/smtpserver/default", {
    json: { server: "mail.example.org", sender: "a@example.org" },
  });
  const codes: object[] = [];
  for (let number = 0; number < CHECKS; number++) {
    const [user, email] = [`u${number}`, `u${number}@example.net`];
    await request("POST", "/user/", { json: { username: user, email } });
    await request("POST", "/token/init", { json: { type: "email", user, email } });
    const { detail } = await request("POST", "/validate/triggerchallenge", { json: { user } });
    const [, pass] = /Your code is (\d+)/.exec(new TextDecoder().decode(sent.at(-1)?.bytes)) ?? [];
    codes.push({ user, transaction_id: detail?.transaction_id, pass });
  }
  proxy.delayMs = DELAY_MS;
  const startMs = performance.now();
  await Promise.all(
    Array.from({ length: CALLERS }, async () => {
      for (let json = codes.pop(); json !== undefined; json = codes.pop()) {
        const { value } = await request("POST", "/validate/check", { json, token: null });
        if (value !== true) throw new Error("A right code was rejected");
      }
    }),
  );
  const perSecond = (CHECKS * 1_000) / (performance.now() - startMs);
  const detail = `${Math.round(perSecond)}/s, ${proxy.trips.length} round trips in all`;
  return { name, ratio: perSecond / LIMIT, limit: 1, better: "higher", detail };
}

if (import.meta.main) print(await benchCheckRemote());
