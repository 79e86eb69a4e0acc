import { access } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as v from "valibot";
import type { Plugin } from "../../contracts/plugin.ts";
import { STANDARD_PLUGINS } from "../default-plugins.ts";
import { badSetting, codeOf } from "../invalid-setting.ts";
import { CONFIG_FILE, pluginsOf } from "../plugin-list.ts";

const isPlugin = (value: unknown): value is Plugin =>
  typeof value === "object" && value !== null && "name" in value && "check" in value;
const configSchema = v.strictObject({
  plugins: v.optional(v.array(v.custom<Plugin>(isPlugin, "expected plugins, each called with its options"))),
  without: v.optional(v.array(v.string())),
});

/**
 * The plugins of a server: those that it has on by itself, and what `sealpost.config.ts` in its folder says.
 * @throws {SealpostError} `bad_setting`, one line, if that file is there and cannot be read or exports something else.
 */
export async function loadPlugins(folder: string): Promise<readonly Plugin[]> {
  const path = join(folder, CONFIG_FILE);
  if (!(await isThere(path))) return pluginsOf({}, STANDARD_PLUGINS);
  const { default: exported } = await load(path);
  const result = v.safeParse(configSchema, Array.isArray(exported) ? null : exported);
  if (result.success) {
    const { plugins = [], without = [] } = result.output;
    return pluginsOf({ plugins, without }, STANDARD_PLUGINS);
  }
  const [issue] = result.issues;
  const where = v.getDotPath(issue) ?? "export default";
  throw badSetting(CONFIG_FILE, `${CONFIG_FILE}: ${where}: ${issue.message}; expected { plugins: [...] }`);
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return false;
    throw badSetting(CONFIG_FILE, `${CONFIG_FILE} cannot be read${codeOf(error)}`, error);
  }
}

async function load(path: string): Promise<{ readonly default?: unknown }> {
  try {
    return await import(pathToFileURL(path).href);
  } catch (cause) {
    const [problem = ""] = String(cause instanceof Error ? cause.message : cause).split("\n");
    throw badSetting(CONFIG_FILE, `${CONFIG_FILE}: ${problem}`, cause);
  }
}
