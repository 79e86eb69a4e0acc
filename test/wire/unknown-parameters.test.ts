import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { unknownParameters } from "../../src/wire/validate.ts";

const KNOWN = ["server", "port", "username", "password", "sender", "tls", "timeout", "max_connections"];
const nearest = (name: string) => unknownParameters([name], KNOWN)[0]?.text;

describe("unknownParameters()", () => {
  test.each([
    ["usrname", "username"],
    ["Port", "port"],
    ["TLS", "tls"],
    ["pasword", "password"],
    ["timeoutt", "timeout"],
    ["maxConnections", "max_connections"],
  ])("names %s and the nearest known name %s", (name, known) => {
    expect(nearest(name)).toContain(`nearest known name is ${known}.`);
  });

  test("returns nothing for known names", () => {
    expect(unknownParameters(KNOWN, KNOWN)).toEqual([]);
  });

  test("limits the number and length of the names, and removes control characters", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary", maxLength: 300 })), (names) => {
        const notices = unknownParameters(names, KNOWN);
        expect(notices.length).toBeLessThanOrEqual(20);
        for (const { text, parameter } of notices) {
          expect(parameter.length).toBeLessThanOrEqual(128);
          expect(text).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
        }
      }),
    );
  });
});
