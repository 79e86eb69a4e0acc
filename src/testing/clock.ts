/** A clock that stands still until the test advances it. */
export interface TestClock {
  /** A fresh `Date` each time. */
  now(): Date;
  advance(by: { readonly seconds: number }): void;
}

export function createTestClock(start: Date): TestClock {
  let timeMs = start.getTime();
  return {
    now: () => new Date(timeMs),
    advance({ seconds }) {
      timeMs += seconds * 1_000;
    },
  };
}
