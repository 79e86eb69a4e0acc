import { expect, setDefaultTimeout, test } from "bun:test";
import { join, relative } from "node:path";
import { Child } from "../fixtures/process/child.ts";
import { denoPath } from "../fixtures/process/deno.ts";
import { hostAppExample } from "./examples.ts";
import { PASSWORD, useHost } from "./host.ts";
import { findObstacle, makeProject, ROOT, TEST_MS } from "./project.ts";

setDefaultTimeout(TEST_MS);
const obstacle = denoPath === null ? "there is no Deno" : await findObstacle();
if (obstacle !== "") console.warn(`Skipped: the host app on Deno; ${obstacle}`);

const RIGHTS = ["--allow-net", "--allow-env", "--allow-sys", "--allow-ffi", "--allow-read", "--allow-write"];

test.skipIf(obstacle !== "")("the README's host app runs on Deno from the tarball", async () => {
  const block = (await hostAppExample('from "sealpost/bun"')).replace("sealpost/bun", "sealpost/deno");
  using project = await makeProject({ "app.ts": block });
  const serve = ["serve", "--no-prompt", "--host", "127.0.0.1", "--port", "0", ...RIGHTS];
  const app = new Child(relative(ROOT, join(project.path, "app.ts")), [], {
    folder: project.path,
    env: { ADMIN_PASSWORD: PASSWORD, NO_COLOR: "1" },
    interpreter: [denoPath ?? "", ...serve],
  });
  try {
    const [, url = ""] = await app.printed(/(http:\/\/127\.0\.0\.1:\d+)/, "stderr");
    const api = await useHost(url);
    expect(
      new Set((await api.audit()).flatMap(({ action, client }) => (action === "submit" ? [] : [client]))),
    ).toEqual(new Set(["127.0.0.1"]));
  } finally {
    app.signal("SIGKILL");
    await app.ended;
  }
});
