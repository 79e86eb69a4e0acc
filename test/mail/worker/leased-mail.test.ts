import { describe, expect, test } from "bun:test";
import { notSent } from "../../../src/domain/delivery.ts";
import type { RecipientProgress } from "../../../src/domain/queued-mail.ts";
import { LeasedMail } from "../../../src/mail/worker/leased-mail.ts";
import type { MailRow, MailUpdate } from "../../../src/storage/outbox.ts";

const NOW = Date.UTC(2026, 5, 1, 12);
const LEASE_END = new Date(NOW + 60_000);
const TIME = { now: new Date(NOW), leaseEndsAt: LEASE_END };
const recipient = (address: string, dueAt: number | null = NOW): RecipientProgress => ({
  address,
  state: "queued",
  attempts: 0,
  dueAt,
  failure: null,
});
const ROW: MailRow = {
  id: "1",
  state: "sending",
  identifier: "a",
  queueName: "a",
  alternatives: [],
  submitter: "host",
  messageId: "<1@example.org>",
  sender: "me@example.org",
  purpose: "notice",
  onUnknown: "repeat",
  recipients: [recipient("one@example.net"), recipient("two@example.net")],
  createdAt: new Date(NOW),
  updatedAt: new Date(NOW),
  expiresAt: null,
  giveUpAt: new Date(NOW + 86_400_000),
  dueAt: NOW + 60_000,
  lease: "mark",
  started: false,
  lost: 0,
  contentUntil: null,
  content: "sealed",
};
const held = (row: Partial<MailRow> = {}, aim: LeasedMail["aim"] = "send") =>
  new LeasedMail({ ...ROW, ...row }, { aim, leaseEndsMs: performance.now() + 60_000 });
const attempt = (more: Partial<MailUpdate["attempts"][number]> = {}): MailUpdate["attempts"][number] => ({
  recipient: "one@example.net",
  identifier: "a",
  date: new Date(NOW),
  outcome: "not-sent",
  decision: "retry",
  phase: "connect",
  code: "refused",
  reply: null,
  timingMs: {},
  ...more,
});
const deferred: RecipientProgress = {
  ...recipient("one@example.net", NOW + 5_000),
  state: "deferred",
  attempts: 1,
};

describe("hasUnknownOutcome", () => {
  test.each([
    ["repeat", 0, false],
    ["repeat", 1, true],
    ["repeat", 2, true],
    ["stop", 0, false],
    ["stop", 1, false],
    ["stop", 2, true],
  ] as const)("with onUnknown %s and lost %d is %p", (onUnknown, lost, hasUnknownOutcome) => {
    expect(held({ onUnknown, lost }).hasUnknownOutcome).toBe(hasUnknownOutcome);
  });
});

describe("mayStart()", () => {
  test("leaves a margin before the end of the lease", () => {
    const mail = held();
    expect(mail.mayStart(5_000)).toBe(true);
    mail.leaseEndsMs = performance.now() + 4_000;
    expect(mail.mayStart(5_000)).toBe(false);
  });
});

describe("due()", () => {
  test("are those that wait and whose time has come", () => {
    const recipients = [
      { ...recipient("a"), state: "sent" } as const,
      recipient("b", NOW - 1),
      recipient("c", NOW + 1),
    ];
    expect(held({ recipients }).due(NOW)).toEqual([1]);
  });
});

describe("takeUpdate()", () => {
  test("keeps the lease while recipients remain", () => {
    const mail = held();
    mail.remaining = 1;
    mail.advance(0, { ...recipient("one@example.net", null), state: "sent", attempts: 1 }, attempt());
    expect(mail.takeUpdate(TIME)).toMatchObject({
      ...{ state: "sending", released: false, dueAt: LEASE_END.getTime(), queueName: "a" },
      attempts: [{ recipient: "one@example.net" }],
    });
    mail.remaining = 0;
    expect(mail.takeUpdate(TIME)).toMatchObject({
      state: "deferred",
      released: true,
      dueAt: NOW,
      attempts: [],
    });
  });

  test("moves a message whose server is down", () => {
    const mail = held({ alternatives: ["a", "b"] });
    mail.advance(0, deferred, attempt({ decision: "next-server" }));
    expect(mail.takeUpdate(TIME)).toMatchObject({ queueName: "b", identifier: "b" });
  });

  test("starts again with the first definition after the last", () => {
    const mail = held({ alternatives: ["a", "b"], queueName: "b" });
    mail.advance(0, deferred, attempt());
    expect(mail.takeUpdate(TIME)).toMatchObject({ queueName: "a", identifier: "a" });
  });

  test("keeps the queue of a message that was not attempted", () => {
    expect(held({ alternatives: ["a", "b"], queueName: "b" }).takeUpdate(TIME)).toMatchObject({
      queueName: "b",
    });
  });

  test.each(["unknown", "lost"] as const)("binds a message to its server if the outcome is %s", (outcome) => {
    const mail = held({ alternatives: ["a", "b"] });
    mail.advance(0, deferred, attempt({ outcome, decision: "repeat" }));
    mail.advance(1, { ...deferred, address: "two@example.net" }, attempt({ decision: "next-server" }));
    expect(mail.takeUpdate(TIME)).toMatchObject({ queueName: "a", identifier: "a", alternatives: [] });
    expect(mail.attemptContext(NOW, 1).hasNextServer).toBe(false);
  });

  test.each([
    ["the server's", "failed", "server_unknown", null, NOW + 86_400_000],
    ["the server's, before the message expires", "failed", "server_unknown", NOW + 60_000, NOW + 60_000],
    ["the server's, when the message expires", "expired", "timeout", NOW, null],
    ["nobody's, as it was never attempted", "failed", null, null, NOW + 86_400_000],
    ["its own", "failed", "recipient_rejected", null, null],
    ["no", "sent", null, null, null],
  ] as const)(
    "keeps the content of a message that ended by %s fault until then",
    (_, state, code, expires, until) => {
      const expiresAt = expires === null ? null : new Date(expires);
      const mail = held({ expiresAt, recipients: [recipient("one@example.net")] });
      const failure = code && notSent("recipient", code);
      mail.advance(0, { ...recipient("one@example.net", null), state, attempts: 1, failure }, null);
      expect(mail.takeUpdate(TIME)).toMatchObject({ state, dueAt: null, contentUntil: until });
    },
  );

  test("keeps the name of an unsaved definition", () => {
    expect(held({ queueName: "", identifier: "shown" }).takeUpdate(TIME)).toMatchObject({
      queueName: "",
      identifier: "shown",
    });
  });
});
