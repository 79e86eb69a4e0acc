import { count, language } from "./language.ts";

/** Formats a time in the zone of the browser. */
export function dateTime(iso: string): string {
  return new Intl.DateTimeFormat(language.value, { dateStyle: "medium", timeStyle: "medium" }).format(
    new Date(iso),
  );
}

/** Formats an hour of the day, such as "14:00". */
export function hour(iso: string): string {
  return new Intl.DateTimeFormat(language.value, { hour: "2-digit", minute: "2-digit" }).format(
    new Date(iso),
  );
}

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** Formats a duration, such as "350 ms" or "2.5 min". */
export function duration(ms: number): string {
  if (ms < 1_000) return `${count(Math.round(ms))} ms`;
  if (ms < MINUTE_MS) return `${rounded(ms / 1_000)} s`;
  if (ms < HOUR_MS) return `${rounded(ms / MINUTE_MS)} min`;
  return `${rounded(ms / HOUR_MS)} h`;
}

function rounded(value: number): string {
  return new Intl.NumberFormat(language.value, { maximumFractionDigits: 1 }).format(value);
}
