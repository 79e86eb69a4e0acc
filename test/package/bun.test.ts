import { expect, setDefaultTimeout, test } from "bun:test";
import { join, relative } from "node:path";
import { Child } from "../fixtures/process/child.ts";
import { hostAppExample } from "./examples.ts";
import { PASSWORD, useHost } from "./host.ts";
import { findObstacle, makeProject, ROOT, run, TEST_MS } from "./project.ts";

setDefaultTimeout(TEST_MS);
const obstacle = await findObstacle();
if (obstacle !== "") console.warn(`Skipped: the host app on Bun; ${obstacle}`);

test.skipIf(obstacle !== "")("the README's host app runs on Bun from the tarball", async () => {
  using project = await makeProject({ "app.ts": await hostAppExample('from "sealpost/bun"') });
  const app = new Child(relative(ROOT, join(project.path, "app.ts")), [], {
    folder: project.path,
    env: { ADMIN_PASSWORD: PASSWORD, PORT: "0" },
  });
  try {
    const [, port] = await app.printed(/http:\/\/localhost:(\d+)/);
    const api = await useHost(`http://127.0.0.1:${port}`);
    expect(
      new Set((await api.audit()).flatMap(({ action, client }) => (action === "submit" ? [] : [client]))),
    ).toEqual(new Set(["127.0.0.1"]));
  } finally {
    app.signal("SIGKILL");
    await app.ended;
  }
});

test.skipIf(obstacle !== "")(
  "the example plugin of the tarball passes its test with testPlugin",
  async () => {
    using project = await makeProject({}, ["hono", "drizzle-orm@0.45", "valibot", "postal-mime"]);
    const examples = join(project.path, "node_modules", "sealpost", "examples", "plugins");
    await Bun.write(join(project.path, "notice.ts"), Bun.file(join(examples, "notice.ts")));
    // docs/plugins.md shows it.
    const shown = Bun.file(join(import.meta.dir, "../../examples/plugins/notice.test.ts"));
    await Bun.write(join(project.path, "notice.test.ts"), shown);
    const output = await run([process.execPath, "test", "notice.test.ts"], project.path);
    expect(output).toContain("notice: POST /notice: 1 reads, 1 commits");
  },
);
