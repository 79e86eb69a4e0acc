import { join } from "node:path";
import { temporaryFolder } from "../test/fixtures/process/folder.ts";
import { authorized, logIn, type Served, serve } from "./process.ts";
import { type BenchResult, median, print } from "./result.ts";

const ROUNDS = 5;
const SECONDS = 3;
const CONNECTIONS = 50;
const LIMIT = 0.5;
/** Many, because concurrent saves of one definition conflict. */
const DEFINITIONS = 1_000;
const FEW = 100;
const MANY = 100_000;
const GROWTH_LIMIT = 1.3;
const ANSWERS = 300;

const DEFINITION = {
  server: "mail.example.org",
  port: 587,
  tls: true,
  sender: "me@example.org",
  username: "me",
};
const SAVE = JSON.stringify({ ...DEFINITION, password: "a password" });
const ENQUEUE = JSON.stringify({ ...DEFINITION, enqueue_job: true, recipient: "user@example.net" });

/** Messages accepted through HTTP, encrypted and durable, against definitions saved through HTTP. */
export async function benchEnqueue(): Promise<BenchResult> {
  const name = "queue: messages accepted per second, against POST /smtpserver/<identifier>";
  if (!Bun.which("wrk")) return { name, skipped: "wrk is not installed" };
  using folder = temporaryFolder();
  await using server = await start(folder.path);
  const token = await logIn(server.origin);
  const rates = { enqueue: [] as number[], save: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    rates.enqueue.push(await post(server, "send_test_email", token, ENQUEUE, folder.path));
    rates.save.push(await post(server, "main-<at>", token, SAVE, folder.path));
  }
  const [ours, peer] = [median(rates.enqueue), median(rates.save)];
  const detail = `${ours.toFixed(0)}/s, definitions ${peer.toFixed(0)}/s`;
  return { name, ratio: ours / peer, limit: LIMIT, better: "higher", detail };
}

/** The time until a message is accepted, with many waiting against few. */
export async function benchEnqueueGrowth(): Promise<BenchResult> {
  using folder = temporaryFolder();
  await using server = await start(folder.path);
  const token = await logIn(server.origin);
  await timeOf(server, token);
  const few: number[] = [];
  const many: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await server.tell(String(FEW));
    few.push(await timeOf(server, token));
    await server.tell(String(MANY));
    many.push(await timeOf(server, token));
  }
  const [fewMs, manyMs] = [median(few), median(many)];
  return {
    name: "queue: time until a message is accepted, 100,000 waiting against 100",
    ratio: manyMs / fewMs,
    limit: GROWTH_LIMIT,
    better: "lower",
    detail: `${manyMs.toFixed(2)} ms, ${fewMs.toFixed(2)} ms`,
  };
}

function start(folder: string) {
  const env = { SEALPOST_DATABASE_URL: `file:${join(folder, "sealpost.db")}` };
  return serve([process.execPath, join(import.meta.dir, "enqueue-server.ts")], { env });
}

/** Median of consecutive calls, in milliseconds. */
async function timeOf({ origin }: Served, token: string): Promise<number> {
  const times: number[] = [];
  for (let at = 0; at < ANSWERS; at++) {
    const startMs = performance.now();
    const answer = await authorized(`${origin}/smtpserver/send_test_email`, token, ENQUEUE);
    if (!answer.ok) throw new Error(await answer.text());
    await answer.text();
    times.push(performance.now() - startMs);
  }
  return median(times);
}

/** Requests per second. */
async function post({ origin }: Served, path: string, token: string, body: string, folder: string) {
  const script = join(folder, "post.lua");
  await Bun.write(
    script,
    `wrk.headers["Content-Type"] = "application/json"
     local at = 0
     request = function()
       at = at + 1
       return wrk.format("POST", string.gsub("/smtpserver/${path}", "<at>", at % ${DEFINITIONS}), nil, [[${body}]])
     end`,
  );
  const options = ["-t1", `-c${CONNECTIONS}`, `-d${SECONDS}s`, "-s", script, "-H", `Authorization: ${token}`];
  const child = Bun.spawn(["wrk", ...options, origin], { stdout: "pipe" });
  const text = await new Response(child.stdout).text();
  if (/Non-2xx/.test(text)) throw new Error(`Some responses were errors: ${text}`);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]);
}

if (import.meta.main) {
  print(await benchEnqueue());
  print(await benchEnqueueGrowth());
}
