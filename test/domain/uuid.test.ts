import { expect, test } from "bun:test";
import { timeUuidFrom, uuidFrom } from "../../src/domain/uuid.ts";

const RANDOM = Uint8Array.fromHex("ffffffffffff0cc318c4dc0c0c07398f");

test("a version 4 UUID has the random bytes, the version and the variant", () => {
  expect(uuidFrom(RANDOM)).toBe("ffffffff-ffff-4cc3-98c4-dc0c0c07398f");
});

test("a version 7 UUID is the one of RFC 9562 A.6", () => {
  const time = new Date("2022-02-22T14:22:22.000-05:00");
  expect(timeUuidFrom(time, RANDOM)).toBe("017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
});

test("version 7 UUIDs sort by their time", () => {
  const times = [-1, 1, 2 ** 16, 2 ** 33, 8.64e15].map((ms) => new Date(ms));
  const ids = times.map((time) => timeUuidFrom(time, RANDOM));
  expect(ids.toSorted()).toEqual(ids);
});
