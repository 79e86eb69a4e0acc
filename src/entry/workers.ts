import { env } from "cloudflare:workers";
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

  /** Deletes what has been kept for long enough; meant for once a day. */
  async scheduled(_event: unknown, _bindings: Bindings, context: EventContext): Promise<void> {
    try {
      await inEvent(context, SCHEDULED_MS, ({ services }) => services.prune());
    } catch (error) {
      log.error("Old rows could not be deleted: {error}", { error });
      throw error;
    }
  },
};

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
    return { instance: createWorkerInstance(config), error: null };
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
