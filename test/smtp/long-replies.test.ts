import { describe, expect, test } from "bun:test";
import type { FailureCode, Phase } from "../../src/domain/delivery.ts";
import { wordsOf } from "../../src/domain/known-reply.ts";
import { rejection } from "../../src/smtp/failures.ts";
import { KNOWN_REPLIES, knownHint } from "../../src/smtp/provider-replies.ts";
import { serverDelayMs } from "../../src/smtp/server-delay.ts";
import { MESSAGE, OPTIONS, openPlayed } from "./support.ts";

const EXPLANATION =
  "This is one line of a long explanation that a provider sends with its policy, contact address and links.";
const MAX_CHARACTERS = 8_000;

/** Returns a reply with six explaining lines, and these words in the last one. */
function longReply(code: number, enhanced: string, words: string): string {
  const lines = Array.from({ length: 6 }, () => `${code}-${enhanced} ${EXPLANATION}`);
  return [...lines, `${code} ${enhanced} ${words}`].join("\n");
}

/** Returns the failure of a message whose command gets the reply. */
function failureAfter(phase: Phase, reply: string, redact = (text: string) => text) {
  const played = openPlayed([], { redact });
  played.apply(played.conversation.transact(MESSAGE, OPTIONS));
  for (const [at, accepts] of [
    ["sender", "250 OK"],
    ["recipient", "250 OK"],
    ["data", reply],
  ] as const) {
    if (played.result === null) played.receive(at === phase ? reply : accepts);
  }
  const { result } = played.conversation;
  if (result === null || result.successful) throw new TypeError("The reply rejects nothing");
  return result.failure;
}

describe("a reply that has its reason in the last of many lines", () => {
  test.each<[phase: Phase, reply: string, code: FailureCode]>([
    ["sender", longReply(550, "5.7.1", "Authentication required"), "auth_required"],
    [
      "recipient",
      longReply(550, "5.7.1", "Sender address rejected: not owned by user app"),
      "sender_rejected",
    ],
    ["recipient", longReply(550, "5.7.1", "No such user"), "recipient_rejected"],
    ["data", longReply(550, "5.7.1", "Daily sending limit exceeded"), "rate_limited"],
  ])("in phase %s is read whole, and shown in 500 characters", (phase, reply, code) => {
    const failure = failureAfter(phase, reply);
    expect(failure).toMatchObject({ phase, code, outcome: "not-sent" });
    expect(failure.reply?.text).toHaveLength(500);
  });

  test("has the hint and the delay of those words", () => {
    const rejected = failureAfter(
      "recipient",
      longReply(550, "5.7.1", "Sender address rejected: not owned by u"),
    );
    expect(rejected.reply && knownHint("recipient", rejected.code, rejected.reply, null)?.code).toBe(
      "send_as",
    );
    const later = failureAfter("recipient", longReply(450, "4.2.0", "Greylisted, try again in 10 minutes"));
    expect([later.retryAfterMs, serverDelayMs(later.reply)]).toEqual([600_000, 600_000]);
  });

  test("is redacted where it is shown", () => {
    const redact = (text: string) => text.replaceAll("app", "[secret]");
    const words = "Sender address rejected: not owned by user app";
    const failure = failureAfter("recipient", `553-5.7.1 app\n${longReply(553, "5.7.1", words)}`, redact);
    expect(failure.code).toBe("sender_rejected");
    expect(JSON.stringify(failure)).not.toContain("app");
  });
});

test("at most 8,000 characters of a reply are read", () => {
  const words = "Sender address rejected: not owned by user app";
  const lines = (count: number) => Array.from({ length: count }, () => "550-5.7.1 A line\n").join("");
  const { code } = failureAfter("recipient", `${lines(800)}550 5.7.1 ${words}`);
  expect(code).toBe("sender_rejected");
  const cut = failureAfter("recipient", `${lines(1_200)}550 5.7.1 ${words}`);
  expect(cut.code).toBe("recipient_rejected");
  expect(cut.reply && wordsOf(cut.reply).length).toBeLessThanOrEqual(MAX_CHARACTERS);
});

/** Words of the patterns, and what their parts match. */
const REPEATED = [
  ...new Set(KNOWN_REPLIES.flatMap(({ words }) => words?.source.match(/[a-z]{2,}/g) ?? [])),
  ...["a", "1", " ", "1 ", "@", "http", "-", ",", "in 5 m", "again in 5 m", "again,", "1,000 ", "too many"],
  ...["number of messages", "your account", "outgoing mail from", "no such user", "relay", "is not"],
];

/** Whether work takes less than 100 ms, in one of three runs: another test may have the processor in the others. */
function isFast(work: () => unknown): boolean {
  return [1, 2, 3].some(() => {
    const startedAt = performance.now();
    work();
    return performance.now() - startedAt < 100;
  });
}

test("no reply of that length keeps the process busy, whatever it repeats", () => {
  const context = { isTls: false, hasLogin: true };
  for (const part of REPEATED) {
    for (const separator of ["", " "]) {
      const text = `${part}${separator}`.repeat(MAX_CHARACTERS).slice(0, MAX_CHARACTERS);
      const reply = { code: 450, enhanced: null, text: `${text}!` };
      const read = () => [rejection("data", { ...reply }, context), serverDelayMs({ ...reply })];
      expect([part, isFast(read)]).toEqual([part, true]);
    }
  }
});
