import { userInfo } from "node:os";
import { parseConfig } from "../config.ts";
import type { AuditActor } from "../domain/audit.ts";
import { type LocalInstance, openLocal } from "../runtime/local/drivers.ts";
import { loadPlugins } from "../runtime/local/load-plugins.ts";
import { configureLogging } from "../runtime/local/logging.ts";

/** Opens the instance that the settings name, runs one command on it, and closes it. */
export async function withInstance<T>(run: (instance: LocalInstance) => Promise<T>): Promise<T> {
  const config = parseConfig(process.env);
  await configureLogging(config.log);
  await using instance = await openLocal(config, await loadPlugins(process.cwd()));
  return await run(instance);
}

/** Who the audit log says did it: the system's user at the command line. */
export function commandLineActor(command: string): AuditActor {
  const administrator = `${userInfo().username} (command line)`;
  return { action: `cli ${command}`, administrator, realm: "", client: "", policies: "", requestId: "" };
}

export function print(...lines: readonly string[]): void {
  process.stdout.write(`${lines.join("\n")}\n`);
}
