import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { $ } from "bun";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { createDocument } from "../../tools/workers/document.ts";
import { logIn } from "../fixtures/process/api.ts";
import { node22 } from "../fixtures/process/node.ts";
import { freePort } from "../fixtures/process/port.ts";
import { ADMIN, KEYS, PASSWORD, startDatabase } from "../runtime/workers/fixtures/sealpost.ts";

// `npm run proof:wrangler`: npm has to be reachable.

/** Several minutes for packages from npm. */
setDefaultTimeout(300_000);

const WRANGLER = "wrangler@4.164.0";
const ROOT = join(import.meta.dir, "..", "..");
const obstacle =
  process.env.WRANGLER !== "1"
    ? "npm run proof:wrangler runs it"
    : existsSync(join(ROOT, ".git"))
      ? ["git", "npx", "bash"].filter((program) => Bun.which(program) === null).join()
      : "this is no clone";
if (obstacle !== "") console.warn(`Skipped: ${WRANGLER} on both builds of the Worker; ${obstacle}`);

let clone = "";
let path = "";

beforeAll(async () => {
  if (obstacle !== "") return;
  await mkdir(join(ROOT, "dist"), { recursive: true });
  clone = await mkdtemp(join(ROOT, "dist", "clone-"));
  await $`git clone --quiet ${ROOT} ${clone} && cp -al ${join(ROOT, "node_modules")} ${join(clone, "node_modules")}`.quiet();
  await Bun.write(
    join(clone, ".dev.vars"),
    `SEALPOST_KEYS="${KEYS}"\nSEALPOST_ADMIN_PASSWORD="${PASSWORD}"\n`,
  );
  path = `${dirname(await node22())}:${process.env.PATH ?? ""}`;
});
afterAll(() => rm(clone, { recursive: true, force: true }));

/** Starts wrangler in the clone, in a process group of its own, because npx passes no signals on. */
function wrangler(...args: readonly string[]) {
  return Bun.spawn(["npx", "--yes", WRANGLER, ...args], {
    cwd: clone,
    // With the settings of npm.
    env: { ...process.env, PATH: path, CI: "1", WRANGLER_SEND_METRICS: "false", NO_COLOR: "1" },
    stdout: "pipe",
    stderr: "pipe",
    detached: true,
  });
}

/** Resolves when the URL responds with 200. */
async function untilReady(url: string, child: ReturnType<typeof wrangler>): Promise<void> {
  for (;;) {
    if (child.exitCode !== null)
      throw new Error(`wrangler ended: ${await new Response(child.stderr).text()}`);
    const response = await fetch(url).catch(() => null);
    if (response?.status === 200) return;
    await Bun.sleep(100);
  }
}

/** Returns `wrangler.jsonc` with what it marks with `libSQL:`. */
function forLibsql(text: string, url: string): string {
  const changes = [
    ['"command": "npx bun run build:workers"', '"command": "npx bun run build:workers:libsql"'],
    ['// "SEALPOST_DATABASE_URL": ""', `"SEALPOST_DATABASE_URL": "${url}"`],
    ['// "crons": ["* * * * *"', '"crons": ["* * * * *"'],
    ['"crons": []', ""],
  ] as const;
  return changes.reduce((result, [from, to]) => {
    if (!result.includes(from)) throw new Error(`wrangler.jsonc does not contain ${from}`);
    return result.replace(from, to);
  }, text);
}

describe.skipIf(obstacle !== "")(`${WRANGLER} takes wrangler.jsonc`, () => {
  test.each(["build:workers", "build:workers:libsql"])("with %s, packs it, and serves it", async (build) => {
    await using database = await startDatabase();
    const text = await Bun.file(join(ROOT, "wrangler.jsonc")).text();
    const config = build === "build:workers" ? text : forLibsql(text, database.url);
    await Bun.write(join(clone, "wrangler.jsonc"), config);

    const packing = wrangler("deploy", "--dry-run");
    const [packed, problems] = await Promise.all([packing.stdout.text(), packing.stderr.text()]);
    expect([await packing.exited, problems]).toEqual([0, expect.not.stringContaining("WARNING")]);
    expect(packed).toContain(`tools/workers/build.ts${build.endsWith("libsql") ? " libsql" : ""}\n`);
    expect(packed).toMatch(/env\.OBJECT \(Sealpost\) +Durable Object/);
    expect(packed).toContain("--dry-run: exiting now.");

    await using smtp = await startSmtpServer();
    const port = String(await freePort());
    const origin = `http://127.0.0.1:${port}`;
    const state = join(clone, ".wrangler", build);
    const address = ["--ip", "127.0.0.1", "--port", port, "--inspector-port", "0"];
    const serving = wrangler("dev", "--local", "--persist-to", state, ...address);
    try {
      await untilReady(`${origin}/readyz`, serving);
      expect((await fetch(`${origin}/ui/`)).status).toBe(200);
      const document = await fetch(`${origin}/openapi.json`);
      expect([document.status, document.headers.get("Cache-Control")]).toEqual([200, "no-store"]);
      expect(await document.json()).toEqual(JSON.parse(await createDocument()));
      const admin = await logIn(origin, ADMIN, PASSWORD);
      const definition = { server: `127.0.0.1:${smtp.port}`, sender: "a@example.org" };
      const { body } = await admin.test({ ...definition, recipient: "b@example.net" });
      expect(body.result.value).toBe(true);
      expect(smtp.messages).toHaveLength(1);
    } finally {
      process.kill(-serving.pid, "SIGTERM");
      await serving.exited;
    }
    expect(await fetch(origin).catch(() => null)).toBeNull();
  });
});
