import type { DrainBounds, HttpOutcome, SealpostEvent } from "sealpost/plugin";
import * as v from "valibot";
import type { EventsContext } from "./config.ts";
import { type Binding, type BindingStore, binding as bindingTable } from "./store.ts";
import { signedHeaders, webhookBody } from "./webhook-request.ts";
import {
  type DeliveryStore,
  type DeliveryUpdate,
  type WebhookDelivery,
  webhookDelivery,
} from "./webhook-store.ts";

export const WEBHOOK = "webhook";
/** Bound of one attempt. */
const ATTEMPT_MS = 10_000;
const FIRST_BACKOFF_MS = 5_000;
const BACKOFF_FACTOR = 4;
const MAX_BACKOFF_MS = 3_600_000;
/** Share of the backoff that is random, so that deliveries spread. */
const JITTER = 0.2;
/** A delivery fails for good after this long, once it has had some attempts: a restore may have held it for longer. */
const GIVE_UP_MS = 24 * 3_600_000;
/** They take about six hours. */
const MIN_ATTEMPTS = 12;
/** The receiver wants no more of it (RFC 9110 15.5.11). */
const GONE = 410;
const BATCH = 8;
/** An attempt that takes longer is slow. */
const SLOW_MS = 1_000;

const headerFields = v.record(v.string(), v.string());

interface WebhookDeps
  extends Pick<EventsContext, "store" | "secrets" | "http" | "time" | "random" | "audit" | "log" | "wake"> {
  readonly bindings: BindingStore;
  readonly deliveries: DeliveryStore;
}

/** The deliveries of webhooks. */
export interface Webhooks {
  /** Records a delivery, and asks for a drain. @returns false if too many deliveries of the binding wait. */
  record(binding: Binding, event: SealpostEvent): Promise<boolean>;
  /** Attempts the deliveries that are due. */
  drain(bounds: DrainBounds): Promise<void>;
}

export function createWebhooks(deps: WebhookDeps): Webhooks {
  const { store, secrets, random, deliveries, wake } = deps;
  return {
    async record({ id: bindingId, name, options }, event) {
      const id = `msg_${random.id()}`;
      const body = await secrets.seal(webhookDelivery.body, id, webhookBody(event));
      const { origin } = new URL(options.url ?? "");
      const row = { id, bindingId, name, event: event.name, origin, body };
      const [{ rowsAffected }] = await store.commit([deliveries.insert(row)]);
      wake();
      return rowsAffected > 0;
    },

    async drain(bounds) {
      const step = async (bindingId: number, max: number): Promise<boolean> => {
        if (bounds.signal.aborted || bounds.timeLeftMs() < ATTEMPT_MS) return false;
        const [claimed] = await store.commit([deliveries.claim(bindingId, random.id(), max)]);
        await Promise.all(claimed.map((delivery) => attempt(deps, delivery, bounds.signal)));
        return claimed.length > 0;
      };
      if (bounds.isSequential) return drainInTurn(deliveries, step);
      const ids = await deliveries.due();
      await Promise.all(
        ids.map(async (id) => {
          while (await step(id, BATCH));
        }),
      );
    },
  };
}

/** Attempts one delivery of each binding after another. A slow receiver gets one only when no other waits. */
async function drainInTurn(
  { due }: DeliveryStore,
  step: (bindingId: number, max: number) => Promise<boolean>,
): Promise<void> {
  /** The bindings whose last attempt was slow, the one with the oldest first. */
  const slow = new Set<number>();
  for (let isMore = true; isMore; ) {
    isMore = false;
    const ids = await due();
    const quick = ids.filter((id) => !slow.has(id));
    for (const id of quick.length > 0 ? quick : [...slow].filter((one) => ids.includes(one)).slice(0, 1)) {
      const startMs = performance.now();
      isMore = (await step(id, 1)) || isMore;
      slow.delete(id);
      if (performance.now() - startMs > SLOW_MS) slow.add(id);
    }
  }
}

async function attempt(deps: WebhookDeps, delivery: WebhookDelivery, signal: AbortSignal): Promise<void> {
  const { bindings, store, deliveries, audit, log, time } = deps;
  const found = await bindings.find(delivery.bindingId);
  const isWanted = found?.active && found.action === WEBHOOK;
  const outcome = isWanted ? await post(deps, found, delivery, signal) : null;
  const update = updateOf(delivery, outcome, time.now().getTime(), deps.random);
  const entry = {
    action: `event ${delivery.event}`,
    success: false,
    identifier: delivery.name,
    info: `webhook ${update.state}: ${update.status ?? update.code}`,
  };
  const isFailed = update.state === "failed";
  await store.commit([
    deliveries.record(delivery, update),
    ...(isFailed ? [audit.row(null, entry, "ifChanged")] : []),
  ]);
  if (!isFailed && (update.state !== "queued" || delivery.attempts > 0)) return;
  log.warning("Webhook {id} of the event binding {name} {state}: {reason}", {
    id: delivery.id,
    name: delivery.name,
    state: isFailed ? "failed" : "deferred",
    reason: update.status ?? update.code,
  });
}

async function post(
  { secrets, http, time }: WebhookDeps,
  { options, sealId, secret, headers }: Binding,
  { id, body: sealedBody }: WebhookDelivery,
  signal: AbortSignal,
): Promise<HttpOutcome> {
  const body = (await secrets.open(webhookDelivery.body, id, sealedBody)).reveal();
  const key = (await secrets.open(bindingTable.secret, sealId, secret)).reveal();
  const own = (await secrets.open(bindingTable.headers, sealId, headers)).reveal();
  const fields = Object.entries(v.parse(headerFields, JSON.parse(own || "{}")));
  const seconds = Math.floor(time.now().getTime() / 1_000);
  return http.post({
    url: new URL(options.url ?? ""),
    headers: {
      "user-agent": "Sealpost",
      ...Object.fromEntries(fields.map(([name, value]) => [name.toLowerCase(), value])),
      "content-type": "application/json",
      ...(await signedHeaders(key, { id, seconds, body })),
    },
    body,
    timeoutMs: ATTEMPT_MS,
    signal,
  });
}

/** @param outcome `null` if the binding no longer asks for the delivery. */
function updateOf(
  { attempts, createdAt }: WebhookDelivery,
  outcome: HttpOutcome | null,
  nowMs: number,
  random: EventsContext["random"],
): DeliveryUpdate {
  if (outcome === null) return { state: "cancelled", status: null, code: "", dueAt: null };
  const { status } = outcome;
  // The status decides, even if the rest of the response was lost.
  if (status !== null && status >= 200 && status < 300)
    return { state: "delivered", status, code: "", dueAt: null };
  const code = outcome.code ?? "";
  const [byte = 0] = random.bytes(1);
  const backoffMs = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * BACKOFF_FACTOR ** attempts);
  const delayMs = Math.max(backoffMs * (1 + (JITTER * byte) / 255), outcome.retryAfterMs ?? 0);
  const dueAt = new Date(nowMs + delayMs);
  const isOld = dueAt.getTime() >= createdAt.getTime() + GIVE_UP_MS;
  // A receiver that asks for more time than a backoff gets no more than a day.
  const isTried = attempts + 1 >= MIN_ATTEMPTS || delayMs > MAX_BACKOFF_MS * (1 + JITTER);
  return status === GONE || (isOld && isTried)
    ? { state: "failed", status, code, dueAt: null }
    : { state: "queued", status, code, dueAt };
}
