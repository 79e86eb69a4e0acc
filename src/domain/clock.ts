/** How far the clocks of machines that share a database may differ, in milliseconds. */
export const MAX_CLOCK_SKEW_MS = 60_000;

/** A larger difference between a stored time and the clock is a clock jump, in milliseconds. */
export const CLOCK_TOLERANCE_MS = 5_000;
