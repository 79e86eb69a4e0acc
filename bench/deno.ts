import { DENO_SERVER, denoPath } from "../test/fixtures/process/deno.ts";
import { benchList } from "./list.ts";
import { type BenchResult, print } from "./result.ts";

/** GET /smtpserver/ on Deno, as {@link benchList} measures it. */
export async function benchDeno(): Promise<BenchResult> {
  if (denoPath === null)
    return { name: "GET /smtpserver/ on Deno", skipped: "npm has no Deno for this machine" };
  return benchList({
    name: "Deno",
    server: DENO_SERVER,
    entry: "src/runtime/deno/server.ts",
    peer: [denoPath, "run", "--allow-all"],
  });
}

if (import.meta.main) print(await benchDeno());
