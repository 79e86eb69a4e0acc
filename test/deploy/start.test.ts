import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { $ } from "bun";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { TEST_MS } from "../fixtures/process/child.ts";
import { followCommands, pageCommands } from "../fixtures/process/page.ts";
import { freePort } from "../fixtures/process/port.ts";

setDefaultTimeout(TEST_MS);

const ROOT = join(import.meta.dir, "..", "..");
/** `npm run proof:start`: the clone gets its packages from npm, and a start has to be fast. Needs an idle machine. */
const IS_PROOF = process.env.START === "1";
/** Upper bound of a start without network, until the server listens. */
const START_MS = IS_PROOF ? 2_000 : 30_000;
const missing = ["git", "npm", "bash", "curl", "openssl"].filter((program) => Bun.which(program) === null);
const obstacle = existsSync(join(ROOT, ".git")) ? missing.join() : "this is no clone";
if (obstacle !== "") console.warn(`Skipped: npm start in a clone; ${obstacle}`);
/** A namespace of one's own for processes and network needs root, or a kernel that lets users have it. */
const isolate = (...flags: readonly string[]) => ["unshare", ...flags, "--"];
const canIsolate =
  Bun.which("unshare") !== null &&
  (await $`unshare -fpn --mount-proc --kill-child -- true`.quiet().nothrow()).exitCode === 0;
if (!canIsolate) console.warn("Skipped: npm start as PID 1, and without network; unshare is not permitted");

/** Ends the server that commands have started. */
const END = "trap 'kill $!; wait' EXIT";
/** Ends everything that commands have started. */
const END_ALL = "trap 'kill $(jobs -p); wait' EXIT";

let clone = "";
let smtp: Awaited<ReturnType<typeof startSmtpServer>>;
const { PATH = "", HOME = "" } = process.env;

beforeAll(async () => {
  if (obstacle !== "") return;
  smtp = await startSmtpServer();
  await mkdir(join(ROOT, "dist"), { recursive: true });
  clone = await mkdtemp(join(ROOT, "dist", "clone-"));
  await $`git clone --quiet ${ROOT} ${clone}`.quiet();
  if (!IS_PROOF) await $`cp -al ${join(ROOT, "node_modules")} ${join(clone, "node_modules")}`;
});
afterAll(async () => {
  if (obstacle !== "") return;
  await smtp[Symbol.asyncDispose]();
  await rm(clone, { recursive: true, force: true });
});

/** Starts `npm start` in the clone, as README.md and docs/page.md do, and waits until the server listens. */
async function npmStart(...around: readonly string[]) {
  const startMs = performance.now();
  const child = Bun.spawn([...around, "npm", "start"], {
    cwd: clone,
    env: { PATH, HOME, PORT: "0" },
    stdout: "pipe",
    stderr: "ignore",
    timeout: TEST_MS - 5_000,
    killSignal: "SIGKILL",
  });
  const decoder = new TextDecoder();
  let output = "";
  for await (const chunk of child.stdout) {
    output += decoder.decode(chunk, { stream: true });
    const [, url] = /^Sealpost is listening on (http:\S+)\n/m.exec(output) ?? [];
    if (url !== undefined) return { child, url, tookMs: performance.now() - startMs };
  }
  throw new Error(`npm start ended: ${output}`);
}

const isServed = (url: string) => fetch(`${url}/healthz`).then(Boolean, () => false);

describe.skipIf(obstacle !== "")("a clone", () => {
  test("delivers a message and a signed one, by the commands of docs/start.md and README.md", async () => {
    const startMs = performance.now();
    const readme = await readFile(join(ROOT, "README.md"), "utf8");
    const [, signing = ""] =
      /## A signed message with curl\n[\s\S]*?```sh\n([\s\S]*?)^```$/m.exec(readme) ?? [];
    const commands = [...(await pageCommands("docs/start.md")), "PASSWORD=$SEALPOST_ADMIN_PASSWORD", signing];
    const variables = {
      ...{ PORT: String(await freePort()), SERVER: `127.0.0.1:${smtp.port}` },
      ...{ FROM: "app@example.org", TO: "you@example.net" },
    };
    const script = commands.join("\n").replace("npm start &", `npm start &\n${END}`);
    const { envelopes } = await followCommands(script, clone, variables);
    expect(envelopes.map(({ result }) => result.value)).toEqual(["ready", true, true, true, true, true]);
    expect(envelopes.at(-1)).toMatchObject({ detail: { smime: { signed: true } } });
    expect(smtp.messages).toHaveLength(2);
    expect(new TextDecoder().decode(smtp.messages[1]?.bytes)).toContain("application/pkcs7-signature");
    const count = script.split("\n").filter((line) => /^(npm|curl|openssl|TOKEN=\$)/.test(line)).length;
    console.info(
      `From a clone to a signed message: ${count} commands, ${(performance.now() - startMs) / 1_000} s`,
    );
  });

  test("sets a new password by the commands of the README of recovery, which start the server", async () => {
    const [port, mailPort] = [await freePort(), await freePort()];
    const [page = ""] = await pageCommands("plugins/recovery/README.md");
    const script = page
      .replaceAll("localhost:8080", `127.0.0.1:${port}`)
      .replaceAll("127.0.0.1:2525", `127.0.0.1:${mailPort}`)
      .replace("npm run --silent sink &", `${END_ALL}\nnpm run --silent sink -- ${mailPort} &`)
      // The notice of the change replaces the message with the link.
      .replace(/^(?=curl .*\/recover\/reset)/m, "cp data/mail/ann@example.org.txt data/link.txt\n");
    const variables = { PORT: String(port), SEALPOST_DATABASE_URL: "file:data/recovery/sealpost.db" };
    const { envelopes } = await followCommands(script, clone, variables);
    const text = await readFile(join(clone, "data/link.txt"), "utf8");
    expect(text).toContain(`http://127.0.0.1:${port}/recover/reset#`);
    expect(envelopes.at(-1)?.result.value).toBe(true);
  });

  test.each(["SIGTERM", "SIGINT"] as const)("ends on %s to npm start", async (signal) => {
    const { child, url } = await npmStart();
    expect(await isServed(url)).toBe(true);
    expect((await fetch(`${url}/ui/`)).status).toBe(200);
    child.kill(signal);
    await child.exited;
    expect(await isServed(url)).toBe(false);
  });

  test.skipIf(!canIsolate)("starts without network, as PID 1, and ends on SIGTERM", async () => {
    const { child, tookMs } = await npmStart(...isolate("-fpn", "--mount-proc", "--kill-child"));
    expect(tookMs).toBeLessThan(START_MS);
    console.info(`npm start without network: ${Math.round(tookMs)} ms until it listens`);
    const [first = ""] = (await readFile(`/proc/${child.pid}/task/${child.pid}/children`, "utf8")).split(" ");
    process.kill(Number(first), "SIGTERM");
    await child.exited;
    expect(existsSync(`/proc/${first}`)).toBe(false);
    expect(child.exitCode).toBe(0);
  });
});
