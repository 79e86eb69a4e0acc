import { readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../fixtures/smime/openssl.ts";

const MISSING = ["bash", "curl", "sed"].filter((program) => Bun.which(program) === null);
/** The reason why the examples cannot run, or empty if they can. */
export const obstacle = MISSING.map((program) => `${program} is not installed`).join();
if (obstacle !== "") console.warn(`Skipped: examples of the plugin READMEs (${obstacle})`);

/** Returns the shell blocks under the heading "With curl" of a plugin's README. */
export function shellBlocks(plugin: string): string[] {
  const readme = readFileSync(join(import.meta.dir, "..", "..", "plugins", plugin, "README.md"), "utf8");
  const [, section = ""] = /^## With curl\n([\s\S]*?)^## /m.exec(readme) ?? [];
  return [...section.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block]) => block ?? "");
}

/** Runs one block and returns the responses in order. @throws {Error} if a command fails. */
export async function runBlock(block: string, variables: Readonly<Record<string, string>>) {
  const { code, stdout, stderr } = await run(["bash", "-c", `set -eu -o pipefail\n${block}`], variables);
  if (code !== 0) throw new Error(stderr);
  const responses = stdout.split('{"jsonrpc"').slice(1);
  return responses.map((response): ResponseBody => JSON.parse(`{"jsonrpc"${response}`));
}

interface ResponseBody {
  readonly result: { readonly value: unknown; readonly authentication?: string };
  readonly detail?: Readonly<Record<string, unknown>>;
}
