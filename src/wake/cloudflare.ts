import { getLogger } from "@logtape/logtape";
import type { Wake } from "../contracts/wake.ts";
import { closedError, type Listener, receiveWake } from "./receive.ts";

const log = getLogger(["sealpost", "wake"]);

/** Messages that Queues accepts in one call. */
const MAX_BATCH = 100;
/** The longest delay that Queues has always accepted: 12 hours. */
const MAX_DELAY_SECONDS = 43_200;
/** Our IDs are UUIDs; anything longer was sent by another program. */
const MAX_ID_CHARACTERS = 64;

/** The part of a queue's producer binding that is used here. */
export interface QueueProducer {
  sendBatch(
    messages: Iterable<{ readonly body: string; readonly contentType: "text" }>,
    options?: { readonly delaySeconds?: number },
  ): Promise<unknown>;
}

/** The part of the argument of a Worker's `queue(batch)` that is used here. */
export interface QueueBatch {
  readonly messages: readonly { readonly body: unknown }[];
  ackAll(): void;
}

interface CloudflareWakeOptions {
  readonly queue: QueueProducer;
  readonly now: () => Date;
}

/** Creates the wake `cloudflare`. It sends IDs to a queue whose consumer calls {@link consumeWakes}. Delays are whole seconds. */
export function createCloudflareWake({ queue, now }: CloudflareWakeOptions): Wake {
  let isClosed = false;
  return {
    name: "cloudflare",
    async notify(mailIds, { notBefore } = {}) {
      if (isClosed) throw closedError();
      const waitMs = notBefore === undefined ? 0 : notBefore.getTime() - now().getTime();
      const delaySeconds = Math.max(0, Math.ceil(waitMs / 1_000));
      // An early wake would find nothing due; the sweep finds the message on time.
      if (delaySeconds > MAX_DELAY_SECONDS) return;
      for (let start = 0; start < mailIds.length; start += MAX_BATCH) {
        const messages = mailIds.slice(start, start + MAX_BATCH).map(toMessage);
        await queue.sendBatch(messages, { delaySeconds });
      }
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
    },
  };
}

function toMessage(mailId: string) {
  return { body: mailId, contentType: "text" } as const;
}

/**
 * Consumes a batch of a queue: calls `on` once for each ID, all concurrently, and waits for the calls. Acknowledges the
 * whole batch, even if `on` fails or the batch has other messages. Never rejects.
 */
export async function consumeWakes(batch: QueueBatch, on: Listener): Promise<void> {
  // Acknowledge first: a failure must not redeliver the batch.
  batch.ackAll();
  const bodies = batch.messages.map(({ body }) => body);
  const mailIds = bodies.filter(isId);
  const foreign = bodies.length - mailIds.length;
  if (foreign > 0) log.warning("Messages in the queue of wakes that are not IDs: {foreign}", { foreign });
  await Promise.all([...new Set(mailIds)].map((mailId) => receiveWake(on, mailId)));
}

function isId(body: unknown): body is string {
  return typeof body === "string" && body !== "" && body.length <= MAX_ID_CHARACTERS;
}
