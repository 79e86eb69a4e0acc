import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sign } from "hono/jwt";
import { authorized, logIn, PASSWORD, serve } from "./process.ts";
import { type BenchResult, median, print } from "./result.ts";

const ROOT = join(import.meta.dir, "..");
const DEFINITIONS = 100;
const ROUNDS = 5;
const SECONDS = 3;
const CONNECTIONS = 50;
/** Three times the figure before lists were cached. */
const LIMIT = 3.15;
const PEER_SECRET = "a secret of the bench";

/** The command that runs a program on one runtime. */
export interface BenchRuntime {
  readonly name: string;
  /** With the permissions of a server in a folder that holds `data`. */
  readonly server: readonly string[];
  readonly entry: string;
  /** With any permission. */
  readonly peer: readonly string[];
}

const BUN: BenchRuntime = {
  name: "Bun",
  server: [process.execPath],
  entry: "src/runtime/bun/server.ts",
  peer: [process.execPath],
};

/**
 * GET /smtpserver/ with 100 definitions that all have a password, against a Hono route on the same runtime that
 * verifies one token and makes one select from the same file.
 */
export async function benchList(runtime = BUN): Promise<BenchResult> {
  const name = `GET /smtpserver/ on ${runtime.name}, 100 definitions: requests per second against one token and one select`;
  if (!Bun.which("wrk")) return { name, skipped: "wrk is not installed" };
  const folder = await mkdtemp(join(tmpdir(), "sealpost-bench-"));
  const env = { PORT: "0", SEALPOST_ADMIN_PASSWORD: PASSWORD };
  await using sealpost = await serve([...runtime.server, join(ROOT, runtime.entry)], { folder, env });
  const token = await fill(sealpost.origin);
  const bodyFile = join(folder, "body.json");
  await Bun.write(bodyFile, await (await authorized(`${sealpost.origin}/smtpserver/`, token)).text());
  const database = `file:${join(folder, "data", "sealpost.db")}`;
  const peerArguments = [join(ROOT, "bench/list-peer.ts"), database, PEER_SECRET, bodyFile];
  await using peer = await serve([...runtime.peer, ...peerArguments]);
  const peerToken = await sign({ name: "bench", exp: Math.floor(Date.now() / 1000) + 3600 }, PEER_SECRET);

  const rates = { ours: [] as number[], checked: [] as number[], bare: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    rates.ours.push(await load(`${sealpost.origin}/smtpserver/`, token));
    rates.checked.push(await load(`${peer.origin}/checked`, peerToken));
    rates.bare.push(await load(`${peer.origin}/bare`, peerToken));
  }
  await rm(folder, { recursive: true });
  const [ours, checked, bare] = [median(rates.ours), median(rates.checked), median(rates.bare)];
  const detail = `${ours.toFixed(0)}/s, peer ${checked.toFixed(0)}/s, bare route ${bare.toFixed(0)}/s (ratio ${(ours / bare).toFixed(2)})`;
  return { name, ratio: ours / checked, limit: LIMIT, better: "higher", detail };
}

export async function fill(origin: string): Promise<string> {
  const token = await logIn(origin);
  for (let at = 0; at < DEFINITIONS; at++) {
    const body = JSON.stringify({
      server: "mail.example.org",
      username: `u${at}`,
      password: `password ${at}`,
      tls: true,
    });
    const saved = await authorized(`${origin}/smtpserver/server-${at}`, token, body);
    if (!saved.ok) throw new Error(await saved.text());
  }
  return token;
}

export async function load(url: string, token: string): Promise<number> {
  const command = ["wrk", "-t1", `-c${CONNECTIONS}`, `-d${SECONDS}s`, "-H", `Authorization: ${token}`, url];
  const child = Bun.spawn(command, { stdout: "pipe" });
  const text = await new Response(child.stdout).text();
  if (/Non-2xx/.test(text)) throw new Error(`Some responses were errors: ${text}`);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]);
}

if (import.meta.main) print(await benchList());
