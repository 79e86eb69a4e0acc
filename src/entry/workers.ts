import { getLogger } from "@logtape/logtape";
import { SealpostError } from "../errors.ts";
import { failure } from "../wire/envelope.ts";
import { PLATFORM as platform } from "./platform.ts";
import { type Bindings, parseBindings } from "./workers-config.ts";
import { createWorkerInstance, type WorkerInstance } from "./workers-instance.ts";
import { configureConsole } from "./workers-logging.ts";
import { REQUEST_MS } from "./workers-transport.ts";

/** What of Cloudflare's `ExecutionContext` is used. */
export interface EventContext {
  waitUntil(promise: Promise<unknown>): void;
}

const log = getLogger(["sealpost", "entry"]);
/** Cloudflare gives a scheduled event a quarter of an hour. */
const SCHEDULED_MS = 15 * 60_000;
/** Time to set a binding that is missing. */
const SETUP_RETRY_SECONDS = 60;

/** Kept for the life of the isolate. */
let kept: WorkerInstance | undefined;

/** Sealpost as a Cloudflare Worker; its settings are the bindings. */
export default {
  /** Answers a request. What it has begun goes on when its client is gone. */
  async fetch(request: Request, bindings: Bindings, context: EventContext): Promise<Response> {
    try {
      return await inEvent(bindings, context, REQUEST_MS, ({ app }) => app.fetch(request, {}));
    } catch (error) {
      return unavailable(error);
    }
  },

  /** Deletes what has been kept for long enough; meant for once a day. */
  async scheduled(_event: unknown, bindings: Bindings, context: EventContext): Promise<void> {
    try {
      await inEvent(bindings, context, SCHEDULED_MS, ({ services }) => services.prune());
    } catch (error) {
      log.error("Old rows could not be deleted: {error}", { error });
      throw error;
    }
  },
};

async function inEvent<T>(
  bindings: Bindings,
  context: EventContext,
  timeMs: number,
  work: (instance: WorkerInstance) => T | Promise<T>,
): Promise<T> {
  const instance = open(bindings);
  const { result, end } = instance.transport.run(async () => {
    await instance.ready();
    return work(instance);
  }, timeMs);
  context.waitUntil(end);
  return result;
}

function open(bindings: Bindings): WorkerInstance {
  if (kept) return kept;
  // For what is wrong with the settings, the level among them.
  configureConsole("info");
  const config = parseBindings(bindings);
  configureConsole(config.log);
  kept = createWorkerInstance(config);
  return kept;
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
