import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sign } from "hono/jwt";
import { startSqld } from "../tools/sqld.ts";
import { bundleWorker, type WorkerBundle } from "../tools/workers/build.ts";
import { type ServedWorker, serveWorker } from "../tools/workers/serve.ts";
import { fill, load } from "./list.ts";
import { authorized, PASSWORD } from "./process.ts";
import { type BenchResult, median, print } from "./result.ts";

const ROUNDS = 5;
const COLD_STARTS = 9;
/** Three times the figure before lists were cached. */
const LIST_LIMIT = 1.68;
const COLD_LIMIT = 3;
const PEER_SECRET = "a secret of the bench";

type Bindings = Readonly<Record<string, string>>;

/** A Worker and a request to it. */
interface Subject {
  readonly bundle: WorkerBundle;
  readonly bindings: Bindings;
  readonly path: string;
  readonly token: string;
}

/** Sealpost and its peer over the same libSQL server, with 100 definitions. */
interface Arena extends AsyncDisposable {
  readonly ours: Subject;
  readonly peer: Subject;
}

/** GET /smtpserver/ in workerd against a Hono Worker that verifies one token and makes one select. */
export async function benchWorkersList(): Promise<BenchResult> {
  const name =
    "GET /smtpserver/ in workerd, 100 definitions: requests per second against one token and one select";
  if (!Bun.which("wrk")) return { name, skipped: "wrk is not installed" };
  await using arena = await makeArena();
  await using ours = await serveWorker(arena.ours);
  await using peer = await serveWorker(arena.peer);
  const rates = { ours: [] as number[], peer: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    rates.ours.push(await load(urlOf(ours, arena.ours), arena.ours.token));
    rates.peer.push(await load(urlOf(peer, arena.peer), arena.peer.token));
  }
  const [our, their] = [median(rates.ours), median(rates.peer)];
  const detail = `${our.toFixed(0)}/s, peer ${their.toFixed(0)}/s`;
  return { name, ratio: our / their, limit: LIST_LIMIT, better: "higher", detail };
}

/**
 * The first request of a fresh isolate, GET /smtpserver/<identifier>, against that of the same peer. A list of a
 * hundred would measure the decryption of a hundred passwords, not the start.
 */
export async function benchWorkersCold(): Promise<BenchResult> {
  await using arena = await makeArena();
  const times = { ours: [] as Cold[], peer: [] as Cold[] };
  for (let start = 0; start < COLD_STARTS; start++) {
    times.ours.push(await firstRequest({ ...arena.ours, path: "/smtpserver/server-0" }));
    times.peer.push(await firstRequest(arena.peer));
  }
  const of = (colds: readonly Cold[], key: keyof Cold) => median(colds.map((cold) => cold[key]));
  const [our, their] = [of(times.ours, "requestMs"), of(times.peer, "requestMs")];
  const whole = [of(times.ours, "wholeMs"), of(times.peer, "wholeMs")].map((ms) => ms.toFixed(0));
  return {
    name: "first request (one definition) of a fresh isolate in workerd, against a bare Hono Worker with @libsql/client",
    ratio: our / their,
    limit: COLD_LIMIT,
    better: "lower",
    detail: `${our.toFixed(1)} ms, peer ${their.toFixed(1)} ms; with the start of workerd ${whole.join(" ms, peer ")} ms`,
  };
}

interface Cold {
  readonly requestMs: number;
  readonly wholeMs: number;
}

async function firstRequest(subject: Subject): Promise<Cold> {
  const startMs = performance.now();
  await using worker = await serveWorker(subject);
  const readyMs = performance.now();
  const answer = await authorized(urlOf(worker, subject), subject.token);
  await answer.text();
  if (!answer.ok) throw new Error(`The first request returned ${answer.status}`);
  const endMs = performance.now();
  return { requestMs: endMs - readyMs, wholeMs: endMs - startMs };
}

function urlOf({ url }: ServedWorker, { path }: Subject): string {
  return new URL(path, url).href;
}

async function makeArena(): Promise<Arena> {
  const folder = await mkdtemp(join(tmpdir(), "sealpost-bench-"));
  const sqld = await startSqld({ folder: join(folder, "database") });
  const bindings = {
    SEALPOST_DATABASE_URL: sqld.url,
    SEALPOST_KEYS: `bench:${Buffer.alloc(32, 1).toString("base64")}`,
    SEALPOST_ADMIN_PASSWORD: PASSWORD,
  };
  const bundle = await bundleWorker();
  await using worker = await serveWorker({ bundle, bindings });
  const { origin } = worker.url;
  const token = await fill(origin);
  const path = "/smtpserver/";
  const body = await (await authorized(`${origin}${path}`, token)).text();
  const peerToken = await sign({ name: "bench", exp: Math.floor(Date.now() / 1000) + 3600 }, PEER_SECRET);
  return {
    ours: { bundle, bindings, path, token },
    peer: {
      bundle: await bundleWorker(join(import.meta.dir, "workers-peer.ts")),
      bindings: { DATABASE_URL: sqld.url, SECRET: PEER_SECRET, BODY: body },
      path: "/checked",
      token: peerToken,
    },
    async [Symbol.asyncDispose]() {
      await sqld[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}

if (import.meta.main) {
  print(await benchWorkersCold());
  print(await benchWorkersList());
}
