import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  backoffAfterDelayMs,
  backoffMs,
  MAX_BACKOFF_MS,
  nextAttemptAt,
  probeIntervalMs,
} from "../../../src/mail/queue/backoff.ts";

const NOW = Date.UTC(2026, 5, 1, 12);
const SECOND_MS = 1_000;
const DAY_MS = 86_400_000;
const share = fc.double({ min: 0, max: 1, noNaN: true });

describe("backoffMs()", () => {
  test.each([
    [1, 5_000],
    [2, 10_000],
    [3, 20_000],
    [10, 2_560_000],
    [11, MAX_BACKOFF_MS],
    [500, MAX_BACKOFF_MS],
  ])("after %d attempts is at most %d ms", (attempts, maxMs) => {
    expect(backoffMs(attempts, 1)).toBe(maxMs);
    expect(backoffMs(attempts, 0.25)).toBe(maxMs / 4);
    expect(backoffMs(attempts, 0)).toBe(0);
  });

  test("stays within a smaller maximum", () => {
    expect([backoffMs(2, 1, 30_000), backoffMs(9, 1, 30_000)]).toEqual([10_000, 30_000]);
  });
});

describe("probeIntervalMs()", () => {
  test("is 30 s, and after rejected logins doubles up to 15 minutes", () => {
    expect([0, 1, 2, 3, 4, 5, 6, 7, 500].map((logins) => probeIntervalMs(logins) / SECOND_MS)).toEqual([
      30, 30, 60, 120, 240, 480, 900, 900, 900,
    ]);
  });
});

describe("backoffAfterDelayMs()", () => {
  test("is between the delay and the delay plus a quarter and 15 s", () => {
    fc.assert(
      fc.property(
        fc.nat(7 * DAY_MS),
        fc.integer({ min: 1, max: 500 }),
        share,
        (delayMs, attempts, random) => {
          const waitMs = backoffAfterDelayMs(delayMs, attempts, random);
          expect(waitMs).toBeGreaterThanOrEqual(delayMs);
          expect(waitMs).toBeLessThanOrEqual(1.25 * delayMs + 15 * SECOND_MS);
        },
      ),
    );
  });

  test("spreads messages that were deferred together", () => {
    expect([0, 0.5, 1].map((random) => backoffAfterDelayMs(60_000, 1, random))).toEqual([
      60_000, 75_000, 90_000,
    ]);
  });

  test("is as late as allowed if the server repeatedly names a very short delay", () => {
    expect(backoffAfterDelayMs(1_000, 9, 0.5)).toBe(16_250);
  });
});

describe("nextAttemptAt()", () => {
  const LIFETIME = { createdAt: NOW - 60_000, giveUpAt: NOW - 60_000 + DAY_MS };
  const wait = (waitMs: number, minWaitMs = 0, attempts = 3) => ({ waitMs, minWaitMs, attempts });

  test("is after the backoff, while the message lives", () => {
    expect(nextAttemptAt(LIFETIME, NOW, wait(5_000))).toBe(NOW + 5_000);
  });

  test("is a minute before the end of a day if the backoff would end later", () => {
    expect(nextAttemptAt(LIFETIME, NOW, wait(DAY_MS, DAY_MS))).toBe(LIFETIME.giveUpAt - 60_000);
  });

  test("is 15 s before the end of a message that lives for 5 minutes", () => {
    const lifetime = { createdAt: NOW, giveUpAt: NOW + 300_000 };
    expect(nextAttemptAt(lifetime, NOW, wait(DAY_MS, DAY_MS))).toBe(lifetime.giveUpAt - 15_000);
  });

  test("is not before the server's delay, if that ends in time", () => {
    const lifetime = { createdAt: NOW, giveUpAt: NOW + 300_000 };
    expect(nextAttemptAt(lifetime, NOW, wait(370_000, 290_000))).toBe(NOW + 290_000);
  });

  test("is the end after the last attempt", () => {
    const lastAt = LIFETIME.giveUpAt - 60_000;
    expect(nextAttemptAt(LIFETIME, lastAt, wait(5_000))).toBe(LIFETIME.giveUpAt);
  });

  test("is before the end after the first attempt, even after a late one", () => {
    expect(nextAttemptAt(LIFETIME, LIFETIME.giveUpAt - 2_000, wait(5_000, 0, 1))).toBe(
      LIFETIME.giveUpAt - 1_000,
    );
  });

  test("is shortly before the end, and then the end, for any backoffs", () => {
    const waits = fc.array(fc.record({ waitMs: fc.nat(2 * DAY_MS), share }), {
      minLength: 200,
      maxLength: 200,
    });
    fc.assert(
      fc.property(fc.integer({ min: 2_000, max: 3 * DAY_MS }), waits, (lifetimeMs, all) => {
        const lifetime = { createdAt: NOW, giveUpAt: NOW + lifetimeMs };
        const shortlyMs = Math.max(3_000, Math.min(60_000, lifetimeMs / 20));
        const times = [NOW];
        for (const [index, { waitMs, share: part }] of all.entries()) {
          const now = times.at(-1) ?? NOW;
          if (now >= lifetime.giveUpAt) break;
          times.push(nextAttemptAt(lifetime, now, { waitMs, minWaitMs: waitMs * part, attempts: index + 1 }));
        }
        // All backoffs were short, so the end is not reached.
        if ((times.at(-1) ?? NOW) < lifetime.giveUpAt) return;
        const attempts = times.slice(0, -1);
        expect(times.at(-1)).toBe(lifetime.giveUpAt);
        expect(attempts.length).toBeGreaterThan(1);
        expect(attempts.at(-1)).toBeGreaterThanOrEqual(lifetime.giveUpAt - shortlyMs);
        expect(attempts.filter((at) => at > lifetime.giveUpAt - shortlyMs).length).toBeLessThanOrEqual(2);
      }),
      { numRuns: 200 },
    );
  });
});
