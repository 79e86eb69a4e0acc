import { describe, expect, test } from "bun:test";
import type { Failure, FailureCode, Phase, Receipt, SmtpReply } from "../../src/domain/delivery.ts";
import type { MailAttempt, RecipientProgress } from "../../src/domain/queued-mail.ts";
import {
  afterTry,
  afterUnknown,
  isServerDown,
  namedDelayMs,
  type RetryContext,
  retryDelayMs,
} from "../../src/mail/retry.ts";
import { ACCEPTED, failed } from "../fixtures/receipts.ts";

const NOW = Date.UTC(2026, 5, 1, 12);
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const CONTEXT: RetryContext = {
  now: NOW,
  giveUpAt: NOW + DAY_MS,
  expiresAt: null,
  onUnknown: "repeat",
  random: 1,
  hasNextServer: false,
};
const BEFORE: RecipientProgress = {
  address: "user@example.net",
  state: "queued",
  attempts: 0,
  dueAt: NOW,
  failure: null,
};
const reply = (code: number, text = ""): SmtpReply => ({ code, enhanced: null, text });
const failure = (phase: Phase, code: FailureCode, more: Partial<Failure> = {}): Failure =>
  ({ phase, code, reply: null, outcome: "not-sent", retryable: true, ...more }) as Failure;
const receipt = (given: Failure | null): Receipt => (given === null ? ACCEPTED : failed(given));
const GREYLISTED = failure("recipient", "recipient_rejected", { reply: reply(451) });
const UNKNOWN = failure("data", "closed", { outcome: "unknown", retryable: false });

describe("retryDelayMs()", () => {
  test.each([
    [1, 5_000],
    [2, 10_000],
    [3, 20_000],
    [10, 2_560_000],
    [11, HOUR_MS],
    [500, HOUR_MS],
  ])("after %d tries is at most %d ms", (attempts, longestMs) => {
    expect(retryDelayMs(attempts, 1)).toBe(longestMs);
    expect(retryDelayMs(attempts, 0.25)).toBe(longestMs / 4);
    expect(retryDelayMs(attempts, 0)).toBe(0);
  });
});

describe("namedDelayMs()", () => {
  test.each([
    ["Greylisted, try again in 5 minutes", 300_000],
    ["4.7.1 Please try again in 300 seconds.", 300_000],
    ["Greylisting in action, please come back in 00:04:59", 299_000],
    ["Come back after 1 hour", HOUR_MS],
    ["Please wait 90s", 90_000],
    ["Deferred for about 2 min", 120_000],
    ["TRY AGAIN IN 01:00:00", HOUR_MS],
  ])("finds the delay in %j", (text, delayMs) => {
    expect(namedDelayMs(reply(451, text))).toBe(delayMs);
  });

  test.each(["Try again later", "Error 300 in 5 lines", "in -5 seconds", "see in12seconds", ""])(
    "finds none in %j",
    (text) => {
      expect(namedDelayMs(reply(450, text))).toBeNull();
    },
  );

  test("reads replies only that say not now", () => {
    expect(namedDelayMs(reply(550, "try again in 5 minutes"))).toBeNull();
    expect(namedDelayMs(reply(250, "try again in 5 minutes"))).toBeNull();
    expect(namedDelayMs(null)).toBeNull();
  });
});

describe("isServerDown()", () => {
  test.each([
    ["dns", "dns_not_found", true],
    ["connect", "refused", true],
    ["greeting", "closed", true],
    ["certificate", "cert_untrusted", true],
    ["auth", "auth_rejected", true],
    ["policy", "server_unknown", true],
    ["policy", "egress_denied", false],
    ["sender", "sender_rejected", false],
    ["recipient", "recipient_rejected", false],
    ["data", "content_rejected", false],
    ["sign", "sign_expired", false],
    ["connect", "cancelled", false],
  ] as const)("in phase %s with code %s: %p", (phase, code, isDown) => {
    expect(isServerDown(failure(phase, code))).toBe(isDown);
  });

  test("is false for a mail that may have been taken", () => {
    expect(isServerDown(failure("auth", "closed", { outcome: "unknown", retryable: false }))).toBe(false);
  });
});

