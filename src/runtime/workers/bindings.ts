import { type Config, parseConfig } from "../../config.ts";
import { invalidSetting } from "../invalid-setting.ts";

/** The bindings that Cloudflare passes to a Worker: vars and secrets, which are strings, and others. */
export type Bindings = Readonly<Record<string, unknown>>;

/** A Worker does not listen on an address: these variables belong to other programs. */
const IGNORED = ["HOST", "PORT"];

/**
 * Reads the settings from the bindings of a Worker. It ignores bindings with other names.
 * @param place of the database: a server, or the object itself.
 * @throws {SealpostError} `bad_setting`, one line that names the missing or invalid binding.
 */
export function parseBindings(bindings: Bindings, place: "server" | "object" = "server"): Config {
  const config = parseConfig(textsOf(bindings));
  if (place === "server") assertRemoteDatabase(bindings.SEALPOST_DATABASE_URL, config);
  else assertWithinObject(bindings.SEALPOST_DATABASE_URL, config);
  if (config.keys.isEmpty) {
    throw invalidSetting(
      "SEALPOST_KEYS",
      "SEALPOST_KEYS: this secret is missing: create a key with `bun run cli keys new` and set it with `wrangler secret put SEALPOST_KEYS`",
    );
  }
  return config;
}

function assertRemoteDatabase(given: unknown, { databaseUrl }: Config): void {
  if (/^(libsql|https?):/.test(databaseUrl)) return;
  const problem = given === undefined || given === "" ? "this binding is missing" : "a Worker has no files";
  throw invalidSetting(
    "SEALPOST_DATABASE_URL",
    `SEALPOST_DATABASE_URL: ${problem}; expected libsql://… or https://…; the Worker of \`bun run build:workers\` needs none`,
  );
}

function assertWithinObject(databaseUrl: unknown, { wake }: Config): void {
  if (databaseUrl !== undefined && databaseUrl !== "") {
    throw invalidSetting(
      "SEALPOST_DATABASE_URL",
      "SEALPOST_DATABASE_URL: this Worker has its database in a Durable Object; remove this binding, or build with `bun run build:workers:libsql`",
    );
  }
  if (wake === "poll") return;
  throw invalidSetting(
    "SEALPOST_WAKE",
    "SEALPOST_WAKE: the alarm of the Durable Object sends queued mail; remove this binding, or build with `bun run build:workers:libsql`",
  );
}

function textsOf(bindings: Bindings): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const [name, value] of Object.entries(bindings)) {
    if (typeof value === "string" && !IGNORED.includes(name)) texts[name] = value;
    else if (name.startsWith("SEALPOST_")) throw invalidSetting(name, `${name}: expected a var or a secret`);
  }
  return texts;
}
