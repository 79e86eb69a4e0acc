import { type AuditEntry, auditEntry } from "../../domain/audit.ts";
import { isPending, type QueuedMail, type RecipientProgress } from "../../domain/queued-mail.ts";

/** The actor in audit entries of queue workers. */
export const WORKER = {
  action: "worker",
  administrator: "",
  realm: "",
  client: "",
  policies: "",
  requestId: "",
};

/** Returns the recipients of a final message whose state is to be reported. A cancellation has the audit row of its admin. */
export function unreported(recipients: readonly RecipientProgress[]): readonly RecipientProgress[] {
  return recipients.filter((one) => !isPending(one) && one.state !== "cancelled" && !one.reported);
}

/** Returns the audit entries of those recipients that a message did not reach. */
export function missedEntries(
  { id, identifier }: Pick<QueuedMail, "id" | "identifier">,
  recipients: readonly RecipientProgress[],
  now: Date,
): AuditEntry[] {
  const missed = recipients.filter(({ state }) => state !== "sent");
  return missed.map(({ address, state, failure }) =>
    auditEntry(WORKER, now, {
      success: false,
      identifier,
      recipient: address,
      outcome: state === "unknown" ? "unknown" : "not-sent",
      phase: failure?.phase ?? "",
      info: [state, failure?.code ?? "", id].join(" "),
    }),
  );
}
