import { type FailureCode, type Phase, type Remedy, type SmtpReply, unknownValue } from "./delivery.ts";
import type { HintCode, HintValues } from "./hints/index.ts";

/** Conditions on a reply. An absent field matches every reply. */
export interface ReplyPattern {
  readonly phases?: readonly Phase[];
  /** Reply codes (RFC 5321 4.2.3). */
  readonly codes?: readonly number[];
  /** Whether the first digit is 4. */
  readonly isTemporary?: boolean;
  /** Matches subject and detail of the enhanced status code (RFC 3463 3), such as `7.1`. `0.0` if the reply has none. */
  readonly enhanced?: RegExp;
  /** Matches the text of the reply, with its lines joined by spaces and each address and URL as `@`. */
  readonly words?: RegExp;
}

/** A known reply of a server or provider. It chooses a failure code and a hint, never `retryable` or the outcome. */
export interface KnownReply extends ReplyPattern {
  /** The reply as its documentation has it, or the part that matters. Rows of a provider with a hint have one. */
  readonly sign?: string;
  /** Failure code. If absent, other rules choose it. */
  readonly code?: FailureCode;
  /** If absent, the hint of the failure code is used. */
  readonly hint?: HintCode;
  /** Values that the hint names. */
  readonly hintValues?: HintValues;
  readonly remedy?: Remedy;
}

/** The hint for a known reply. */
export interface KnownHint {
  readonly code: HintCode;
  readonly values: HintValues;
  /** `null` if no single parameter would fix the failure. */
  readonly remedy: Remedy | null;
}

/** Addresses, and URLs other than those of lists of IP addresses: their words say nothing about the reason. */
const ADDRESSES = /\S{0,99}@\S*|http(?!\S*spam)\S*/gi;

/** The texts that patterns match, because all rules read the same one. */
const WORDS = new WeakMap<SmtpReply, string>();

/**
 * Lets the words of a whole reply count for the one that is shown, which is shorter and without secrets: a username may be
 * a word of the reason. They stay in this process. @returns the reply to show.
 */
export function keepWords(shown: SmtpReply, whole: SmtpReply): SmtpReply {
  WORDS.set(shown, wordsOf(whole));
  return shown;
}

/** Returns the text of a reply, whole if it is known, with each address and URL as `@`. */
export function wordsOf(reply: SmtpReply): string {
  const words = WORDS.get(reply) ?? reply.text.replace(ADDRESSES, "@");
  WORDS.set(reply, words);
  return words;
}

/** Whether a reply matches a pattern. */
export function matchesReply(pattern: ReplyPattern, phase: Phase, reply: SmtpReply): boolean {
  const { phases, codes, isTemporary, enhanced, words } = pattern;
  return (
    (phases?.includes(phase) ?? true) &&
    (codes?.includes(reply.code) ?? true) &&
    isTemporary !== reply.code >= 500 &&
    (enhanced?.test(subjectAndDetail(reply)) ?? true) &&
    (words?.test(wordsOf(reply)) ?? true)
  );
}

/** Returns the hint of the first row that matches a reply and its failure code. `null` if there is none. */
export function hintAmong(
  rows: readonly KnownReply[],
  phase: Phase,
  code: FailureCode,
  reply: SmtpReply,
): KnownHint | null {
  const known = rows.find(
    (row) => row.hint && (row.code ?? code) === code && matchesReply(row, phase, reply),
  );
  if (known?.hint === undefined) return null;
  return { code: known.hint, values: known.hintValues ?? {}, remedy: known.remedy ?? null };
}

/** An absent enhanced code reads as X.0.0, "other undefined status" (RFC 3463 3.1). */
function subjectAndDetail({ enhanced }: SmtpReply): string {
  return enhanced === null ? "0.0" : enhanced.slice(enhanced.indexOf(".") + 1);
}

export const AUTH = { phases: ["auth"] } as const;
/** Some servers reject the sender at RCPT or after DATA (Postfix's `smtpd_delay_reject` is on by default). */
export const TRANSACTION = { phases: ["sender", "recipient", "data"] } as const;
export const SENDER = { ...TRANSACTION, code: "sender_rejected" } as const;
export const RECIPIENT = { phases: ["recipient", "data"], code: "recipient_rejected" } as const;
export const LIMITED = { phases: ["auth", "sender", "recipient", "data"], code: "rate_limited" } as const;
export const REFUSED = { ...TRANSACTION, code: "refused" } as const;

export const OWN_ADDRESS = unknownValue("sender");
export const PASSWORD = unknownValue("password");
