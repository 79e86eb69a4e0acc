import { expect, test } from "bun:test";
import { join } from "node:path";
import { Webhook } from "standardwebhooks";
import { startHttpServer } from "../../fixtures/http/server.ts";
import type { Api } from "../../fixtures/process/api.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";
import { startSealpost } from "../../fixtures/process/sealpost.ts";
import { onEachRuntime } from "../on-each-runtime.ts";

const SECRET = `whsec_${new Uint8Array(32).fill(6).toBase64()}`;

function bind(admin: Api, url: string) {
  return admin.call("POST", "/event", {
    name: "hook",
    event: "user_add",
    handlermodule: "UserNotification",
    action: "webhook",
    "option.url": url,
    "option.secret": SECRET,
  });
}

async function firstDelivery(admin: Api): Promise<{ readonly state?: string; readonly attempts?: number }> {
  const { body } = await admin.call<{ readonly webhooks: readonly object[] }>("GET", "/webhook/");
  return body.result.value?.webhooks[0] ?? {};
}

onEachRuntime(
  "a webhook gets a signed event",
  { config: join(import.meta.dir, "fixtures", "worker-config.ts") },
  async (_, admin) => {
    await using receiver = await startHttpServer(() => ({ status: 204 }));
    expect((await bind(admin, `${receiver.origin}/hook`)).status).toBe(200);
    await admin.call("POST", "/user/", { username: "ann", email: "ann@example.net" });
    while (receiver.requests.length === 0) await Bun.sleep(20);
    const { body = "", headers = {} } = receiver.requests[0] ?? {};
    expect(new Webhook(SECRET).verify(String(body), headers)).toMatchObject({
      type: "user_add",
      data: { user: "ann", admin: { username: "admin" } },
    });
    while ((await firstDelivery(admin)).state === "queued") await Bun.sleep(20);
    expect(await firstDelivery(admin)).toMatchObject({ state: "delivered", attempts: 1 });
  },
);

test("a webhook that was rejected before the process was killed is repeated after the restart", async () => {
  using folder = temporaryFolder();
  await using receiver = await startHttpServer((_, index) => ({ status: index === 0 ? 500 : 204 }));
  const env = { SEALPOST_ADMIN_PASSWORD: "a password for crashes" };
  const start = () => startSealpost({ folder: folder.path, env });
  {
    await using sealpost = await start();
    const admin = await sealpost.logIn();
    await bind(admin, receiver.origin);
    await admin.call("POST", "/user/", { username: "ann", email: "ann@example.net" });
    while (((await firstDelivery(admin)).attempts ?? 0) === 0) await Bun.sleep(20);
    await sealpost.stop("SIGKILL");
  }
  await using sealpost = await start();
  const admin = await sealpost.logIn();
  while ((await firstDelivery(admin)).state === "queued") await Bun.sleep(50);
  expect(await firstDelivery(admin)).toMatchObject({ state: "delivered", attempts: 2 });
  const ids = receiver.requests.map(({ headers }) => headers["webhook-id"]);
  expect([ids.length, new Set(ids).size]).toEqual([2, 1]);
});
