import { expect, test } from "bun:test";
import { printable } from "../../src/cli/output.ts";
import { reportLines } from "../../src/cli/server-report.ts";
import { NOTHING_SEEN, notSent, type Receipt } from "../../src/domain/delivery.ts";
import { toTestDetail } from "../../src/http/smtpserver-test-schema.ts";
import { ACCEPTED } from "../fixtures/receipts.ts";
import { SEEN } from "../fixtures/rich-transport.ts";

const TLS = { protocol: "TLSv1.3", peer: "mail.example.org", daysLeft: 29 };
const SERVER = {
  server: "mail.example.org",
  port: 587,
  tls: true,
  username: "",
  provider: "",
  auth: "password",
} as const;

/** Returns the lines for a test whose only recipient has this receipt. */
async function linesOf(receipt: Receipt): Promise<string[]> {
  const recipients = [{ recipient: "you@example.net", receipt }];
  const result = { state: "delivered", identifier: "main", recipients, smime: null, skipped: [] } as const;
  return reportLines(await toTestDetail(result, SERVER, false));
}

test("reportLines() shows the conversation as the API does, one fact per line", async () => {
  const timingMs = { connect: 12.04, ehlo: 3 };
  expect(await linesOf({ ...ACCEPTED, tls: TLS, seen: SEEN, timingMs, roundTrips: 6 })).toEqual([
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
    "Times:       connect 12 ms, ehlo 3 ms",
    "Round trips: 6",
  ]);
});

test("reportLines() omits facts that the conversation did not reach", async () => {
  expect(await linesOf(ACCEPTED)).toEqual([]);
  const tls = { protocol: null, peer: null, daysLeft: null };
  expect(await linesOf({ ...ACCEPTED, tls })).toEqual(["TLS:         yes"]);
});

test("reportLines() has the singular for the last day of a certificate", async () => {
  const tls = { protocol: null, peer: null, daysLeft: 1 };
  expect(await linesOf({ ...ACCEPTED, tls })).toEqual(["TLS:         yes, certificate valid for 1 day"]);
});

test("reportLines() shows a rejected certificate, and no TLS", async () => {
  const [leaf] = SEEN.chain ?? [];
  const seen = { ...NOTHING_SEEN, chain: leaf === undefined ? [] : [leaf] };
  const failure = notSent("certificate", "cert_untrusted");
  expect(await linesOf({ ...ACCEPTED, successful: false, failure, seen })).toEqual([
    "TLS:         certificate rejected",
    "Certificate: CN=mail.example.org, issued by CN=Authority, valid until 2026-07-01",
  ]);
});

test("printable() removes characters that control a terminal", async () => {
  expect(printable("\u001b[2J\u009bhello\r\n")).not.toMatch(/\p{Cc}/u);
});
