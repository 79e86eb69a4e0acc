import type { Database } from "../contracts/database.ts";
import type { PluginContext } from "../contracts/plugin/context.ts";
import type { Idempotency } from "../mail/idempotency.ts";

/** Creates `idempotent`, for requests that do more than submit one message. */
export function createIdempotent(deps: {
  readonly plugin: string;
  readonly database: Database;
  readonly idempotency: Idempotency;
}): PluginContext["idempotent"] {
  const { plugin, database, idempotency } = deps;
  return async (c, content, work) => {
    const key = c.req.header("idempotency-key");
    if (key === undefined) return work();
    const scope = `plugin ${plugin} ${c.get("auditAction")}`;
    const call = await idempotency.reserve({ scope, key, content: JSON.stringify(content) }, "acting");
    if ("response" in call) return JSON.parse(call.response);
    const response = await work().catch(async (error) => {
      await database.commit([call.release()]);
      throw error;
    });
    await database.commit([call.complete(response)]);
    return response;
  };
}
