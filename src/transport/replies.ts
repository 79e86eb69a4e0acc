import { type Failure, type FailureCode, notSent, type Phase, type SmtpReply } from "../domain/delivery.ts";
import type { RawReply } from "./reply-reader.ts";

const TEXT_CHARACTERS = 500;

// RFC 2034 4: class, subject and detail at the start of the text.
const ENHANCED = /^([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)/;
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]+/gu;

/** Makes a reply fit to be shown: secrets out, controls replaced, at most 500 characters. */
export function presentReply(raw: RawReply, redact: (text: string) => string): SmtpReply {
  const enhanced = ENHANCED.exec(raw.lines[0] ?? "")?.[1] ?? null;
  const lines = enhanced === null ? raw.lines : raw.lines.map((line) => line.replace(ENHANCED, ""));
  const text = redact(lines.join(" ")).replace(UNPRINTABLE, " ").trim();
  return { code: raw.code, enhanced, text: Array.from(text).slice(0, TEXT_CHARACTERS).join("") };
}

interface Rule {
  readonly phases: readonly Phase[];
  /** Codes of RFC 5321 4.2.3; absent: any 4xx or 5xx. */
  readonly codes?: readonly number[];
  /** Subject and detail of RFC 3463 3; absent: any or none. */
  readonly enhanced?: RegExp;
  readonly code: FailureCode;
}

const TRANSACTION = ["sender", "recipient", "data"] as const;
/** Replies that ask for later rather than for something else. */
const LATER = [421, 450, 451, 452] as const;

/** THE reply table: the first rule that fits names the failure. Words in a text never do. */
const RULES: readonly Rule[] = [
  { phases: ["starttls"], code: "tls_not_offered" },
  // RFC 3463 X.4.5 congestion, X.5.3 too many recipients, X.7.x security and policy.
  {
    phases: ["greeting", "ehlo", ...TRANSACTION],
    codes: LATER,
    enhanced: /^(4\.5|3\.2|5\.3|7\.\d+)$/,
    code: "rate_limited",
  },
  { phases: ["greeting", "ehlo"], code: "refused" },
  { phases: ["auth"], codes: [421], code: "rate_limited" },
  { phases: ["auth"], code: "auth_rejected" },
  // X.3.4 too big for the system, X.2.3 too long for the mailbox.
  { phases: TRANSACTION, enhanced: /^(3\.4|2\.3)$/, code: "too_large" },
  // 552 stands for a full mailbox too (RFC 5321 4.2.3), which its enhanced code then says.
  { phases: TRANSACTION, codes: [552], enhanced: /^(?!2\.)/, code: "too_large" },
  // A server may judge the sender at RCPT or later: X.1.7 and X.1.8 bad sender.
  { phases: TRANSACTION, enhanced: /^1\.[78]$/, code: "sender_rejected" },
  { phases: ["sender"], code: "sender_rejected" },
  { phases: ["recipient"], code: "recipient_rejected" },
  // X.1.x and X.2.x are about the address and the mailbox of the recipient.
  { phases: ["data"], enhanced: /^[12]\./, code: "recipient_rejected" },
  { phases: ["data"], codes: [421], code: "rate_limited" },
  { phases: ["data"], code: "content_rejected" },
];

/**
 * What a 4xx or 5xx means. Whether a later try may succeed is the first digit (RFC 5321 4.2.1), also where the
 * enhanced code says otherwise.
 */
export function replyFailure(phase: Phase, reply: SmtpReply): Failure {
  // An absent enhanced code reads as X.0.0 "other undefined status" (RFC 3463 3.1).
  const detail = reply.enhanced === null ? "0.0" : reply.enhanced.slice(2);
  const rule = RULES.find(
    ({ phases, codes, enhanced }) =>
      phases.includes(phase) && (codes?.includes(reply.code) ?? true) && (enhanced?.test(detail) ?? true),
  );
  return notSent(phase, rule?.code ?? "protocol", reply);
}
