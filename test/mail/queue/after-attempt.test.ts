import { describe, expect, test } from "bun:test";
import {
  type Failure,
  noConnection,
  notSent,
  type Receipt,
  type SmtpReply,
  unknownOutcome,
} from "../../../src/domain/delivery.ts";
import type { MailAttempt, RecipientProgress } from "../../../src/domain/queued-mail.ts";
import {
  type AttemptContext,
  afterAttempt,
  afterUnknown,
  failsOver,
  stateAtEnd,
} from "../../../src/mail/queue/after-attempt.ts";
import { ACCEPTED, failed } from "../../fixtures/receipts.ts";

const NOW = Date.UTC(2026, 5, 1, 12);
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const CONTEXT: AttemptContext = {
  now: NOW,
  createdAt: NOW,
  giveUpAt: NOW + DAY_MS,
  expiresAt: null,
  onUnknown: "repeat",
  random: 1,
  hasNextServer: false,
  hasOneServer: true,
  hasCircuit: true,
};
const BEFORE: RecipientProgress = {
  address: "user@example.net",
  state: "queued",
  attempts: 0,
  dueAt: NOW,
  failure: null,
};
const reply = (code: number, text = ""): SmtpReply => ({ code, enhanced: null, text });
const receipt = (given: Failure | null): Receipt => (given === null ? ACCEPTED : failed(given));
const GREYLISTED = notSent("recipient", "recipient_rejected", reply(451));
const UNKNOWN = unknownOutcome("closed");

describe("failsOver()", () => {
  test.each([
    ["policy", "egress_denied", true],
    ["policy", "server_unknown", true],
    ["sign", "sign_expired", true],
    ["dns", "dns_not_found", true],
    ["connect", "refused", true],
    ["greeting", "closed", true],
    ["greeting", "rate_limited", true],
    ["certificate", "cert_untrusted", true],
    ["auth", "auth_rejected", true],
    ["sender", "sender_missing", true],
    ["sender", "sender_rejected", true],
    ["sender", "auth_required", true],
    ["sender", "unsupported_here", true],
    ["data", "timeout", true],
    ["sender", "rate_limited", false],
    ["data", "rate_limited", false],
    ["recipient", "recipient_rejected", false],
    ["data", "content_rejected", false],
    ["data", "too_large", false],
    ["recipient", "unsupported_here", false],
    ["connect", "cancelled", false],
  ] as const)("in phase %s with code %s: %p", (phase, code, expected) => {
    expect(failsOver(notSent(phase, code))).toBe(expected);
  });

  test.each([
    ["a 421 to the recipient is not", "recipient", "closed", 421, false],
    ["a 421 to the greeting is", "greeting", "closed", 421, true],
    ["a 530 to the recipient is", "recipient", "recipient_rejected", 530, true],
  ] as const)("%s a reason", (_, phase, code, number, expected) => {
    expect(failsOver(notSent(phase, code, reply(number)))).toBe(expected);
  });

  test("is false for a message that may have been accepted", () => {
    expect(failsOver(unknownOutcome("closed"))).toBe(false);
  });
});

