import { describe, expect, test } from "bun:test";
import { type Login, mechanismsFor, rejectsMechanism, SaslExchange } from "../../src/smtp/sasl.ts";
import { startAuth } from "../../src/testing/smtp/sasl.ts";

const CREDENTIALS: Login = {
  kind: "password",
  username: "us€r",
  secret: "pä€ss",
  mechanism: "auto",
  host: "server.example.com",
  port: 587,
};
const TOKEN: Login = { ...CREDENTIALS, kind: "oauth2" };
const USERS = { "us€r": "pä€ss" };
const MAX_LINE_OCTETS = 512;

for (const mechanism of ["PLAIN", "LOGIN", "CRAM-MD5"] as const) {
  test(`a server accepts the credentials of an exchange by ${mechanism}`, () => {
    const exchange = new SaslExchange(mechanism, CREDENTIALS);
    const [, name = "", initial] = exchange.command.split(" ");
    expect(name).toBe(mechanism);
    let turn = startAuth(name, initial, { users: USERS });
    while (turn !== null && "next" in turn) turn = turn.next(exchange.respond(turn.challenge) ?? "");
    expect(turn).toEqual({ username: "us€r", isValid: true });
    expect(exchange.respond("")).toBeNull();
  });
}

// RFC 2195 2.
test("CRAM-MD5 responds as in the example of its RFC", () => {
  const exchange = new SaslExchange("CRAM-MD5", {
    ...CREDENTIALS,
    username: "tim",
    secret: "tanstaaftanstaaf",
  });
  const challenge = "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+";
  expect(exchange.respond(challenge)).toBe("dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw");
});

// Google, "OAuth 2.0 Mechanism".
test("XOAUTH2 sends the example of its page", () => {
  const secret = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg";
  const exchange = new SaslExchange("XOAUTH2", { ...TOKEN, username: "someuser@example.com", secret });
  expect(exchange.command).toBe(
    "AUTH XOAUTH2 dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==",
  );
  expect(exchange.respond("")).toBe("");
  expect(exchange.respond("")).toBeNull();
});

// RFC 7628 4.1, and 4.4 for SMTP.
for (const [port, response] of [
  [
    143,
    "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB",
  ],
  [
    587,
    "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9NTg3AWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB",
  ],
] as const) {
  test(`OAUTHBEARER sends the example of its RFC for port ${port}`, () => {
    const secret = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==";
    const exchange = new SaslExchange("OAUTHBEARER", {
      ...TOKEN,
      username: "user@example.com",
      secret,
      port,
    });
    expect(exchange.command).toBe(`AUTH OAUTHBEARER ${response}`);
    expect(exchange.respond("eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=")).toBe("AQ==");
    expect(exchange.rejection).toBe('{"status":"invalid_token"}');
  });
}

test("OAUTHBEARER escapes a name (RFC 5801 4)", () => {
  const { command } = new SaslExchange("OAUTHBEARER", { ...TOKEN, username: "a=b,c=", secret: "t" });
  const sent = Buffer.from(command.split(" ")[2] ?? "", "base64").toString();
  expect(sent).toBe("n,a=a=3Db=2Cc=3D,\x01host=server.example.com\x01port=587\x01auth=Bearer t\x01\x01");
});

// "AUTH XOAUTH2 " and CRLF leave 497 octets, which are 124 groups of 4: 372 octets before base64.
for (const [octets, isOneLine] of [
  [372, true],
  [373, false],
] as const) {
  test(`XOAUTH2 with ${octets} octets ${isOneLine ? "is one line" : "has two steps"}`, () => {
    const frame = "user=u\x01auth=Bearer \x01\x01";
    const secret = "t".repeat(octets - frame.length);
    const exchange = new SaslExchange("XOAUTH2", { ...TOKEN, username: "u", secret });
    const response = Buffer.from(`user=u\x01auth=Bearer ${secret}\x01\x01`).toString("base64");
    expect(exchange.command).toBe(isOneLine ? `AUTH XOAUTH2 ${response}` : "AUTH XOAUTH2");
    if (!isOneLine) expect([exchange.respond(""), exchange.rejection]).toEqual([response, null]);
    expect(exchange.respond("e30=")).toBe("");
    expect(exchange.rejection).toBe("{}");
  });
}

describe("AUTH PLAIN", () => {
  // "AUTH PLAIN " and CRLF leave 499 octets, which are 124 groups of 4: 372 octets before base64.
  for (const [octets, isOneLine] of [
    [372, true],
    [373, false],
    [2_000, false],
  ] as const) {
    test(`with ${octets} octets ${isOneLine ? "is one line" : "sends the response on its own line"}`, () => {
      const password = "p".repeat(octets - "\0user\0".length);
      const exchange = new SaslExchange("PLAIN", { ...CREDENTIALS, username: "user", secret: password });
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
      expect(mechanismsFor(OFFERED, isTls, { kind: "password", mechanism: wanted })).toEqual(expected);
    });
  }

  test("is empty if no supported mechanism is offered, or not the wanted one", () => {
    expect(mechanismsFor(["XOAUTH2"], true, { kind: "password", mechanism: "auto" })).toEqual([]);
    expect(mechanismsFor(["PLAIN"], true, { kind: "password", mechanism: "login" })).toEqual([]);
    expect(mechanismsFor(["PLAIN"], true, { kind: "oauth2", mechanism: "auto" })).toEqual([]);
  });
});

test("500, 502, 504 and 534 reject the mechanism, every other reply the login", () => {
  const codes = [421, 432, 454, 500, 501, 502, 503, 504, 530, 534, 535, 538];
  expect(codes.filter(rejectsMechanism)).toEqual([500, 502, 504, 534]);
});
