import { getLogger } from "@logtape/logtape";
import type { Wake } from "../contracts/wake.ts";
import { closedError } from "./closed.ts";
import { hear, type Listener } from "./receive.ts";

const log = getLogger(["sealpost", "wake"]);

/** Messages that Queues takes in one call. */
const MOST_AT_ONCE = 100;
/** The longest delay that Queues has always taken: 12 hours. */
const LONGEST_DELAY_SECONDS = 43_200;
/** An id of ours is a UUID; what is longer is somebody else's. */
const LONGEST_ID_CHARACTERS = 64;

/** The binding of a queue, as a producer has it; the part of it that is used. */
export interface QueueProducer {
  sendBatch(
    messages: Iterable<{ readonly body: string; readonly contentType: "text" }>,
    options?: { readonly delaySeconds?: number },
  ): Promise<unknown>;
}

/** What `queue(batch)` of a Worker is given; the part of it that is used. */
export interface QueueBatch {
  readonly messages: readonly { readonly body: unknown }[];
  ackAll(): void;
}

export interface CloudflareWakeOptions {
  readonly queue: QueueProducer;
  readonly now: () => Date;
}

/** The wake `cloudflare`: gives ids to a queue, whose consumer calls {@link consumeWakes}. Delays are whole seconds. */
export function createCloudflareWake({ queue, now }: CloudflareWakeOptions): Wake {
  let isClosed = false;
  return {
    name: "cloudflare",
    async notify(mailIds, { notBefore } = {}) {
      if (isClosed) throw closedError();
      const waitMs = notBefore === undefined ? 0 : notBefore.getTime() - now().getTime();
      const delaySeconds = Math.max(0, Math.ceil(waitMs / 1_000));
      // Told too early it would find nothing to do; the sweep finds it in time.
      if (delaySeconds > LONGEST_DELAY_SECONDS) return;
      for (let start = 0; start < mailIds.length; start += MOST_AT_ONCE) {
        const messages = mailIds.slice(start, start + MOST_AT_ONCE).map(toMessage);
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
 * Hears a batch of a queue: calls `on` once for each id in it, all at the same time, and waits for them. The whole
 * batch is acknowledged, whatever `on` does, and whatever else lies in the queue. Never rejects.
 */
export async function consumeWakes(batch: QueueBatch, on: Listener): Promise<void> {
  // First, so that it holds however this ends.
  batch.ackAll();
  const bodies = batch.messages.map(({ body }) => body);
  const mailIds = bodies.filter(isId);
  const strangers = bodies.length - mailIds.length;
  if (strangers > 0) log.warning("{strangers} messages in the queue of wakes are no ids", { strangers });
  await Promise.all([...new Set(mailIds)].map((mailId) => hear(on, mailId)));
}

function isId(body: unknown): body is string {
  return typeof body === "string" && body !== "" && body.length <= LONGEST_ID_CHARACTERS;
}
