import { access } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as v from "valibot";
import type { Plugin } from "../../contracts/plugin/definition.ts";
import { nearestTo } from "../../domain/nearest.ts";
import { pluginsOf } from "../default-plugins.ts";
import { codeOf, invalidSetting } from "../invalid-setting.ts";

/** Names of the file, next to the server, that configures its plugins. Every Node loads the last two; TypeScript needs 22.18. */
const CONFIG_FILES = ["sealpost.config.ts", "sealpost.config.js", "sealpost.config.mjs"];

const isPlugin = (value: unknown): value is Plugin =>
  typeof value === "object" && value !== null && "name" in value && "validate" in value;
const configSchema = v.strictObject({
  plugins: v.optional(v.array(v.custom<Plugin>(isPlugin, "expected plugins, each called with its options"))),
  without: v.optional(v.array(v.string())),
});

/**
 * Loads the plugins of a server: the default ones, changed by the `sealpost.config.ts`, `.js` or `.mjs` in its folder.
 * @throws {SealpostError} `bad_setting`, one line, if that file cannot be loaded or has another export, or if there are two.
 */
export async function loadPlugins(folder: string): Promise<readonly Plugin[]> {
  const file = await findConfig(folder);
  if (file === null) return pluginsOf({});
  const { default: exported } = await load(folder, file);
  assertKnownNames(exported, file);
  const result = v.safeParse(configSchema, Array.isArray(exported) ? null : exported);
  if (result.success) {
    const { plugins = [], without = [] } = result.output;
    return pluginsOf({ plugins, without });
  }
  const [issue] = result.issues;
  const where = v.getDotPath(issue) ?? "export default";
  throw invalidSetting(file, `${file}: ${where}: ${issue.message}; expected { plugins: [...] }`);
}

/** @throws {SealpostError} `bad_setting`, which names every unknown name and the nearest known one. */
function assertKnownNames(exported: unknown, file: string): void {
  if (typeof exported !== "object" || exported === null || Array.isArray(exported)) return;
  const known = Object.keys(configSchema.entries);
  const unknown = Object.keys(exported).filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  const problems = unknown.map(
    (name) => `${name}: there is no such name, did you mean ${nearestTo(name, known)}?`,
  );
  throw invalidSetting(file, `${file}: ${problems.join(" ")}`);
}

/**
 * Returns the name of the only file that configures the plugins, or `null` if the folder has none.
 * @throws {SealpostError} `bad_setting` if there are two: one would be ignored without a word.
 */
export async function findConfig(folder: string): Promise<string | null> {
  const found: string[] = [];
  for (const file of CONFIG_FILES) if (await exists(folder, file)) found.push(file);
  const [file = null, ...others] = found;
  if (file === null || others.length === 0) return file;
  throw invalidSetting(file, `Keep one of ${found.join(" and ")}: only one file can configure the plugins`);
}

async function exists(folder: string, file: string): Promise<boolean> {
  try {
    await access(join(folder, file));
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return false;
    throw invalidSetting(file, `${file} cannot be read${codeOf(error)}`, error);
  }
}

async function load(folder: string, file: string): Promise<{ readonly default?: unknown }> {
  try {
    return await import(pathToFileURL(join(folder, file)).href);
  } catch (cause) {
    const [problem = ""] = String(cause instanceof Error ? cause.message : cause).split("\n");
    throw invalidSetting(file, `${file}: ${problem}`, cause);
  }
}
