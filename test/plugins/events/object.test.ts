import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { OBJECT_ENTRY } from "../../../tools/workers/build.ts";
import { OBJECTS, type ServedWorker, serveWorker } from "../../../tools/workers/serve.ts";
import { type HttpServer, startHttpServer } from "../../fixtures/http/server.ts";
import { type Api, logIn } from "../../fixtures/process/api.ts";
import { TEST_MS } from "../../fixtures/process/child.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";
import { builtWorker } from "../../fixtures/worker-bundle.ts";

setDefaultTimeout(TEST_MS);

const PASSWORD = "a password for objects";
const bindings = {
  SEALPOST_KEYS: `test:${Buffer.alloc(32, 7).toString("base64")}`,
  SEALPOST_ADMIN_PASSWORD: PASSWORD,
};

/** The lease of a delivery lasts 30 s. */
const BEFORE_LEASE_ENDS_MS = 20_000;

const bundle = await builtWorker(OBJECT_ENTRY, "smtp", join(import.meta.dir, "fixtures", "worker-config.ts"));
const start = (folder: string) =>
  serveWorker({ bundle, bindings, services: { ...OBJECTS, durableObjectsPersist: folder } });
const logInTo = ({ url }: ServedWorker) => logIn(url.origin, "admin", PASSWORD);

/** Binds new users to the receiver, and creates one. */
async function causeWebhook(worker: ServedWorker, { origin }: HttpServer): Promise<Api> {
  const admin = await logInTo(worker);
  const binding = { handlermodule: "UserNotification", action: "webhook", "option.url": origin };
  const secret = `whsec_${new Uint8Array(32).fill(6).toBase64()}`;
  const bound = await admin.call("POST", "/event", {
    ...{ name: "hook", event: "user_add", "option.secret": secret },
    ...binding,
  });
  expect(bound.status).toBe(200);
  await admin.call("POST", "/user/", { username: "ann", email: "ann@example.net" });
  return admin;
}

const deliveries = async (api: Api) =>
  (await api.call<{ webhooks: readonly { attempts: number }[] }>("GET", "/webhook/")).body.result.value
    ?.webhooks;

test("the alarm of an object repeats a webhook when it is due, though workerd was restarted and no request came", async () => {
  using folder = temporaryFolder();
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  await using receiver = await startHttpServer((_, index) => {
    (index === 0 ? first : second).resolve();
    return { status: index === 0 ? 500 : 204 };
  });
  const before = await start(folder.path);
  const admin = await causeWebhook(before, receiver);
  await first.promise;
  while ((await deliveries(admin))?.[0]?.attempts !== 1);
  await before[Symbol.asyncDispose]();
  await using after = await start(folder.path);
  await second.promise;
  const next = await logInTo(after);
  while ((await deliveries(next))?.[0]?.attempts !== 2);
  expect(await deliveries(next)).toMatchObject([{ state: "delivered", attempts: 2 }]);
});

test("a webhook that workerd was making when it was killed is made again soon, without a request", async () => {
  using folder = temporaryFolder();
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  await using receiver = await startHttpServer((_, index) => {
    (index === 0 ? first : second).resolve();
    return index === 0 ? "silence" : { status: 204 };
  });
  const before = await start(folder.path);
  await causeWebhook(before, receiver);
  await first.promise;
  const startMs = performance.now();
  await before[Symbol.asyncDispose]();
  await using after = await start(folder.path);
  await second.promise;
  expect(performance.now() - startMs).toBeLessThan(BEFORE_LEASE_ENDS_MS);
  const next = await logInTo(after);
  while ((await deliveries(next))?.[0]?.attempts !== 1);
  expect(await deliveries(next)).toMatchObject([{ state: "delivered" }]);
  const ids = receiver.requests.map(({ headers }) => headers["webhook-id"]);
  expect(ids).toEqual([ids[0], ids[0]]);
});
