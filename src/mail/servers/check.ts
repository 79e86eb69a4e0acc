import type { Database } from "../../contracts/database.ts";
import type { Platform } from "../../contracts/platform.ts";
import { type AuditActor, type AuditEntry, auditEntry } from "../../domain/audit.ts";
import { CHECKPOINTS, type Checkpoint, notAttempted, notSent, type Receipt } from "../../domain/delivery.ts";
import { type Mailbox, senderOf } from "../../domain/mailbox.ts";
import type { ResolvedServer } from "../../domain/smtp-server.ts";
import { invalidParameter } from "../../errors.ts";
import type { AuditRepository } from "../../storage/audit-log.ts";
import type { Circuit } from "../circuit.ts";
import type { Deliver } from "../deliver.ts";

/** The extent of a check. */
export interface ServerCheck {
  readonly until: Checkpoint;
  /** Needed for a check until `recipient`; otherwise it may be `null`. */
  readonly recipient: Mailbox | null;
}

export interface CheckResult extends ServerCheck {
  readonly receipt: Receipt;
}

export type CheckServer = (
  server: ResolvedServer,
  check: ServerCheck,
  actor: AuditActor,
  signal: AbortSignal,
) => Promise<CheckResult>;

/** A check writes no message, but the transport requires bytes that end in CRLF. */
const NO_MESSAGE = new TextEncoder().encode("\r\n");
/** Recipient of a check that ends before RCPT. It is never written, and valid without a domain (RFC 5321 4.5.1). */
const NO_RECIPIENT = "postmaster";

/**
 * Creates what checks a server up to a checkpoint and sends nothing: no message is composed, signed or queued. A check
 * uses the same `deliver` as messages do, counts for the circuit of a stored definition, and writes one audit entry.
 */
export function createCheckServer(deps: {
  readonly deliver: Deliver;
  readonly circuit: Pick<Circuit, "observe" | "observeLogin">;
  readonly database: Database;
  readonly audit: AuditRepository;
  readonly platform: Pick<Platform, "now">;
}): CheckServer {
  const { deliver, circuit, database, audit, platform } = deps;

  async function run(
    server: ResolvedServer,
    { until, recipient }: ServerCheck,
    signal: AbortSignal,
  ): Promise<Receipt> {
    if (until === "oauth" && !server.tokens) {
      throw invalidParameter("until", "oauth is for definitions that log in with OAuth");
    }
    if (server.protocol !== undefined && reaches(until, "sender")) {
      throw invalidParameter(
        "until",
        "expected oauth, connect, tls or auth: a mail API checks the rest only when it sends",
      );
    }
    const from = senderOf(server)?.address;
    if (from === undefined && reaches(until, "sender")) {
      return notAttempted(notSent("sender", "sender_missing"));
    }
    const recipients = [recipient?.address ?? NO_RECIPIENT];
    const delivery = { server, from: from ?? "", recipients, bytes: NO_MESSAGE };
    const [result] = await deliver(delivery, { signal, until, showsRejectedChain: true });
    if (result === undefined) throw new TypeError("A delivery to one recipient has one result");
    await observe(server, until, result.receipt);
    return result.receipt;
  }

  async function observe(server: ResolvedServer, until: Checkpoint, receipt: Receipt): Promise<void> {
    if (server.poolKey === null) return;
    if (!receipt.successful) await circuit.observe(server.identifier, receipt.failure);
    else if (isPastLogin(server, until)) await circuit.observeLogin(server.identifier);
  }

  return async (server, check, actor, signal) => {
    const result = { ...check, receipt: await run(server, check, signal) };
    await database.append(audit.insert(checkEntry(server, result, actor, platform.now())));
    return result;
  };
}

function reaches(until: Checkpoint, point: Checkpoint): boolean {
  return CHECKPOINTS.indexOf(until) >= CHECKPOINTS.indexOf(point);
}

/** A circuit opens for failures up to the login, so a check that ends before it proves no recovery. */
function isPastLogin({ username, security }: ResolvedServer, until: Checkpoint): boolean {
  if (username !== "") return reaches(until, "auth");
  return reaches(until, security === "starttls" ? "tls" : "connect");
}

function checkEntry(
  { identifier }: ResolvedServer,
  { until, recipient, receipt }: CheckResult,
  actor: AuditActor,
  date: Date,
): AuditEntry {
  const failure = receipt.successful ? null : receipt.failure;
  const check = `check until ${until}`;
  return auditEntry(actor, date, {
    success: receipt.successful,
    identifier,
    recipient: until === "recipient" ? (recipient?.address ?? "") : "",
    outcome: "not-sent",
    phase: failure?.phase ?? "",
    info: failure ? `${failure.code}; ${check}` : check,
  });
}
