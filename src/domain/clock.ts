/** How far the clocks of machines that share a database may differ, in milliseconds. */
export const MAX_CLOCK_SKEW_MS = 60_000;
