import { env } from "cloudflare:workers";
import { getLogger } from "@logtape/logtape";
import { openRemoteDatabase } from "../../storage/remote/connect.ts";
import { consumeWakes, type QueueBatch } from "../../wake/cloudflare.ts";
import { type Bindings, parseBindings } from "./bindings.ts";

/** The class that `wrangler.jsonc` binds. The default build has its database there; this one sends by it. */
export { DeliveringObject as Sealpost } from "./delivery-object.ts";

import { OBJECTS, QUEUE } from "./drivers.ts";
import { createWorkerInstance } from "./instance.ts";
import { createInvocations, drain, type InvocationContext } from "./invocations.ts";
import { REQUEST_MS, TRIGGERED_MS } from "./transport.ts";
import { unavailable } from "./unavailable.ts";

/** The part of Cloudflare's `ScheduledController` that Sealpost uses. */
interface Trigger {
  readonly cron: string;
}

const log = getLogger(["sealpost", "entry"]);
/** Created while the isolate starts, when no request waits yet. Every response reports invalid settings. */
const { inInvocation } = createInvocations(env, (bindings) => ({
  config: parseBindings(bindings),
  create: (config, restart) => {
    const authToken = config.databaseToken.reveal();
    const database = openRemoteDatabase({ url: config.databaseUrl, authToken });
    const place = { database, queue: bindings[QUEUE], objects: bindings[OBJECTS] };
    return createWorkerInstance(config, place, restart);
  },
}));

/** Sealpost as a Cloudflare Worker, over a libSQL server. Its bindings are its settings. */
export default {
  /** Handles a request. Work that it starts continues if the client disconnects. */
  async fetch(request: Request, _bindings: Bindings, context: InvocationContext): Promise<Response> {
    try {
      return await inInvocation(context, REQUEST_MS, (instance) => instance.fetch(request));
    } catch (error) {
      return unavailable(error);
    }
  },

  /** Sends queued mail that is due. The daily trigger also deletes rows past their retention. */
  async scheduled({ cron }: Trigger, _bindings: Bindings, context: InvocationContext): Promise<void> {
    try {
      await inInvocation(context, TRIGGERED_MS, async (instance) => {
        const [pruned] = await Promise.allSettled([isDaily(cron) && instance.prune(), drain(instance)]);
        if (pruned.status === "rejected") throw pruned.reason;
      });
    } catch (error) {
      log.error("Scheduled work failed: {error}", { error });
      throw error;
    }
  },

  /** Sends the queued mail that a batch of wakes names, with one drain for the whole batch. */
  async queue(batch: QueueBatch, _bindings: Bindings, context: InvocationContext): Promise<void> {
    let isStarted = false;
    await consumeWakes(batch, async () => {
      if (isStarted) return;
      isStarted = true;
      await inInvocation(context, TRIGGERED_MS, drain);
    });
  },
};

/** Whether a cron trigger runs once a day: its hour is a number. A trigger without a cron text was started by hand and counts as daily. */
function isDaily(cron: string): boolean {
  const [, hour = "0"] = cron.split(" ");
  return /^\d+$/.test(hour);
}
