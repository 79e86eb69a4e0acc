/** A part of the week in UTC, both ends included. */
interface TimeWindow {
  /** 0 is Monday. */
  readonly firstDay: number;
  readonly lastDay: number;
  readonly fromMinute: number;
  readonly toMinute: number;
}

const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const WINDOW = /^(\w{3})(?:\s*-\s*(\w{3}))?\s*:\s*(\d{1,2})(?::(\d{2}))?\s*-\s*(\d{1,2})(?::(\d{2}))?$/;
const MINUTES_PER_DAY = 24 * 60;

/**
 * Parses `Mon-Fri: 8:00-18:00, Sat: 9-12`. A window cannot span midnight or the end of the week.
 * @returns an empty list for an empty text, `null` for an invalid one.
 */
export function parseTimeWindows(text: string): TimeWindow[] | null {
  if (text.trim() === "") return [];
  const windows = text.split(",").map((part) => parseWindow(part.trim()));
  return windows.every((window) => window !== null) ? windows : null;
}

export function isWithin(window: TimeWindow, now: Date): boolean {
  const day = (now.getUTCDay() + 6) % 7;
  const minute = now.getUTCHours() * 60 + now.getUTCMinutes();
  return (
    window.firstDay <= day &&
    day <= window.lastDay &&
    window.fromMinute <= minute &&
    minute <= window.toMinute
  );
}

function parseWindow(text: string): TimeWindow | null {
  const match = WINDOW.exec(text);
  if (!match) return null;
  const [, first = "", last = first, fromHour, fromMinutes = "0", toHour, toMinutes = "0"] = match;
  const window = {
    firstDay: DAYS.indexOf(first.toLowerCase()),
    lastDay: DAYS.indexOf(last.toLowerCase()),
    fromMinute: minuteOfDay(fromHour, fromMinutes),
    toMinute: minuteOfDay(toHour, toMinutes),
  };
  const inOrder =
    window.firstDay >= 0 && window.firstDay <= window.lastDay && window.fromMinute <= window.toMinute;
  return inOrder && window.toMinute <= MINUTES_PER_DAY ? window : null;
}

function minuteOfDay(hour: string | undefined, minutes: string): number {
  const value = Number(hour) * 60 + Number(minutes);
  return Number(minutes) < 60 ? value : Number.NaN;
}
