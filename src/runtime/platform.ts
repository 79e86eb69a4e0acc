import type { Platform } from "../contracts/platform.ts";

/** The real clock and real randomness. */
export const PLATFORM: Platform = {
  now: () => new Date(),
  randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
};

/** Returns the command that runs the command line, for messages: a script of this repository, or the package's program. */
export function cliCommand(): string {
  if (!import.meta.url.endsWith(".ts")) return "npx sealpost cli";
  const command = "Deno" in globalThis ? "deno task cli" : "bun run cli";
  // After `npm start`, neither has to be on the PATH.
  return process.env.npm_command === undefined ? command : `npx ${command}`;
}
