import { describe, expect, test } from "bun:test";
import { mechanismsFor, rejectsMechanism, SaslExchange } from "../../src/smtp/sasl.ts";
import { startAuth } from "../../src/testing/smtp/sasl.ts";

const CREDENTIALS = { username: "us€r", password: "pä€ss" };
const USERS = { "us€r": "pä€ss" };
const MAX_LINE_OCTETS = 512;

for (const mechanism of ["PLAIN", "LOGIN", "CRAM-MD5"] as const) {
  test(`a server accepts the credentials of an exchange by ${mechanism}`, () => {
    const exchange = new SaslExchange(mechanism, CREDENTIALS);
    const [, name = "", initial] = exchange.command.split(" ");
    expect(name).toBe(mechanism);
    let turn = startAuth(name, initial, USERS);
    while (turn !== null && "next" in turn) turn = turn.next(exchange.respond(turn.challenge) ?? "");
    expect(turn).toEqual({ username: "us€r", isValid: true });
    expect(exchange.respond("")).toBeNull();
  });
}

// RFC 2195 2.
test("CRAM-MD5 responds as in the example of its RFC", () => {
  const exchange = new SaslExchange("CRAM-MD5", { username: "tim", password: "tanstaaftanstaaf" });
  const challenge = "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+";
  expect(exchange.respond(challenge)).toBe("dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw");
});

describe("AUTH PLAIN", () => {
  // "AUTH PLAIN " and CRLF leave 499 octets, which are 124 groups of 4: 372 octets before base64.
  for (const [octets, isOneLine] of [
    [372, true],
    [373, false],
    [2_000, false],
  ] as const) {
    test(`with ${octets} octets ${isOneLine ? "is one line" : "sends the response on its own line"}`, () => {
      const password = "p".repeat(octets - "\0user\0".length);
      const exchange = new SaslExchange("PLAIN", { username: "user", password });
      const response = Buffer.from(`\0user\0${password}`).toString("base64");
      expect(exchange.command).toBe(isOneLine ? `AUTH PLAIN ${response}` : "AUTH PLAIN");
      expect(exchange.command.length + 2).toBeLessThanOrEqual(MAX_LINE_OCTETS);
      expect(exchange.respond("")).toBe(isOneLine ? null : response);
    });
  }
});

describe("mechanismsFor()", () => {
  const OFFERED = ["LOGIN", "XOAUTH2", "CRAM-MD5", "PLAIN"];
  for (const [isTls, wanted, expected] of [
    [true, "auto", ["PLAIN", "LOGIN", "CRAM-MD5"]],
    [false, "auto", ["CRAM-MD5", "PLAIN", "LOGIN"]],
    [true, "cram-md5", ["CRAM-MD5"]],
    [false, "login", ["LOGIN"]],
  ] as const) {
    test(`is ${expected.join(", ")} for ${wanted} ${isTls ? "under TLS" : "in clear"}`, () => {
      expect(mechanismsFor(OFFERED, isTls, wanted)).toEqual(expected);
    });
  }

  test("is empty if no supported mechanism is offered, or not the wanted one", () => {
    expect(mechanismsFor(["XOAUTH2"], true, "auto")).toEqual([]);
    expect(mechanismsFor(["PLAIN"], true, "login")).toEqual([]);
  });
});

test("500, 502, 504 and 534 reject the mechanism, every other reply the login", () => {
  const codes = [421, 432, 454, 500, 501, 502, 503, 504, 530, 534, 535, 538];
  expect(codes.filter(rejectsMechanism)).toEqual([500, 502, 504, 534]);
});
