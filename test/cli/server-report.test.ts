import { expect, test } from "bun:test";
import { reportLines } from "../../src/cli/server-report.ts";
import { NOTHING_SEEN } from "../../src/domain/delivery.ts";
import { ACCEPTED } from "../fixtures/receipts.ts";
import { SEEN } from "../fixtures/rich-transport.ts";

const TLS = { protocol: "TLSv1.3", peer: "mail.example.org", daysLeft: 29 };

test("reportLines() shows all that a conversation saw, a line each", () => {
  expect(reportLines({ ...ACCEPTED, tls: TLS, seen: SEEN })).toEqual([
    "Address:     2001:db8::1 timeout after 250 ms",
    "Address:     192.0.2.1 connected after 12 ms",
    "Greeting:    mail.example.org ESMTP ready",
    "Extensions:  STARTTLS, SIZE 1000000",
    "Under TLS:   AUTH PLAIN LOGIN, SIZE 1000000",
    "Mechanisms:  PLAIN, LOGIN",
    "Size:        at most 1000000 octets",
    "TLS:         TLSv1.3, certificate valid for 29 days",
    "Certificate: CN=mail.example.org, issued by CN=Authority, valid until 2026-07-01",
    "Certificate: CN=Authority, issued by CN=Authority",
  ]);
});

test("reportLines() leaves out what was not seen", () => {
  expect(reportLines(ACCEPTED)).toEqual([]);
  const tls = { protocol: null, peer: null, daysLeft: null };
  expect(reportLines({ ...ACCEPTED, tls })).toEqual(["TLS:         yes"]);
});

test("reportLines() lets no server steer the terminal", () => {
  const seen = { ...NOTHING_SEEN, greeting: "\u001b[2J\u009bhello\r\n" };
  expect(reportLines({ ...ACCEPTED, seen }).join()).not.toMatch(/\p{Cc}/u);
});
