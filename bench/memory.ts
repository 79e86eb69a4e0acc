import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { scripts } from "../package.json";
import { SENDER, sender } from "../test/fixtures/smime/authority.ts";
import { startSmtpSink } from "../test/fixtures/smtp/sink.ts";
import { authorized, logIn } from "./process.ts";
import { repeat } from "./repeat.ts";
import { type BenchResult, print } from "./result.ts";

const LISTS = 1_000;
const AT_ONCE = 5;
const LIMIT_MIB = 120;
const name = "resident memory of a server after 1,000 lists and 1,000 signed mails, against 120 MiB";

/** What a server holds that was asked for lists from outside and sent signed mails. */
export async function benchMemory(): Promise<BenchResult> {
  await using sink = await startSmtpSink();
  if (sink === null) return { name, skipped: "smtp-sink (package postfix) is not installed" };
  const folder = await mkdtemp(join(tmpdir(), "sealpost-bench-"));
  const database = `file:${join(folder, "data", "sealpost.db")}`;
  const env = { ...process.env, ...engineSettings(), SEALPOST_DATABASE_URL: database };
  const child = Bun.spawn([process.execPath, "bench/memory-server.ts"], {
    env,
    stdin: "pipe",
    stdout: "pipe",
  });
  const lines = linesOf(child.stdout);
  const origin = await lines();
  const token = await logIn(origin);
  const saved = await authorized(`${origin}/smtpserver/signed`, token, await signedDefinition(sink.port));
  if (!saved.ok) throw new Error(await saved.text());
  await repeat(LISTS, AT_ONCE, async () => {
    await (await authorized(`${origin}/smtpserver/`, token)).text();
  });
  child.stdin.write("send\n");
  child.stdin.flush();
  const mib = Number(await lines());
  child.kill();
  await child.exited;
  await rm(folder, { recursive: true });
  return { name, ratio: mib / LIMIT_MIB, limit: 1, better: "lower", detail: `${mib.toFixed(0)} MiB` };
}

/** The engine is told, as by the start script, that memory is scarce: it then collects garbage early. */
function engineSettings(): Record<string, string> {
  return Object.fromEntries(
    scripts.start.matchAll(/(BUN_JSC_\w+)=(\S+)/g).map(([, key, value]) => [key, value]),
  );
}

async function signedDefinition(port: number): Promise<string> {
  const { key, certificate, intermediate } = await sender("rsa");
  return JSON.stringify({
    server: `127.0.0.1:${port}`,
    sender: SENDER,
    password: "a password",
    smime: true,
    private_key: key,
    certificate: certificate + intermediate.certificate,
  });
}

function linesOf(stream: ReadableStream<Uint8Array>): () => Promise<string> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let text = "";
  return async () => {
    while (!text.includes("\n")) {
      const { value, done } = await reader.read();
      if (done) throw new Error("The server ended");
      text += decoder.decode(value);
    }
    const at = text.indexOf("\n");
    const line = text.slice(0, at);
    text = text.slice(at + 1);
    return line;
  };
}

if (import.meta.main) print(await benchMemory());
