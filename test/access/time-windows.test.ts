import { describe, expect, test } from "bun:test";
import { isWithin, parseTimeWindows } from "../../src/access/time-windows.ts";

/** 2026-06-01 is a Monday. */
const at = (day: number, time: string) => new Date(`2026-06-0${day}T${time}Z`);
const within = (text: string, now: Date) =>
  (parseTimeWindows(text) ?? []).some((window) => isWithin(window, now));

describe("parseTimeWindows()", () => {
  test.each<[text: string, now: Date, holds: boolean]>([
    ["Mon-Fri: 8:00-18:00", at(1, "08:00:00"), true],
    ["Mon-Fri: 8:00-18:00", at(1, "07:59:59"), false],
    ["Mon-Fri: 8:00-18:00", at(5, "18:00:30"), true],
    ["Mon-Fri: 8:00-18:00", at(5, "18:01:00"), false],
    ["Mon-Fri: 8:00-18:00", at(6, "12:00:00"), false],
    ["Mon: 8-9, Sat: 9-12", at(6, "11:00:00"), true],
    ["sun: 0:00-24:00", at(7, "23:59:59"), true],
    ["TUE:0-24", at(2, "00:00:00"), true],
    ["  Wed  -  Thu :  1:05 - 1:06 ", at(3, "01:05:00"), true],
  ])("%p at %p: %p", (text, now, holds) => {
    expect(within(text, now)).toBe(holds);
  });

  test("returns an empty list for an empty text", () => {
    expect(parseTimeWindows(" ")).toEqual([]);
  });

  test.each([
    "always",
    "Mon",
    "Mon: 8",
    "Mon: 18-8",
    "Fri-Mon: 8-18",
    "Xyz: 8-18",
    "Mon: 8:60-9:00",
    "Mon: 8-25",
    "Mon: 8-24:01",
    "Mon: 8-18,",
    "Mon 8-18",
    "Monday: 8-18",
  ])("rejects %p", (text) => {
    expect(parseTimeWindows(text)).toBeNull();
  });
});
