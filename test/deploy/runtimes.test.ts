import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { $ } from "bun";
import { type SmtpTestServer, startSmtpServer } from "../../src/testing/smtp/index.ts";
import { logIn } from "../fixtures/process/api.ts";
import { TEST_MS } from "../fixtures/process/child.ts";
import { denoPath } from "../fixtures/process/deno.ts";
import { pageCommands } from "../fixtures/process/page.ts";
import { ADMIN } from "../fixtures/process/sealpost.ts";
import { startCollector } from "../telemetry/collector.ts";

setDefaultTimeout(TEST_MS);

const ROOT = join(import.meta.dir, "..", "..");
const PASSWORD = "of the first admin";
const missing = ["git", "npm", "bash"].filter((program) => Bun.which(program) === null);
const obstacle = existsSync(join(ROOT, ".git")) ? missing.join() : "this is no clone";
if (obstacle !== "") console.warn(`Skipped: the commands that start runtimes; ${obstacle}`);
if (denoPath === null) console.warn("Skipped: docs/deno.md; npm has no Deno for this machine");

let clone = "";
let smtp: SmtpTestServer;

beforeAll(async () => {
  if (obstacle !== "") return;
  smtp = await startSmtpServer();
  await mkdir(join(ROOT, "dist"), { recursive: true });
  clone = await mkdtemp(join(ROOT, "dist", "clone-"));
  await $`git clone --quiet ${ROOT} ${clone} && cp -al ${join(ROOT, "node_modules")} ${join(clone, "node_modules")}`.quiet();
});
afterAll(async () => {
  if (obstacle !== "") return;
  await smtp[Symbol.asyncDispose]();
  await rm(clone, { recursive: true, force: true });
});

/** Returns the lines of the last block of a page, or of all blocks. */
async function lines(page: string, of: "last" | "all" = "last"): Promise<readonly string[]> {
  const blocks = await pageCommands(page);
  const chosen = of === "all" ? blocks : blocks.slice(-1);
  return chosen.flatMap((block) => block.split("\n")).filter((line) => line !== "");
}

const STARTS = [
  ...(await lines("docs/metrics.md")),
  ...(await lines("docs/deno.md")).filter((line) => line.includes(" start")),
  ...(await lines("docs/workers.md", "all")),
].filter((line) => denoPath !== null || !line.includes("deno"));

function spawn(command: string, env: Readonly<Record<string, string>>) {
  const { PATH = "", HOME = "" } = process.env;
  return Bun.spawn(["bash", "-c", command], {
    cwd: clone,
    // A Deno of one's own is the one of npm here.
    env: { PATH: `${join(clone, "node_modules", ".bin")}:${PATH}`, HOME, PORT: "0", ...env },
    stdout: "pipe",
    stderr: "ignore",
    timeout: TEST_MS - 5_000,
    killSignal: "SIGKILL",
    // npx does not pass signals on.
    detached: true,
  });
}

/** Reads the output of a server. `ended` resolves after all its processes, which share the output. */
function outputOf({ stdout }: ReturnType<typeof spawn>) {
  const listening = Promise.withResolvers<string>();
  const read = async () => {
    let output = "";
    for await (const chunk of stdout.pipeThrough(new TextDecoderStream())) {
      output += chunk;
      const [, url] = /^Sealpost is listening on (http:\S+)\n/m.exec(output) ?? [];
      if (url !== undefined) listening.resolve(url);
    }
    listening.reject(new Error(`The command ended: ${output}`));
  };
  return { url: listening.promise, ended: read() };
}

describe.skipIf(obstacle !== "")("in a clone", () => {
  test.each(STARTS)("%s starts a server that sends, and ends on SIGTERM", async (line) => {
    await using collector = startCollector();
    const database = line.includes("workers") ? "" : `file:data/${STARTS.indexOf(line)}/sealpost.db`;
    const child = spawn(line.replace("http://127.0.0.1:4318", collector.url), {
      ...{ SEALPOST_ADMIN_PASSWORD: PASSWORD, OTEL_BSP_SCHEDULE_DELAY: "100" },
      ...(database !== "" && { SEALPOST_DATABASE_URL: database }),
    });
    const output = outputOf(child);
    try {
      const url = await output.url;
      expect((await fetch(`${url}/ui/`)).status).toBe(200);
      const api = await logIn(url, ADMIN, PASSWORD);
      const definition = { server: `127.0.0.1:${smtp.port}`, sender: "app@example.org" };
      const { body } = await api.test({ ...definition, recipient: "you@example.net" });
      expect(body.result.value).toBe(true);
      process.kill(-child.pid, "SIGTERM");
      await output.ended;
      if (line.includes("OTEL_")) await collector.until("submit", "deliver");
      expect(await fetch(url).catch(() => null)).toBeNull();
    } finally {
      // Only a server that ends gracefully stops the database that it has started.
      if (child.exitCode === null) process.kill(-child.pid, "SIGTERM");
      await output.ended;
    }
  });

  test.skipIf(denoPath === null)("the command line of docs/deno.md runs", async () => {
    const [command = ""] = (await lines("docs/deno.md")).filter((line) => line.includes(" cli "));
    const child = spawn(command, { SEALPOST_DATABASE_URL: "file:data/cli/sealpost.db" });
    await child.stdout.text();
    expect(await child.exited).toBe(0);
  });
});
