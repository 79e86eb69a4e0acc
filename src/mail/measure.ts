import type { Receipt } from "../domain/delivery.ts";
import { PHASES } from "../domain/delivery.ts";
import { recipientsOf } from "../domain/mailbox.ts";
import type { ResolvedServer } from "../domain/smtp-server.ts";
import type { MailUpdate } from "../storage/outbox.ts";
import { type Meter, modeLabel, serverLabel, UNSAVED } from "../telemetry/meter.ts";
import type { Tracer } from "../telemetry/tracer.ts";
import type { Deliver } from "./deliver.ts";
import { unreported } from "./queue/final-report.ts";
import type { Submission, SubmitResult } from "./submission.ts";

/**
 * Returns the same function with a measurement and a span of each delivery. A check sends nothing, so it has neither.
 */
export function measureDeliveries(
  deliver: Deliver,
  { meter, tracer }: { readonly meter: Meter; readonly tracer: Tracer },
): Deliver {
  return (mail, options) => {
    if (options.until !== undefined) return deliver(mail, options);
    return tracer.run("deliver", async (span) => {
      const results = await deliver(mail, options);
      const server = serverLabel(mail.server);
      // Recipients may share a receipt, which is one delivery.
      const receipts = [...new Set(results.map((one) => one.receipt))];
      for (const receipt of receipts) measure(server, receipt, meter);
      if (span !== null) (await import("./describe-spans.ts")).describeDelivery(span, mail, receipts);
      return results;
    });
  };
}

function measure(server: string, { timingMs, roundTrips, ...result }: Receipt, meter: Meter): void {
  let totalMs = 0;
  for (const phase of PHASES) {
    const ms = timingMs[phase];
    if (ms === undefined) continue;
    totalMs += ms;
    meter.observe("sealpost_phase_duration_seconds", ms / 1_000, { server, phase });
  }
  if (totalMs > 0) meter.observe("sealpost_mail_duration_seconds", totalMs / 1_000, { server });
  if (roundTrips > 0) {
    meter.observe("sealpost_round_trips", roundTrips, { server });
    const kind = "connect" in timingMs ? "cold" : "warm";
    meter.count("sealpost_connections_total", { server, kind });
  }
  if (result.successful) return;
  const { phase, code } = result.failure;
  meter.count("sealpost_phase_failures_total", { server, phase, code });
}

/** Counts the recipients of a message that was sent while its caller waited. */
export function countInline(
  candidates: readonly (string | ResolvedServer)[],
  { submitter, message }: Submission,
  result: Exclude<SubmitResult, { state: "queued" }>,
  meter: Meter,
): void {
  const mode = modeLabel(submitter);
  const isUnknown = result.state === "failed" && result.failure.code === "server_unknown";
  const used = candidates.find((one) => typeof one !== "string" && one.identifier === result.identifier);
  const server = isUnknown ? UNSAVED : typeof used === "object" ? serverLabel(used) : result.identifier;
  const count = (name: string) => meter.count("sealpost_mails_total", { server, mode, result: name });
  if (result.state === "failed" && result.recipients.length === 0)
    for (const _ of recipientsOf(message)) count("failed");
  for (const { receipt } of result.recipients) count(receipt.successful ? "sent" : missed(receipt.failure));
}

function missed({ outcome }: { readonly outcome: "not-sent" | "unknown" }): "failed" | "unknown" {
  return outcome === "unknown" ? "unknown" : "failed";
}

/** Counts the recorded attempts of a queued message, and the recipients whose message expired. */
export function countQueued(isStored: boolean, update: MailUpdate, meter: Meter): void {
  const count = (name: string, result: string) =>
    meter.count("sealpost_mails_total", { server: isStored ? name : UNSAVED, mode: "queued", result });
  for (const { identifier, outcome, decision } of update.attempts) {
    if (outcome === "sent") count(identifier, "sent");
    else if (decision !== "ended") count(identifier, "deferred");
    else count(identifier, outcome === "not-sent" ? "failed" : "unknown");
  }
  if (update.dueAt !== null) return;
  for (const { state } of unreported(update.recipients))
    if (state === "expired") count(update.identifier, "failed");
}
