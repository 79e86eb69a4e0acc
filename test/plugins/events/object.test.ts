import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { bundleWorker, OBJECT_ENTRY } from "../../../tools/workers/build.ts";
import { OBJECTS, serveWorker } from "../../../tools/workers/serve.ts";
import { startHttpServer } from "../../fixtures/http/server.ts";
import { logIn } from "../../fixtures/process/api.ts";
import { TEST_MS } from "../../fixtures/process/child.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";

setDefaultTimeout(TEST_MS);

const PASSWORD = "a password for objects";
const bindings = {
  SEALPOST_KEYS: `test:${Buffer.alloc(32, 7).toString("base64")}`,
  SEALPOST_ADMIN_PASSWORD: PASSWORD,
};

test("the alarm of an object repeats a webhook when it is due, though workerd was restarted and no request came", async () => {
  using folder = temporaryFolder();
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  await using receiver = await startHttpServer((_, index) => {
    (index === 0 ? first : second).resolve();
    return { status: index === 0 ? 500 : 204 };
  });
  const bundle = await bundleWorker(
    OBJECT_ENTRY,
    "smtp",
    join(import.meta.dir, "fixtures", "worker-config.ts"),
  );
  const services = { ...OBJECTS, durableObjectsPersist: folder.path };
  const logInTo = ({ origin }: URL) => logIn(origin, "admin", PASSWORD);
  const before = await serveWorker({ bundle, bindings, services });
  const admin = await logInTo(before.url);
  const binding = { handlermodule: "UserNotification", action: "webhook", "option.url": receiver.origin };
  const secret = `whsec_${new Uint8Array(32).fill(6).toBase64()}`;
  const bound = await admin.call("POST", "/event", {
    ...{ name: "hook", event: "user_add", "option.secret": secret },
    ...binding,
  });
  expect(bound.status).toBe(200);
  await admin.call("POST", "/user/", { username: "ann", email: "ann@example.net" });
  await first.promise;
  const deliveries = async (api: typeof admin) =>
    (await api.call<{ webhooks: readonly { attempts: number }[] }>("GET", "/webhook/")).body.result.value
      ?.webhooks;
  while ((await deliveries(admin))?.[0]?.attempts !== 1);
  await before[Symbol.asyncDispose]();
  await using after = await serveWorker({ bundle, bindings, services });
  await second.promise;
  const next = await logInTo(after.url);
  while ((await deliveries(next))?.[0]?.attempts !== 2);
  expect(await deliveries(next)).toMatchObject([{ state: "delivered", attempts: 2 }]);
});
