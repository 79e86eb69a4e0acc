import { Database } from "bun:sqlite";
import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { ADMIN, startSealpost } from "../fixtures/process/sealpost.ts";

setDefaultTimeout(TEST_MS);

const PASSWORD = "the first admin's password";
const LOGINS = 40;
/** The slots of ten undecided logins, one each under the limit of its name and of its address. The next login waits. */
const MAX_SLOTS = 20;
/** Upper bound of the time that a crash keeps an admin out. */
const MAX_LOCK_MS = 15_000;

test("a server killed during logins accepts the admin within 15 s", async () => {
  using folder = temporaryFolder();
  const options = { folder: folder.path, env: { SEALPOST_ADMIN_PASSWORD: PASSWORD } };
  await using killed = await startSealpost(options);
  await killed.logIn(PASSWORD);
  const open = Array.from({ length: LOGINS }, () => statusOfLogin(killed.url));
  using database = new Database(join(folder.path, "data", "sealpost.db"), { readonly: true });
  const slots = database.query<{ n: number }, []>("SELECT count(*) AS n FROM attempt_slot");
  while ((slots.get()?.n ?? 0) < MAX_SLOTS) await Bun.sleep(1);
  await killed.stop("SIGKILL");
  const killedMs = performance.now();
  await Promise.all(open);

  await using restarted = await startSealpost(options);
  const startMs = performance.now() - killedMs;
  let status = 0;
  while (status !== 200 && performance.now() - killedMs < 3 * MAX_LOCK_MS) {
    status = await statusOfLogin(restarted.url);
  }
  const lockedMs = performance.now() - killedMs;
  console.info(
    `Locked out for ${(lockedMs / 1_000).toFixed(1)} s, the start of ${(startMs / 1_000).toFixed(1)} s included`,
  );
  expect(status).toBe(200);
  expect(lockedMs).toBeLessThan(Math.max(MAX_LOCK_MS, startMs + MAX_LOCK_MS / 2));
});

/** Returns the status, or 0 without a response. */
async function statusOfLogin(url: string): Promise<number> {
  const body = new URLSearchParams({ username: ADMIN, password: PASSWORD });
  return fetch(`${url}/auth`, { method: "POST", body }).then(
    async (response) => {
      await response.body?.cancel();
      return response.status;
    },
    () => 0,
  );
}
