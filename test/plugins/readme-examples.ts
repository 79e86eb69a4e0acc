import { readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../fixtures/smime/openssl.ts";

const MISSING = ["bash", "curl", "sed"].filter((program) => Bun.which(program) === null);
/** Why a walk cannot be tried; empty: it can. */
export const walkObstacle = MISSING.map((program) => `${program} is not installed`).join();
if (walkObstacle !== "") console.warn(`Skipped: walks of plugins; ${walkObstacle}`);

/** The blocks of shell below the heading "With curl" of a plugin's README. */
export function walkOf(plugin: string): string[] {
  const readme = readFileSync(join(import.meta.dir, "..", "..", "plugins", plugin, "README.md"), "utf8");
  const [, section = ""] = /^## With curl\n([\s\S]*?)^## /m.exec(readme) ?? [];
  return [...section.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block]) => block ?? "");
}

/** Runs one block. @returns the answers in order. @throws {Error} if a command fails. */
export async function walk(block: string, variables: Readonly<Record<string, string>>) {
  const { code, stdout, stderr } = await run(["bash", "-c", `set -eu -o pipefail\n${block}`], variables);
  if (code !== 0) throw new Error(stderr);
  const answers = stdout.split('{"jsonrpc"').slice(1);
  return answers.map((answer): Answer => JSON.parse(`{"jsonrpc"${answer}`));
}

interface Answer {
  readonly result: { readonly value: unknown; readonly authentication?: string };
  readonly detail?: Readonly<Record<string, unknown>>;
}
