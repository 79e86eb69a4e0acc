import { type Config, parseConfig } from "../../config.ts";
import { invalidSetting } from "../invalid-setting.ts";

/** What Cloudflare passes to a Worker: vars and secrets, which are texts, and bindings of other kinds. */
export type Bindings = Readonly<Record<string, unknown>>;

/** A Worker listens nowhere; where these are set they are meant for others. */
const OF_NO_USE = ["HOST", "PORT"];

/**
 * Reads the settings from the bindings of a Worker; bindings under other names are somebody else's.
 * @throws {SealpostError} `bad_setting`, one line that names the binding that is missing or wrong.
 */
export function parseBindings(bindings: Bindings): Config {
  const config = parseConfig(textsOf(bindings));
  requireServer(bindings.SEALPOST_DATABASE_URL, config);
  if (config.keys.isEmpty) {
    throw invalidSetting(
      "SEALPOST_KEYS",
      "SEALPOST_KEYS: this secret is missing; `bun run cli keys new` makes a key, `wrangler secret put SEALPOST_KEYS` gives it",
    );
  }
  return config;
}

function requireServer(given: unknown, { databaseUrl }: Config): void {
  if (/^(libsql|https?):/.test(databaseUrl)) return;
  const problem = given === undefined || given === "" ? "this binding is missing" : "a Worker has no files";
  throw invalidSetting(
    "SEALPOST_DATABASE_URL",
    `SEALPOST_DATABASE_URL: ${problem}; expected libsql://… or https://…`,
  );
}

function textsOf(bindings: Bindings): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const [name, value] of Object.entries(bindings)) {
    if (typeof value === "string" && !OF_NO_USE.includes(name)) texts[name] = value;
    else if (name.startsWith("SEALPOST_")) throw invalidSetting(name, `${name}: expected a var or a secret`);
  }
  return texts;
}
