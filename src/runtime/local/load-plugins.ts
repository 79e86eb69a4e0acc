import { access } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as v from "valibot";
import type { Plugin } from "../../contracts/plugin/definition.ts";
import { nearestTo } from "../../domain/nearest.ts";
import { pluginsOf } from "../default-plugins.ts";
import { codeOf, invalidSetting } from "../invalid-setting.ts";

/** Name of the file, next to the server, that configures its plugins. */
export const CONFIG_FILE = "sealpost.config.ts";

const isPlugin = (value: unknown): value is Plugin =>
  typeof value === "object" && value !== null && "name" in value && "validate" in value;
const configSchema = v.strictObject({
  plugins: v.optional(v.array(v.custom<Plugin>(isPlugin, "expected plugins, each called with its options"))),
  without: v.optional(v.array(v.string())),
});

/**
 * Loads the plugins of a server: the default ones, changed by the `sealpost.config.ts` in its folder.
 * @throws {SealpostError} `bad_setting`, one line, if that file exists and cannot be loaded, or has another export.
 */
export async function loadPlugins(folder: string): Promise<readonly Plugin[]> {
  const path = join(folder, CONFIG_FILE);
  if (!(await exists(path))) return pluginsOf({});
  const { default: exported } = await load(path);
  assertKnownNames(exported);
  const result = v.safeParse(configSchema, Array.isArray(exported) ? null : exported);
  if (result.success) {
    const { plugins = [], without = [] } = result.output;
    return pluginsOf({ plugins, without });
  }
  const [issue] = result.issues;
  const where = v.getDotPath(issue) ?? "export default";
  const message = `${CONFIG_FILE}: ${where}: ${issue.message}; expected { plugins: [...] }`;
  throw invalidSetting(CONFIG_FILE, message);
}

/** @throws {SealpostError} `bad_setting`, which names every unknown name and the nearest known one. */
function assertKnownNames(exported: unknown): void {
  if (typeof exported !== "object" || exported === null || Array.isArray(exported)) return;
  const known = Object.keys(configSchema.entries);
  const unknown = Object.keys(exported).filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  const problems = unknown.map(
    (name) => `${name}: there is no such name, did you mean ${nearestTo(name, known)}?`,
  );
  throw invalidSetting(CONFIG_FILE, `${CONFIG_FILE}: ${problems.join(" ")}`);
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return false;
    throw invalidSetting(CONFIG_FILE, `${CONFIG_FILE} cannot be read${codeOf(error)}`, error);
  }
}

async function load(path: string): Promise<{ readonly default?: unknown }> {
  try {
    return await import(pathToFileURL(path).href);
  } catch (cause) {
    const [problem = ""] = String(cause instanceof Error ? cause.message : cause).split("\n");
    throw invalidSetting(CONFIG_FILE, `${CONFIG_FILE}: ${problem}`, cause);
  }
}
