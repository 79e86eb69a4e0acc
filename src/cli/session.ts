import { userInfo } from "node:os";
import { parseConfig } from "../config.ts";
import type { AuditActor } from "../domain/audit.ts";
import { openInstance } from "../runtime/local/instance.ts";
import { loadPlugins } from "../runtime/local/load-plugins.ts";
import { configureLogging } from "../runtime/local/logging.ts";
import { internalsOf, type Sealpost } from "../sealpost.ts";
import type { Services } from "../services.ts";

/** The instance that a command works on. */
interface Session {
  readonly sealpost: Sealpost;
  readonly services: Services;
}

/** Opens the instance that the settings describe, runs one command on it, and closes it. */
export async function withInstance<T>(run: (session: Session) => Promise<T>): Promise<T> {
  const config = parseConfig(process.env);
  await configureLogging(config.log);
  await using sealpost = await openInstance(config, await loadPlugins(process.cwd()));
  return await run({ sealpost, services: internalsOf(sealpost).services });
}

/** The actor in the audit log: the system user who runs the command. */
export function commandLineActor(command: string): AuditActor {
  const administrator = `${userInfo().username} (command line)`;
  return { action: `cli ${command}`, administrator, realm: "", client: "", policies: "", requestId: "" };
}

export function print(...lines: readonly string[]): void {
  process.stdout.write(`${lines.join("\n")}\n`);
}
