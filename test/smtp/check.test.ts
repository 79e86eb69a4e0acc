import { expect, test } from "bun:test";
import { openPlayed } from "./support.ts";

const MAIL = "MAIL FROM:<a@example.org>";
const RCPT = "RCPT TO:<b@example.net>";

function check(recipient: string | null) {
  const played = openPlayed(["PIPELINING", "CHUNKING", "SIZE 1000"]);
  return played.apply(played.conversation.checkAddresses("a@example.org", recipient));
}

test("a check of addresses declares no size, sends one command at a time, and ends with RSET before QUIT", () => {
  const played = check("b@example.net").receive("250 Ok", "250 Ok");
  expect(played.result).toBe("successful");
  played.apply(played.conversation.quit());
  expect(played.written).toEqual([MAIL, RCPT, "RSET"]);
  expect(played.receive("250 Ok").written.at(-1)).toBe("QUIT");
  expect(played.receive("221 Bye").result).toBe("successful");
});

test("a check without a recipient ends at MAIL", () => {
  const played = check(null).receive("250 Ok");
  expect(played.written).toEqual([MAIL]);
  expect(played.result).toBe("successful");
});

test("a rejected recipient is the result of a check, followed by RSET and QUIT", () => {
  const played = check("b@example.net").receive("250 Ok", "550 5.1.1 No");
  expect(played.result).toBe("recipient recipient_rejected not-sent");
  played.apply(played.conversation.quit()).receive("250 Ok");
  expect(played.written).toEqual([MAIL, RCPT, "RSET", "QUIT"]);
});

test("a rejected sender needs no RSET", () => {
  const played = check("b@example.net").receive("550 5.7.1 No");
  expect(played.result).toBe("sender sender_rejected not-sent");
  expect(played.apply(played.conversation.quit()).written).toEqual([MAIL, "QUIT"]);
});

for (const [from, recipient, phase] of [
  ["ä@example.org", "b@example.net", "sender"],
  ["a@example.org", "ä@example.net", "recipient"],
] as const) {
  test(`without SMTPUTF8, a check of ${from} and ${recipient} fails in phase ${phase}`, () => {
    const played = openPlayed([]);
    played.apply(played.conversation.checkAddresses(from, recipient));
    expect(played.result).toBe(`${phase} unsupported_here not-sent`);
    expect(played.written).toEqual([]);
  });
}

for (const [what, replies] of [
  ["a 421 to RSET", ["421 Closing"]],
  ["two replies to RSET", ["250 Ok\n250 Ok"]],
  ["a 354 to RSET", ["354 go"]],
] as const) {
  test(`nothing is written after ${what}`, () => {
    const played = check(null).receive("250 Ok");
    played.apply(played.conversation.quit()).receive(...replies);
    expect(played.written).toEqual([MAIL, "RSET"]);
    expect(played.result).toBe("successful");
  });
}

test("a lost connection leaves a check not sent, never unknown", () => {
  const played = check("b@example.net").receive("250 Ok");
  played.conversation.lost("timeout");
  expect(played.result).toBe("recipient timeout not-sent");
});
