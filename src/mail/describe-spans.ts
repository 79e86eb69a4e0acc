import { type Failure, PHASES, type Receipt } from "../domain/delivery.ts";
import { recipientsOf } from "../domain/mailbox.ts";
import type { RecipientProgress } from "../domain/queued-mail.ts";
import type { ResolvedServer } from "../domain/smtp-server.ts";
import type { MailRow } from "../storage/outbox.ts";
import { modeLabel, serverLabel, UNSAVED } from "../telemetry/meter.ts";
import type { Attributes, Span, SpanStep } from "../telemetry/tracer.ts";
import type { DeliverableMail } from "./deliver.ts";
import type { Submission, SubmitResult } from "./submission.ts";

// Names are those of the semantic conventions of OpenTelemetry for messaging, and `sealpost.…` where they have none.

/** A delivery that takes longer than this shows its phases even if it succeeds. */
const SLOW_MS = 1_000;

/** Describes a delivery. Its phases are steps if it failed or is slow. */
export function describeDelivery(
  span: Span,
  { server, recipients }: DeliverableMail,
  receipts: readonly Receipt[],
): void {
  const { protocol, host, port } = server;
  span.set({
    "messaging.system": protocol ?? "smtp",
    "messaging.operation.name": "deliver",
    "messaging.operation.type": "send",
    "messaging.destination.name": serverLabel(server),
    // The host of a mail API is its provider's; `host` is a tenant or a region.
    ...(protocol === undefined && {
      "network.protocol.name": "smtp",
      "server.address": host,
      "server.port": port,
    }),
    "sealpost.recipients": recipients.length,
    "sealpost.round_trips": Math.max(0, ...receipts.map(({ roundTrips }) => roundTrips)),
    "sealpost.warm": receipts.every(({ roundTrips, timingMs }) => roundTrips > 0 && !("connect" in timingMs)),
  });
  const failed = new Map<string, Receipt>();
  for (const receipt of receipts) {
    if (receipt.successful) continue;
    const { phase, code } = receipt.failure;
    if (failed.size === 0) describeFailure(span, receipt.failure);
    // Recipients that fail alike show it once.
    const kind = `${phase} ${code}`;
    if (!failed.has(kind)) failed.set(kind, receipt);
  }
  for (const receipt of failed.values()) span.addSteps(stepsOf(receipt));
  const [slowest] = receipts
    .filter((one) => one.successful)
    .sort((one, other) => totalMs(other) - totalMs(one));
  if (slowest !== undefined && totalMs(slowest) > SLOW_MS) span.addSteps(stepsOf(slowest));
}

/** Describes the building of a message for the queue. */
export function describeCreation(
  span: Span,
  server: ResolvedServer,
  result: Exclude<SubmitResult, { state: "delivered" }>,
): void {
  span.set({
    "messaging.system": server.protocol ?? "smtp",
    "messaging.operation.name": "create",
    "messaging.operation.type": "create",
    "messaging.destination.name": serverLabel(server),
    ...(result.state === "queued" && { "messaging.message.id": result.mailId }),
  });
  if (result.state === "failed") describeFailure(span, result.failure);
}

/** An attempt of a queued message. */
interface Attempt {
  readonly row: Pick<MailRow, "id" | "queueName">;
  /** `null` if the attempt ended before its server was known. */
  readonly server: Pick<ResolvedServer, "protocol"> | null;
  /** The first recipient, as it was before. */
  readonly recipient: RecipientProgress;
  readonly received: readonly { readonly receipt: Receipt }[];
}

/** Describes an attempt of a queued message. */
export function describeAttempt(span: Span, { row, server, recipient, received }: Attempt): void {
  const { id, queueName } = row;
  span.set({
    "messaging.system": server?.protocol ?? "smtp",
    "messaging.operation.name": "process",
    "messaging.operation.type": "process",
    "messaging.destination.name": queueName === "" ? UNSAVED : queueName,
    "messaging.message.id": id,
    "sealpost.attempt": recipient.attempts + 1,
    "sealpost.recipients": received.length,
  });
  for (const { receipt } of received) {
    if (receipt.successful) continue;
    describeFailure(span, receipt.failure);
    return;
  }
}

/** Describes the submission of several messages. */
export function describeBatch(span: Span, messages: number): void {
  span.set({
    "messaging.operation.name": "submit",
    "messaging.batch.message_count": messages,
    "sealpost.mode": "queued",
  });
}

/** Describes what a submission has become. */
export function describeSubmission(
  span: Span,
  { submitter, message }: Pick<Submission, "submitter" | "message">,
  result: SubmitResult,
): void {
  span.set({
    "messaging.operation.name": "submit",
    "sealpost.mode": result.state === "queued" ? "queued" : modeLabel(submitter),
    "sealpost.state": result.state,
    "sealpost.recipients": recipientsOf(message).length,
    ...(result.mailId !== undefined && { "messaging.message.id": result.mailId }),
  });
  if (result.state === "failed") describeFailure(span, result.failure);
}

function describeFailure(span: Span, { phase, code, outcome, reply, isHttp }: Failure): void {
  span.fail(code);
  span.set({
    "sealpost.phase": phase,
    "sealpost.outcome": outcome,
    ...replyAttributes(reply, isHttp === true),
  });
}

/** The text of a reply may have an address, so only its numbers are shown. */
function replyAttributes(reply: Failure["reply"], isHttp: boolean): Attributes {
  if (reply === null) return {};
  if (isHttp) return { "http.response.status_code": reply.code };
  return {
    "sealpost.smtp.reply_code": reply.code,
    ...(reply.enhanced !== null && { "sealpost.smtp.enhanced": reply.enhanced }),
  };
}

/** Returns the phases in order. The one that failed may have taken no time. */
function stepsOf(receipt: Receipt): readonly SpanStep[] {
  const { timingMs } = receipt;
  const failure = receipt.successful ? null : receipt.failure;
  return PHASES.filter((phase) => phase in timingMs || phase === failure?.phase).map((phase) => ({
    name: phase,
    durationMs: timingMs[phase] ?? 0,
    ...(failure?.phase === phase && { errorType: failure.code }),
  }));
}

function totalMs({ timingMs }: Receipt): number {
  return Object.values(timingMs).reduce((sum, ms) => sum + ms, 0);
}
