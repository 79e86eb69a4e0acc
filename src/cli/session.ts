import { userInfo } from "node:os";
import { parseConfig } from "../config.ts";
import type { AuditActor } from "../domain/audit.ts";
import { openInstance } from "../runtime/local/instance.ts";
import { loadPlugins } from "../runtime/local/load-plugins.ts";
import { configureLogging } from "../runtime/local/logging.ts";
import { startSpanExport } from "../runtime/local/span-export.ts";
import { internalsOf, type Sealpost } from "../sealpost.ts";
import type { Services } from "../services.ts";

/** The instance that a command works on. */
export interface Session {
  readonly sealpost: Sealpost;
  readonly services: Services;
}

/**
 * Opens the instance that the settings describe, runs one command on it, and closes it.
 * @param options.logs whether the log has the level of the setting. A command that reports its result itself logs errors
 * only, unless the setting is set.
 */
export async function withInstance<T>(
  run: (session: Session) => Promise<T>,
  { logs = false }: { readonly logs?: boolean } = {},
): Promise<T> {
  const config = parseConfig(process.env);
  await configureLogging(logs || process.env.SEALPOST_LOG ? config.log : "error");
  // A command that reports its result itself ends at once, and sends no mail but tests.
  await using _ = logs ? await startSpanExport(process.env) : null;
  await using sealpost = await openInstance(config, await loadPlugins(process.cwd()));
  return await run({ sealpost, services: internalsOf(sealpost).services });
}

/** The actor in the audit log: the system user who runs the command. */
export function commandLineActor(command: string): AuditActor {
  const administrator = `${userInfo().username} (command line)`;
  return { action: `cli ${command}`, administrator, realm: "", client: "", policies: "", requestId: "" };
}
