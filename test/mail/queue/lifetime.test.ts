import { describe, expect, test } from "bun:test";
import { notSent } from "../../../src/domain/delivery.ts";
import type { RecipientProgress } from "../../../src/domain/queued-mail.ts";
import { giveUpAt, keepContentUntil, revive } from "../../../src/mail/queue/lifetime.ts";

const NOW = new Date("2026-06-01T12:00:00Z");
const later = (hours: number) => new Date(NOW.getTime() + hours * 3_600_000);
const one = (
  state: RecipientProgress["state"],
  failure: RecipientProgress["failure"] = null,
): RecipientProgress => ({ address: `${state}@example.net`, state, attempts: 3, dueAt: null, failure });
const LOCKED_OUT = one("failed", notSent("auth", "auth_rejected"));
const NO_SUCH_USER = one("failed", notSent("recipient", "recipient_rejected"));

describe("giveUpAt()", () => {
  test("is in a day, or when the message expires", () => {
    expect([giveUpAt(NOW, null), giveUpAt(NOW, later(1)), giveUpAt(NOW, later(48))]).toEqual([
      later(24),
      later(1),
      later(24),
    ]);
  });
});

describe("keepContentUntil()", () => {
  test.each([
    ["a day where the server was at fault", [LOCKED_OUT], null, later(24)],
    ["a day where the message was never attempted", [one("failed")], null, later(24)],
    ["its end where it expires", [LOCKED_OUT], later(1), later(1)],
    ["its end, however late", [LOCKED_OUT], later(100), later(100)],
    ["no time where it has expired", [one("expired", LOCKED_OUT.failure)], NOW, null],
    ["no time where the message was at fault", [NO_SUCH_USER], null, null],
    ["no time where it arrived", [one("sent")], null, null],
    ["no time where it may have arrived", [one("unknown")], null, null],
    [
      "a day where only an earlier attempt may have sent it",
      [{ ...LOCKED_OUT, state: "unknown", mayBeSent: true }],
      null,
      later(24),
    ],
    ["no time where an admin ended it", [one("cancelled", LOCKED_OUT.failure)], null, null],
    [
      "a day if one of several recipients did not get it",
      [NO_SUCH_USER, one("sent"), LOCKED_OUT],
      null,
      later(24),
    ],
  ] as const)("is %s", (_, recipients, expiresAt, until) => {
    expect(keepContentUntil(recipients, expiresAt, NOW)).toEqual(until);
  });
});

describe("revive()", () => {
  test("queues the recipients again that failed by the server's fault", () => {
    const recipients = [LOCKED_OUT, NO_SUCH_USER, one("sent"), one("unknown"), one("cancelled")];
    expect(revive({ recipients, expiresAt: later(1) }, NOW)).toEqual({
      ...{ state: "queued", giveUpAt: later(1), contentUntil: null, dueAt: NOW.getTime() },
      recipients: [
        { ...LOCKED_OUT, state: "queued", attempts: 0, dueAt: NOW.getTime(), startsAt: NOW.getTime() },
        ...recipients.slice(1),
      ],
    });
  });
});
