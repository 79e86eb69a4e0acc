import type { Failure, Phase } from "../../domain/delivery.ts";
import { wordsOf } from "../../domain/known-reply.ts";
import { endsSession } from "../../smtp/failures.ts";
import { knownHint } from "../../smtp/provider-replies.ts";
import type { SmtpConnection } from "./connection.ts";

// The failures after which a delivery goes on with another connection.

/** Replies to part of a command line, or to a command without the ones before it. */
const DROPPED_REPLIES: readonly number[] = [500, 501, 502, 503];
/** After this many messages, some relays reject MAIL by another code than 421, until there is a new connection. */
const MANY_MESSAGES = 100;
/** Microsoft 365 sends it at AUTH, RCPT and after DATA for more connections at a time than it allows. */
const CONNECTION_LIMIT = 432;
/** Replies to a surplus connection. For 421, see RFC 5321 3.8. */
const LIMIT_REPLIES: readonly number[] = [421, CONNECTION_LIMIT];
/** RFC 3463 X.7.x: the server's policy. */
const POLICY = /^\d\.7\./;
/** Words for reasons of 421 other than the number of connections. */
const OTHER_REASONS = /\b(auth|log-?in|password|block|black|bann|denied|reputation|spam|abus)/i;
const OPENING_PHASES: readonly Phase[] = ["greeting", "ehlo", "starttls", "auth"];

/** Whether the server dropped, or cut, prepared commands, which RFC 2920 3.2 forbids. It accepted nothing. */
export function isDrop({ phase, code, reply }: Failure): boolean {
  if (phase !== "sender") return false;
  return code !== "cancelled" && (reply === null || DROPPED_REPLIES.includes(reply.code));
}

/** Whether to send the message by DATA: the server rejects BDAT, and accepted nothing. */
export function rejectsBdat({ outcome }: Failure, { learned }: SmtpConnection): boolean {
  return learned.rejectsBdat && outcome === "not-sent";
}

/**
 * Whether the server takes no more messages on a connection that was kept for the next one. It accepted nothing, so sending on
 * a new connection is safe.
 */
export function isSpent(failure: Failure, { messages }: SmtpConnection): boolean {
  if (failure.outcome === "unknown") return false;
  const { phase, code, reply, retryable } = failure;
  if (code === "closed" || endsSession(failure)) return true;
  return phase === "sender" && reply !== null && retryable && messages > MANY_MESSAGES;
}

/** Whether the server takes no further connection now, and has accepted nothing on this one. */
export function isServerLimit({ outcome, phase, code, reply }: Failure): boolean {
  if (outcome === "unknown") return false;
  if (OPENING_PHASES.includes(phase)) return code === "rate_limited";
  // Other rejections may concern the sender, the recipient, or the number of messages.
  return reply?.code === CONNECTION_LIMIT || (phase === "sender" && reply?.code === 421);
}

/**
 * Whether the reply may mean that another connection has to be closed first. After AUTH, only 432 does: servers count the
 * logins that fail. Known words decide before the enhanced code, because Postfix sends 4.7.0 for too many connections.
 */
export function isConnectionLimit({ phase, code, reply }: Failure): boolean {
  if (reply === null || code !== "rate_limited" || !LIMIT_REPLIES.includes(reply.code)) return false;
  if (phase === "auth" && reply.code === 421) return false;
  const hint = knownHint(phase, code, reply, null);
  if (hint !== null) return hint.remedy?.parameter === "max_connections";
  return !POLICY.test(reply.enhanced ?? "") && !OTHER_REASONS.test(wordsOf(reply));
}

/** Whether an address that connected does not serve now: its greeting is 421 or missing, or its TLS handshake does not end. */
export function isUnserved({ phase, code, reply }: Failure): boolean {
  if (phase === "greeting" && reply?.code === 421) return true;
  return (phase === "greeting" || phase === "connect") && (code === "timeout" || code === "closed");
}
