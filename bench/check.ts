import { join } from "node:path";
import { temporaryFolder } from "../test/fixtures/process/folder.ts";
import { type Served, serve } from "./process.ts";
import { type BenchResult, median, print } from "./result.ts";

const ROUNDS = 3;
const PAIRS = 400;
/** A user gets five codes an hour, and rounds at most three. */
const USERS = 400;
const LIMIT = 0.5;

/** Trigger and check in turn on a file, against a minimal app. Only Sealpost composes messages; they stay in memory. */
export async function benchCheck(clients: number): Promise<BenchResult> {
  const name = `trigger and check in turn on a file, ${clients} at a time, against one batched read and one commit each`;
  using folder = temporaryFolder();
  const start = (program: string) => serve([process.execPath, join(import.meta.dir, program), folder.path]);
  await using ours = await start("check-server.ts");
  await using peer = await start("check-peer.ts");
  const tokens = [await prepare(ours), await prepare(peer)] as const;
  const rates = { ours: [] as number[], theirs: [] as number[] };
  for (let round = 0; round <= ROUNDS; round++) {
    const pair = [await run(ours, tokens[0], clients), await run(peer, tokens[1], clients)] as const;
    // The first round warms up.
    if (round === 0) continue;
    rates.ours.push(pair[0]);
    rates.theirs.push(pair[1]);
  }
  const [our, their] = [median(rates.ours), median(rates.theirs)];
  const detail = `${Math.round(our)} pairs/s, peer ${Math.round(their)} pairs/s`;
  return { name, ratio: our / their, limit: LIMIT, better: "higher", detail };
}

async function prepare({ origin }: Served): Promise<string> {
  return (await fetch(`${origin}/prepare?users=${USERS}`)).text();
}

/** @returns pairs per second. */
async function run({ origin }: Served, token: string, clients: number): Promise<number> {
  const post = async (path: string, json: object, headers: Record<string, string> = {}) => {
    const body = JSON.stringify(json);
    const more = { "content-type": "application/json", ...headers };
    const response = await fetch(origin + path, { method: "POST", headers: more, body });
    return (await response.json()) as { detail?: { transaction_id?: string }; result?: { value: unknown } };
  };
  let next = 0;
  const startMs = performance.now();
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (next < PAIRS) {
        const user = `u${next++ % USERS}`;
        const { detail } = await post("/validate/triggerchallenge", { user }, { authorization: token });
        const pass = await (await fetch(`${origin}/code?address=${user}@example.net`)).text();
        const { result } = await post("/validate/check", {
          user,
          transaction_id: detail?.transaction_id,
          pass,
        });
        if (result?.value !== true) throw new Error(`${user} was rejected`);
      }
    }),
  );
  return (PAIRS * 1000) / (performance.now() - startMs);
}

if (import.meta.main) {
  print(await benchCheck(1));
  print(await benchCheck(8));
}
