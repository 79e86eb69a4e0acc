import { describe, expect, test } from "bun:test";
import { NOTHING_SEEN, notSent } from "../../src/domain/delivery.ts";
import type { SubmitResult } from "../../src/mail/submission.ts";
import { readStoredResult, toStoredResult } from "../../src/mail/submission.ts";
import { ACCEPTED } from "../fixtures/receipts.ts";
import { SEEN } from "../fixtures/rich-transport.ts";

const delivered = (receipt: object) => ({
  ...{ state: "delivered", identifier: "a", smime: null, skipped: [] },
  recipients: [{ recipient: "user@example.net", receipt }],
});
const read = (result: object) => readStoredResult(JSON.stringify(toStoredResult(result as SubmitResult)));

describe("readStoredResult()", () => {
  test.each([
    ["a message with all that was seen", delivered({ ...ACCEPTED, seen: SEEN })],
    ["a message of which nothing was seen", delivered(ACCEPTED)],
    ["a queued message", { state: "queued", identifier: "a", mailId: "1", smime: null }],
  ])("returns %s", (_name, result) => {
    expect<unknown>(read(result)).toEqual(result);
  });

  test("completes receipts of older versions", () => {
    const sent = { successful: true, reply: null, timingMs: {}, tls: null };
    const known = { roundTrips: 0, seen: NOTHING_SEEN };
    expect<unknown>(read(delivered(sent))).toEqual(delivered({ ...sent, ...known, reached: null }));
    const failure = notSent("connect", "refused");
    const notReached = { successful: false, failure, timingMs: {}, tls: null };
    const result = { ...delivered(notReached), state: "failed", failure };
    const completed = { ...delivered({ ...notReached, ...known }), state: "failed", failure };
    expect<unknown>(read(result)).toEqual(completed);
  });

  test("reads the name that skipped servers have in stored results", () => {
    const skipped = [{ identifier: "b", code: "refused" }];
    const { skipped: _, ...rest } = delivered(ACCEPTED);
    const text = JSON.stringify({ ...rest, passedOver: skipped });
    expect<unknown>(readStoredResult(text)).toEqual({ ...delivered(ACCEPTED), skipped });
  });
});
