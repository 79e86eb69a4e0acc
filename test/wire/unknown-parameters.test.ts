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
  ])("names %s with %s as the nearest", (name, known) => {
    expect(nearest(name)).toContain(`nearest known name is ${known}.`);
  });

  test("is silent about names that are known", () => {
    expect(unknownParameters(KNOWN, KNOWN)).toEqual([]);
  });

  test("keeps the number and the length of what a client sends small, and control characters out", () => {
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
