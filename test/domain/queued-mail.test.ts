import { describe, expect, test } from "bun:test";
import { nextDueAt, type RecipientProgress, stateOf } from "../../src/domain/queued-mail.ts";

type State = RecipientProgress["state"];

const one = (state: State, attempts = 0, dueAt: number | null = null): RecipientProgress => ({
  address: "user@example.net",
  state,
  attempts,
  dueAt,
  failure: null,
});

describe("stateOf()", () => {
  test.each([
    ["queued", ["queued", "queued"]],
    ["sent", ["sent", "sent"]],
    ["failed", ["sent", "failed"]],
    ["unknown", ["sent", "failed", "unknown"]],
    ["expired", ["sent", "expired"]],
    ["failed", ["expired", "failed"]],
    ["cancelled", ["sent", "cancelled"]],
  ] as const)("is %s for recipients that are %j", (state, states) => {
    expect(stateOf(states.map((each) => one(each)))).toBe(state);
  });

  test("is deferred as long as one is tried again", () => {
    expect(stateOf([one("failed", 1), one("deferred", 1, 5)])).toBe("deferred");
    expect(stateOf([one("sent", 1), one("queued", 0, 5)])).toBe("deferred");
  });
});

describe("nextDueAt()", () => {
  test("is the first of those that are still to come", () => {
    expect(nextDueAt([one("sent", 1, null), one("deferred", 1, 20), one("queued", 0, 10)])).toBe(10);
  });

  test("is null when all have ended", () => {
    expect(nextDueAt([one("sent"), one("failed")])).toBeNull();
  });
});
