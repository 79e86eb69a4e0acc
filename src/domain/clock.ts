/** Maximum difference between the clocks of machines that share a database, in milliseconds. */
export const MAX_CLOCK_SKEW_MS = 60_000;

/** Differences between a stored time and the clock beyond this are a clock jump, in milliseconds. */
export const CLOCK_TOLERANCE_MS = 5_000;
