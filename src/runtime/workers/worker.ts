import { env } from "cloudflare:workers";
import { getLogger } from "@logtape/logtape";
import { SealpostError } from "../../errors.ts";
import { internalsOf } from "../../sealpost.ts";
import { consumeWakes, type QueueBatch } from "../../wake/cloudflare.ts";
import { failure } from "../../wire/envelope.ts";
import { PLATFORM as platform } from "../platform.ts";
import { type Bindings, parseBindings } from "./bindings.ts";
import { QUEUE } from "./drivers.ts";
import { createWorkerInstance, type WorkerInstance } from "./instance.ts";
import { configureConsole } from "./logging.ts";
import { REQUEST_MS, TRIGGERED_MS } from "./transport.ts";

/** The part of Cloudflare's `ExecutionContext` that Sealpost uses. */
interface InvocationContext {
  waitUntil(promise: Promise<unknown>): void;
}

/** The part of Cloudflare's `ScheduledController` that Sealpost uses. */
interface Trigger {
  readonly cron: string;
}

const log = getLogger(["sealpost", "entry"]);
/** Time to set a binding that is missing. */
const SETUP_RETRY_SECONDS = 60;

/** Created while the isolate starts, when no request waits yet. Every response reports invalid settings. */
const opened = open(env);

/** Sealpost as a Cloudflare Worker. Its bindings are its settings. */
export default {
  /** Handles a request. Work that it starts continues if the client disconnects. */
  async fetch(request: Request, _bindings: Bindings, context: InvocationContext): Promise<Response> {
    try {
      return await inInvocation(context, REQUEST_MS, ({ sealpost }) => sealpost.app.fetch(request, {}));
    } catch (error) {
      return unavailable(error);
    }
  },

  /** Sends queued mail that is due. The daily trigger also deletes rows past their retention. */
  async scheduled({ cron }: Trigger, _bindings: Bindings, context: InvocationContext): Promise<void> {
    try {
      await inInvocation(context, TRIGGERED_MS, async (instance) => {
        const [pruned] = await Promise.allSettled([
          isDaily(cron) && instance.sealpost.prune(),
          drain(instance),
        ]);
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

function drain({ sealpost, transport }: WorkerInstance): Promise<void> {
  return transport.drainNow(internalsOf(sealpost).services.drain);
}

async function inInvocation<T>(
  context: InvocationContext,
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
  // For errors in the settings themselves, the log level included.
  configureConsole("info");
  try {
    const config = parseBindings(bindings);
    configureConsole(config.log);
    return { instance: createWorkerInstance(config, bindings[QUEUE]), error: null };
  } catch (error) {
    return { instance: null, error };
  }
}

/** The response of an instance that cannot start. Only the log names invalid settings. */
function unavailable(cause: unknown): Response {
  const isUnavailable = cause instanceof SealpostError && cause.code === "database_unavailable";
  const error = isUnavailable ? cause : notSetUp(cause);
  log.error("This instance cannot start: {message}", {
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
  return new SealpostError("database_unavailable", "This instance is not set up yet: see its log", {
    cause,
    retryAfterSeconds: SETUP_RETRY_SECONDS,
  });
}