describe("afterTry()", () => {
  interface Row {
    readonly what: string;
    readonly given: Failure | null;
    readonly context?: Partial<RetryContext>;
    readonly before?: Partial<RecipientProgress>;
    readonly leads: {
      readonly state: RecipientProgress["state"];
      readonly attempts: number;
      /** From now; null: never. */
      readonly inMs: number | null;
      readonly decision: MailAttempt["decision"];
      readonly outcome: MailAttempt["outcome"];
    };
  }
  const permanent = failure("recipient", "recipient_rejected", { retryable: false, reply: reply(550) });
  const down = failure("connect", "refused");
  const retry = { state: "deferred", decision: "retry", outcome: "not-sent" } as const;
  const end = { inMs: null, decision: "ended" } as const;
  const named = (text: string) => failure("recipient", "rate_limited", { reply: reply(450, text) });
  const TABLE: readonly Row[] = [
    {
      what: "a mail that was taken has been sent",
      given: null,
      leads: { ...end, state: "sent", attempts: 1, outcome: "sent" },
    },
    {
      what: "a temporary failure is tried again after 5 s at most",
      given: GREYLISTED,
      leads: { ...retry, attempts: 1, inMs: 5_000 },
    },
    {
      what: "the wait is a random share",
      given: GREYLISTED,
      context: { random: 0.5 },
      leads: { ...retry, attempts: 1, inMs: 2_500 },
    },
    {
      what: "the wait doubles",
      given: GREYLISTED,
      before: { attempts: 3, state: "deferred" },
      leads: { ...retry, attempts: 4, inMs: 40_000 },
    },
    {
      what: "an hour is the longest wait",
      given: GREYLISTED,
      before: { attempts: 40, state: "deferred" },
      leads: { ...retry, attempts: 41, inMs: HOUR_MS },
    },
    {
      what: "a delay that the server names is honoured",
      given: named("try again in 5 minutes"),
      leads: { ...retry, attempts: 1, inMs: 300_000 },
    },
    {
      what: "a delay that the server names does not make the waits shorter",
      given: named("try again in 0 seconds"),
      before: { attempts: 9, state: "deferred" },
      leads: { ...retry, attempts: 10, inMs: 2_560_000 },
    },
    {
      what: "a permanent failure stops at once",
      given: permanent,
      leads: { ...end, state: "failed", attempts: 1, outcome: "not-sent" },
    },
    {
      what: "a next try that would come too late is not waited for",
      given: named("try again in 25 hours"),
      leads: { ...end, state: "failed", attempts: 1, outcome: "not-sent" },
    },
    {
      what: "nor one after the mail has lost its use",
      given: named("try again in 5 minutes"),
      context: { giveUpAt: NOW + 60_000, expiresAt: NOW + 60_000 },
      leads: { ...end, state: "expired", attempts: 1, outcome: "not-sent" },
    },
    {
      what: "a mail of unknown fate is repeated",
      given: UNKNOWN,
      leads: { state: "deferred", attempts: 1, inMs: 5_000, decision: "repeat", outcome: "unknown" },
    },
    {
      what: "or stopped",
      given: UNKNOWN,
      context: { onUnknown: "stop" },
      leads: { ...end, state: "unknown", attempts: 1, outcome: "unknown" },
    },
    {
      what: "a mail of unknown fate that cannot be repeated in time stays so",
      given: UNKNOWN,
      context: { giveUpAt: NOW + 1_000 },
      leads: { ...end, state: "unknown", attempts: 1, outcome: "unknown" },
    },
    {
      what: "a mail of unknown fate does not go to the next server",
      given: UNKNOWN,
      context: { hasNextServer: true },
      leads: { state: "deferred", attempts: 1, inMs: 5_000, decision: "repeat", outcome: "unknown" },
    },
    {
      what: "a stop of ours is no try",
      given: failure("connect", "cancelled"),
      leads: { state: "queued", attempts: 0, inMs: 0, decision: "retry", outcome: "not-sent" },
    },
    {
      what: "a stop of ours in the middle of several tries is none either",
      given: failure("connect", "cancelled"),
      before: { attempts: 2, state: "deferred" },
      context: { hasNextServer: true },
      leads: { ...retry, attempts: 2, inMs: 0 },
    },
    {
      what: "a server that is down makes way for the next one at once",
      given: down,
      context: { hasNextServer: true },
      leads: { state: "deferred", attempts: 1, inMs: 0, decision: "next-server", outcome: "not-sent" },
    },
    {
      what: "also if it will stay so",
      given: failure("auth", "auth_rejected", { retryable: false }),
      context: { hasNextServer: true },
      leads: { state: "deferred", attempts: 1, inMs: 0, decision: "next-server", outcome: "not-sent" },
    },
    {
      what: "a refused recipient is refused, whatever servers there are",
      given: permanent,
      context: { hasNextServer: true },
      leads: { ...end, state: "failed", attempts: 1, outcome: "not-sent" },
    },
    {
      what: "the last server is tried again",
      given: down,
      leads: { ...retry, attempts: 1, inMs: 5_000 },
    },
  ];

  test.each(TABLE)("$what", ({ given, context, before, leads }) => {
    const after = afterTry({ ...BEFORE, ...before }, receipt(given), { ...CONTEXT, ...context });
    const { state, attempts, dueAt, failure: kept } = after.progress;
    const inMs = dueAt === null ? null : dueAt - NOW;
    const { decision, outcome } = after;
    expect({ state, attempts, inMs, decision, outcome }).toEqual(leads);
    expect(kept).toEqual(given);
  });
});

describe("afterUnknown()", () => {
  test("repeats a mail whose sender was lost at once", () => {
    expect(afterUnknown(BEFORE, "lost", CONTEXT)).toMatchObject({
      outcome: "lost",
      decision: "repeat",
      progress: { dueAt: NOW, state: "queued" },
    });
  });

  test("ends it where it must not go twice", () => {
    expect(afterUnknown(BEFORE, "lost", { ...CONTEXT, onUnknown: "stop" })).toMatchObject({
      outcome: "lost",
      decision: "ended",
      progress: { state: "unknown", dueAt: null },
    });
  });
});
