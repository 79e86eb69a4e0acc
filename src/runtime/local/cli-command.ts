/** The command that runs the command line, for messages: in this repository a script of it, else the package's program. */
export const CLI_COMMAND = commandOf(import.meta.url);

function commandOf(url: string): string {
  if (!url.endsWith(".ts")) return "npx sealpost cli";
  return "Deno" in globalThis ? "deno task cli" : "bun run cli";
}
