import { expect, test } from "bun:test";
import { startAuth } from "../../src/testing/smtp/auth.ts";
import { beginSasl } from "../../src/transport/sasl.ts";

const USERS = { "us€r": "pä€ss" };

test.each(["PLAIN", "LOGIN", "CRAM-MD5"] as const)(
  "a server takes what beginSasl() says by %s",
  (mechanism) => {
    const exchange = beginSasl(mechanism, "us€r", "pä€ss");
    const [, said, initial] = exchange.command.split(" ");
    expect(said).toBe(mechanism);
    let turn = startAuth(mechanism, initial, USERS);
    while (turn !== null && "next" in turn) turn = turn.next(exchange.answer(turn.challenge) ?? "");
    expect(turn).toEqual({ username: "us€r", isValid: true });
    expect(exchange.answer("")).toBeNull();
  },
);

// RFC 2195 2.
test("CRAM-MD5 answers as in the example of its RFC", () => {
  const exchange = beginSasl("CRAM-MD5", "tim", "tanstaaftanstaaf");
  const challenge = "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+";
  expect(exchange.answer(challenge)).toBe("dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw");
});
