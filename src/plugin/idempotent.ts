import type { Database } from "../contracts/database.ts";
import type { PluginContext } from "../contracts/plugin.ts";
import type { Idempotency } from "../mail/idempotency.ts";

/** Requests with an `Idempotency-Key` that do more than to hand in one mail: the second gets the answer of the first. */
export function createOnce(parts: {
  readonly plugin: string;
  readonly database: Database;
  readonly idempotency: Idempotency;
}): PluginContext["once"] {
  const { plugin, database, idempotency } = parts;
  return async (c, content, work) => {
    const key = c.req.header("idempotency-key");
    if (key === undefined) return work();
    const scope = `plugin ${plugin} ${c.get("auditAction")}`;
    const call = await idempotency.reserve({ scope, key, content: JSON.stringify(content) }, "acting");
    if ("response" in call) return JSON.parse(call.response);
    const answer = await work().catch(async (error) => {
      await database.commit([call.release()]);
      throw error;
    });
    await database.commit([call.complete(answer)]);
    return answer;
  };
}
