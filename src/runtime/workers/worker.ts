import { env } from "cloudflare:workers";
import { getLogger } from "@logtape/logtape";
import { SealpostError } from "../../errors.ts";
import { consumeWakes, type QueueBatch } from "../../wake/cloudflare.ts";
import { failure } from "../../wire/envelope.ts";
import { PLATFORM as platform } from "../platform.ts";
import { type Bindings, parseBindings } from "./bindings.ts";
import { QUEUE } from "./drivers.ts";
import { createWorkerInstance, type WorkerInstance } from "./instance.ts";
import { configureConsole } from "./logging.ts";
import { REQUEST_MS, TRIGGERED_MS } from "./transport.ts";

/** What of Cloudflare's `ExecutionContext` is used. */
export interface EventContext {
  waitUntil(promise: Promise<unknown>): void;
}

/** What of a scheduled event is used. */
export interface Trigger {
  readonly cron: string;
}

const log = getLogger(["sealpost", "entry"]);
/** Time to set a binding that is missing. */
const SETUP_RETRY_SECONDS = 60;

/** Made while the isolate starts, when no request waits yet; what is wrong with the settings is for each answer. */
const opened = open(env);

/** Sealpost as a Cloudflare Worker; its settings are the bindings. */
export default {
  /** Answers a request. What it has begun goes on when its client is gone. */
  async fetch(request: Request, _bindings: Bindings, context: EventContext): Promise<Response> {
    try {
      return await inEvent(context, REQUEST_MS, ({ app }) => app.fetch(request, {}));
    } catch (error) {
      return unavailable(error);
    }
  },

  /** Sends queued mail that is due; by the trigger of once a day, also deletes what has been kept for long enough. */
  async scheduled({ cron }: Trigger, _bindings: Bindings, context: EventContext): Promise<void> {
    try {
      await inEvent(context, TRIGGERED_MS, async (instance) => {
        const [pruned] = await Promise.allSettled([
          isDaily(cron) && instance.services.prune(),
          drain(instance),
        ]);
        if (pruned.status === "rejected") throw pruned.reason;
      });
    } catch (error) {
      log.error("The scheduled work could not be done: {error}", { error });
      throw error;
    }
  },

  /** Sends queued mail that a queue has told of. All of a batch is sent by one drain. */
  async queue(batch: QueueBatch, _bindings: Bindings, context: EventContext): Promise<void> {
    let isBegun = false;
    await consumeWakes(batch, async () => {
      if (isBegun) return;
      isBegun = true;
      await inEvent(context, TRIGGERED_MS, drain);
    });
  },
};

/** The hour of such a trigger is a number; a trigger without a text is somebody's own. */
function isDaily(cron: string): boolean {
  const [, hour = "0"] = cron.split(" ");
  return /^\d+$/.test(hour);
}

function drain({ services, transport }: WorkerInstance): Promise<void> {
  return transport.drainNow(services.drain);
}

async function inEvent<T>(
  context: EventContext,
  timeMs: number,
  work: (instance: WorkerInstance) => T | Promise<T>,
): Promise<T> {
  const { instance, error } = opened;
  if (instance === null) throw error;
  const { result, end } = instance.transport.run(async () => {
    await instance.ready();
    return work(instance);
  }, timeMs);
  context.waitUntil(end);
  return result;
}

function open(
  bindings: Bindings,
):
  | { readonly instance: WorkerInstance; readonly error: null }
  | { readonly instance: null; readonly error: unknown } {
  // For what is wrong with the settings, the level among them.
  configureConsole("info");
  try {
    const config = parseBindings(bindings);
    configureConsole(config.log);
    return { instance: createWorkerInstance(config, bindings[QUEUE]), error: null };
  } catch (error) {
    return { instance: null, error };
  }
}

/** The answer of an instance that could not start; what is wrong with the settings is for the log alone. */
function unavailable(cause: unknown): Response {
  const isAway = cause instanceof SealpostError && cause.code === "database_unavailable";
  const error = isAway ? cause : notSetUp(cause);
  log.error("This instance could not start: {message}", {
    message: cause instanceof Error ? cause.message : String(cause),
    cause,
  });
  return Response.json(failure(error, platform.now(), null), {
    status: error.status,
    headers: {
      "Cache-Control": "no-store",
      "Retry-After": String(error.retryAfterSeconds ?? SETUP_RETRY_SECONDS),
    },
  });
}

function notSetUp(cause: unknown): SealpostError {
  return new SealpostError("database_unavailable", "This instance is not set up yet; its log tells why", {
    cause,
    retryAfterSeconds: SETUP_RETRY_SECONDS,
  });
}