describe("afterAttempt()", () => {
  interface Row {
    readonly what: string;
    readonly given: Failure | null;
    readonly context?: Partial<AttemptContext>;
    readonly before?: Partial<RecipientProgress>;
    readonly leads: {
      readonly state: RecipientProgress["state"];
      readonly attempts: number;
      /** Time from now. `null` means never. */
      readonly inMs: number | null;
      readonly decision: MailAttempt["decision"];
      readonly outcome: MailAttempt["outcome"];
    };
  }
  const permanent = notSent("recipient", "recipient_rejected", reply(550));
  const down = notSent("connect", "refused");
  const retry = { state: "deferred", decision: "retry", outcome: "not-sent" } as const;
  const end = { inMs: null, decision: "ended" } as const;
  const named = (text: string) => notSent("recipient", "rate_limited", reply(450, text));
  const TABLE: readonly Row[] = [
    {
      what: "a mail that was taken has been sent",
      given: null,
      leads: { ...end, state: "sent", attempts: 1, outcome: "sent" },
    },
    {
      what: "a transient failure is attempted again after at most 5 s",
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
      what: "a delay that the server names is kept, with a quarter and 15 s to spread the messages",
      given: named("try again in 5 minutes"),
      leads: { ...retry, attempts: 1, inMs: 390_000 },
    },
    {
      what: "no attempt is before it",
      given: named("try again in 5 minutes"),
      context: { random: 0 },
      leads: { ...retry, attempts: 1, inMs: 300_000 },
    },
    {
      what: "a delay is read from the greeting",
      given: notSent("greeting", "rate_limited", reply(421, "try again in 10 minutes")),
      context: { random: 0 },
      leads: { ...retry, attempts: 1, inMs: 600_000 },
    },
    {
      what: "a permanent failure of the message is final",
      given: permanent,
      leads: { ...end, state: "failed", attempts: 1, outcome: "not-sent" },
    },
    {
      what: "so is a message that is too large for the server, which needs no reply to know it",
      given: notSent("sender", "too_large"),
      leads: { ...end, state: "failed", attempts: 1, outcome: "not-sent" },
    },
    {
      what: "a definition that was deleted is final",
      given: notSent("policy", "server_unknown"),
      leads: { ...end, state: "failed", attempts: 1, outcome: "not-sent" },
    },
    ...(
      [
        ["dns", "dns_not_found"],
        ["greeting", "closed"],
        ["starttls", "tls_not_offered"],
        ["certificate", "cert_untrusted"],
        ["certificate", "cert_expired"],
        ["policy", "egress_denied"],
        ["connect", "unsupported_here"],
      ] as const
    ).map(
      ([phase, code]): Row => ({
        what: `a message waits after ${code}, as long as a probe would`,
        given: notSent(phase, code),
        before: { attempts: 9, state: "deferred" },
        leads: { ...retry, attempts: 10, inMs: 30_000 },
      }),
    ),
    ...(
      [
        ["auth", "auth_rejected", 535],
        ["auth", "auth_not_offered", null],
        ["sender", "auth_required", 530],
        ["sender", "tls_required", 530],
        ["recipient", "tls_required", 530],
        ["sender", "sender_rejected", 550],
        ["sender", "sender_missing", null],
        ["sender", "unsupported_here", null],
        ["sender", "rate_limited", 550],
        ["data", "rate_limited", 554],
        ["recipient", "recipient_rejected", 421],
        ["sign", "sign_expired", null],
        ["data", "timeout", null],
      ] as const
    ).map(
      ([phase, code, number]): Row => ({
        what: `a message waits after ${code} in phase ${phase}`,
        given: notSent(phase, code, number && reply(number)),
        leads: { ...retry, attempts: 1, inMs: 5_000 },
      }),
    ),
    {
      what: "an unsaved definition has no probes, so the waits grow",
      given: down,
      before: { attempts: 40, state: "deferred" },
      context: { hasCircuit: false },
      leads: { ...retry, attempts: 41, inMs: HOUR_MS },
    },
    {
      what: "one last attempt starts a minute before the end where the server wants longer",
      given: named("try again in 25 hours"),
      leads: { ...retry, attempts: 1, inMs: DAY_MS - 60_000 },
    },
    {
      what: "or 3 s before a message expires that lives for a minute",
      given: named("try again in 5 minutes"),
      context: { giveUpAt: NOW + 60_000, expiresAt: NOW + 60_000 },
      leads: { ...retry, attempts: 1, inMs: 57_000 },
    },
    {
      what: "after the last attempt the message waits for its end",
      given: down,
      before: { attempts: 40, state: "deferred" },
      context: { createdAt: NOW - DAY_MS + 50_000, giveUpAt: NOW + 50_000 },
      leads: { ...retry, attempts: 41, inMs: 50_000 },
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
      what: "a mail of unknown fate is repeated once more shortly before its end",
      given: UNKNOWN,
      context: { giveUpAt: NOW + 4_000 },
      leads: { state: "deferred", attempts: 1, inMs: 1_000, decision: "repeat", outcome: "unknown" },
    },
    {
      what: "a mail of unknown fate that cannot be repeated in time stays so",
      given: UNKNOWN,
      before: { attempts: 1, state: "deferred" },
      context: { giveUpAt: NOW + 1_000 },
      leads: { ...end, state: "unknown", attempts: 2, outcome: "unknown" },
    },
    {
      what: "a mail of unknown fate does not go to the next server",
      given: UNKNOWN,
      context: { hasNextServer: true },
      leads: { state: "deferred", attempts: 1, inMs: 5_000, decision: "repeat", outcome: "unknown" },
    },
    {
      what: "a stop of ours is no try",
      given: notSent("connect", "cancelled"),
      leads: { state: "queued", attempts: 0, inMs: 0, decision: "retry", outcome: "not-sent" },
    },
    {
      what: "a stop of ours in the middle of several tries is none either",
      given: notSent("connect", "cancelled"),
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
      given: notSent("auth", "auth_rejected", reply(535)),
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
      what: "a deleted definition at the end of a list has the message go through the others again",
      given: notSent("policy", "server_unknown"),
      context: { hasOneServer: false },
      leads: { ...retry, attempts: 1, inMs: 5_000 },
    },
    {
      what: "a deleted definition makes way for the next one",
      given: notSent("policy", "server_unknown"),
      context: { hasNextServer: true },
      leads: { state: "deferred", attempts: 1, inMs: 0, decision: "next-server", outcome: "not-sent" },
    },
    {
      what: "a limit that the server states after MAIL is waited for, whatever servers there are",
      given: notSent("recipient", "rate_limited", reply(450)),
      context: { hasNextServer: true },
      leads: { ...retry, attempts: 1, inMs: 5_000 },
    },
    {
      what: "a mail that got no connection has not been attempted",
      given: noConnection(),
      leads: { ...retry, state: "queued", attempts: 0, inMs: 5_000 },
    },
    {
      what: "a mail that gets no connection again waits no longer than before",
      given: noConnection(),
      before: { attempts: 1, state: "deferred" },
      leads: { ...retry, attempts: 1, inMs: 10_000 },
    },
    {
      what: "another server may have a connection for a mail that got none",
      given: noConnection(),
      context: { hasNextServer: true },
      leads: { state: "deferred", attempts: 1, inMs: 0, decision: "next-server", outcome: "not-sent" },
    },
    {
      what: "the last server is tried again",
      given: down,
      leads: { ...retry, attempts: 1, inMs: 5_000 },
    },
  ];

  test.each(TABLE)("$what", ({ given, context, before, leads }) => {
    const after = afterAttempt({ ...BEFORE, ...before }, receipt(given), { ...CONTEXT, ...context });
    const { state, attempts, dueAt, failure: kept } = after.progress;
    const inMs = dueAt === null ? null : dueAt - NOW;
    const { decision, outcome } = after;
    expect({ state, attempts, inMs, decision, outcome }).toEqual(leads);
    expect(kept).toEqual(given);
  });
});

describe("afterUnknown()", () => {
  test("repeats a message of a dead worker immediately", () => {
    expect(afterUnknown(BEFORE, "lost", CONTEXT)).toMatchObject({
      outcome: "lost",
      decision: "repeat",
      progress: { dueAt: NOW, state: "queued" },
    });
  });

  test("ends a message that must not be sent twice", () => {
    expect(afterUnknown(BEFORE, "lost", { ...CONTEXT, onUnknown: "stop" })).toMatchObject({
      outcome: "lost",
      decision: "ended",
      progress: { state: "unknown", dueAt: null },
    });
  });
});

describe("stateAtEnd()", () => {
  const times = { giveUpAt: NOW, expiresAt: null };
  test("is expired if the message has expired, and failed otherwise", () => {
    expect(stateAtEnd(BEFORE, times)).toBe("failed");
    expect(stateAtEnd(BEFORE, { ...times, expiresAt: NOW })).toBe("expired");
    expect(stateAtEnd(BEFORE, { ...times, expiresAt: NOW + 1 })).toBe("failed");
  });

  test("is unknown if the last attempt was", () => {
    expect(stateAtEnd({ failure: UNKNOWN }, times)).toBe("unknown");
  });
});
