import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  FAILURE_CODES,
  type FailureCode,
  noConnection,
  notSent,
  PHASES,
  type Phase,
  type Remedy,
  unknownOutcome,
} from "../../../src/domain/delivery.ts";
import { HINTS } from "../../../src/domain/hints/index.ts";
import { hintFor } from "../../../src/mail/hints/hint-for.ts";
import type { HintContext } from "../../../src/mail/hints/rule.ts";
import { rejection } from "../../../src/smtp/failures.ts";
import { KNOWN_REPLIES } from "../../../src/smtp/provider-replies.ts";
import { replyOf } from "../../fixtures/smtp/reply.ts";

const HOST = "mail.example.org";
const CONTEXT: HintContext = {
  ...{
    host: HOST,
    server: HOST,
    port: 587,
    security: "starttls",
    username: "u",
    provider: "",
    auth: "password",
    reply: null,
  },
};
const NO_STARTTLS = { greeting: "mx", extensions: { clear: ["PIPELINING"], tls: [] }, mechanisms: [] };
/** One or two sentences, with at most one colon or semicolon each. */
const SENTENCES = /^[A-Z][^.]{10,}(\.[^ .][^.]*)*\.( [A-Z][^.]{5,}(\.[^ .][^.]*)*\.)?$/;

const hintOf = (code: FailureCode, phase: Phase, change: Partial<HintContext> = {}) => {
  const context = { ...CONTEXT, ...change };
  return hintFor(notSent(phase, code, context.reply), context);
};
const text = (...args: Parameters<typeof hintOf>): string => hintOf(...args)?.text ?? "";
/** Returns the hint after a rejection, chosen from the reply alone. */
const afterRejection = (phase: Phase, line: string, change: Partial<HintContext> = {}) => {
  const context = { ...CONTEXT, ...change, reply: replyOf(line) };
  const { security, username } = context;
  const known = { isTls: security !== "none", hasLogin: username !== "" };
  return hintFor(rejection(phase, context.reply, known), context);
};

describe("hintFor() of a failure without a reply", () => {
  test.each<[code: FailureCode, phase: Phase, context: Partial<HintContext>, has: string]>([
    ["timeout", "greeting", { port: 465 }, "smtps://mail.example.org"],
    ["timeout", "greeting", { port: 465, security: "none" }, "smtps://"],
    ["timeout", "greeting", { port: 465, security: "implicit" }, "sent nothing"],
    ["timeout", "connect", { port: 25 }, "port 25"],
    ["timeout", "data", {}, "too slow"],
    ["timeout", "auth", {}, "too slow"],
    ["tls_required", "auth", { security: "none" }, "access token"],
    ["protocol", "greeting", { port: 465 }, "smtps://"],
    ["protocol", "connect", { port: 587, security: "implicit" }, "set tls to true"],
    ["protocol", "starttls", {}, "TLS handshake"],
    ["protocol", "greeting", {}, "does not follow SMTP"],
    ["closed", "greeting", { port: 465 }, "smtps://"],
    ["closed", "greeting", {}, "before its greeting"],
    ["closed", "auth", {}, "closed the connection"],
    ["closed", "data", {}, "closed the connection"],
    ["refused", "connect", { port: 25 }, "Nothing is listening on port 25. Try 587"],
    ["refused", "connect", { port: 587 }, "Try 465"],
    ["refused", "connect", { port: 2_525 }, "port 2525"],
    ["unreachable", "dns", {}, "name server"],
    ["unreachable", "connect", {}, "firewall"],
    ["network", "connect", {}, "network"],
    ["dns_not_found", "dns", { host: "mial.example.org" }, "mial.example.org"],
    ["tls_not_offered", "starttls", {}, "465"],
    ["tls_not_offered", "starttls", { port: 25 }, "587"],
    ["cert_name", "certificate", {}, "mail.example.org"],
    ["cert_untrusted", "certificate", {}, "SEALPOST_TLS_CA"],
    ["cert_required", "certificate", {}, "tls_certificate and tls_private_key"],
    ["cert_rejected", "certificate", {}, "tls_certificate"],
    ["closed", "ehlo", { tlsCertificate: "PEM" }, "tls_certificate"],
    ["closed", "greeting", { tlsCertificate: "PEM", security: "implicit" }, "tls_certificate"],
    ["closed", "greeting", { tlsCertificate: "PEM", security: "none" }, "before its greeting"],
    ["tls_failed", "starttls", {}, "tls_certificate"],
    ["tls_failed", "certificate", {}, "Workers do not report why"],
    ["unsupported_here", "certificate", {}, "tls_certificate"],
    ["auth_not_offered", "auth", { security: "none" }, "set tls to true"],
    ["auth_not_offered", "auth", {}, "PLAIN, LOGIN, CRAM-MD5"],
    ["auth_rejected", "auth", {}, "username and password"],
    ["sender_missing", "sender", {}, "Set sender"],
    ["egress_denied", "policy", {}, "SEALPOST_EGRESS"],
  ])("%s in phase %s with %j has %p", (code, phase, context, has) => {
    expect(text(code, phase, context)).toContain(has);
  });

  test("does not name the server, or another port, if the message waited for a connection of others", () => {
    for (const port of [25, 465, 587]) {
      const hint = hintFor(noConnection(), { ...CONTEXT, port });
      expect(hint?.text).toBe(
        "No connection was free before the time was over. Try again later, or queue the message.",
      );
      expect(hint?.remedy).toBeNull();
    }
  });

  test("warns about a second copy only if the outcome is unknown", () => {
    for (const code of ["timeout", "closed", "protocol", "network"] as const) {
      expect(hintFor(unknownOutcome(code), CONTEXT)?.text).toContain("may have accepted it");
      expect(text(code, "data")).not.toContain("accepted");
    }
  });

  test("is the same for two denied targets", () => {
    const [first, second] = ["10.0.0.1", "169.254.169.254"].map((host) =>
      hintOf("egress_denied", "policy", { host, server: host }),
    );
    expect(first).toEqual(second ?? null);
  });
});

describe("hintFor() of a rejection", () => {
  const UNSUCCESSFUL = "535 5.7.139 Authentication unsuccessful";
  const clear = { security: "none" } as const;
  const anonymous = { username: "" } as const;
  const certified = { ...anonymous, tlsCertificate: "PEM" } as const;
  test.each<[phase: Phase, line: string, context: Partial<HintContext>, has: string]>([
    ["greeting", "421 Too many concurrent SMTP connections", {}, "max_connections"],
    ["greeting", "421 Busy", {}, "Try again later"],
    ["greeting", "554 No SMTP service here", {}, "The server was reached, but"],
    ["greeting", "450 Later", {}, "Try again later"],
    ["ehlo", "550 Bad name", {}, "SEALPOST_EHLO_NAME"],
    ["starttls", "454 4.7.0 TLS not available", {}, "Try again later"],
    ["starttls", "451 Later", {}, "Try again later"],
    ["starttls", "502 No", {}, "smtps://"],
    ["starttls", "554 No", {}, "rejects STARTTLS. Try smtps"],
    ["sender", "555 5.5.4 Unsupported option", {}, "reply has the reason"],
    ["recipient", "503 5.5.1 Error", {}, "reply has the reason"],
    ["sender", "455 Later", {}, "Try again later"],
    ["sender", "550 5.7.1 Invalid credentials for relay [192.0.2.1]", {}, "Admin console"],
    [
      "sender",
      "530 5.7.0 Must issue a STARTTLS command first",
      { ...clear, ...anonymous },
      "set tls to true",
    ],
    ["sender", "530 5.7.0 Authentication Required", { ...clear, ...anonymous }, "username and password"],
    ["recipient", "454 4.7.1 Relay access denied", anonymous, "username and password"],
    ["recipient", "454 4.7.1 Relay access denied", {}, "does not relay mail of this account"],
    ["recipient", "454 4.7.1 Relay access denied", certified, "tls_certificate"],
    ["ehlo", "421 4.7.1 Error: No client certificate presented", {}, "tls_certificate"],
    ["recipient", "550 relay not permitted", {}, "does not relay mail of this account"],
    ["auth", "538 5.7.11 Encryption required", clear, "set tls to true"],
    ["auth", "454 4.7.0 Temporary authentication failure", {}, "Wait"],
    ["auth", "535 5.7.8 No", {}, "username and password"],
    ["auth", "535 5.7.8 No", clear, "auth_mechanism"],
    ["auth", "535 5.7.30 No", {}, "basic authentication"],
    ["auth", "535 5.7.139 No", {}, "SMTP AUTH"],
    ["auth", `${UNSUCCESSFUL}, SmtpClientAuthentication is disabled for the Tenant.`, {}, "SMTP AUTH"],
    ["auth", `${UNSUCCESSFUL}, basic authentication is disabled.`, {}, "basic authentication"],
    ["auth", `${UNSUCCESSFUL}, the user credentials were incorrect.`, {}, "username and password"],
    [
      "auth",
      `${UNSUCCESSFUL}, the request did not meet the criteria to be authenticated.`,
      {},
      "conditional access",
    ],
    [
      "auth",
      `${UNSUCCESSFUL}, user is locked by your organization's security defaults policy.`,
      {},
      "conditional access",
    ],
    ["auth", "534 5.7.9 Application-specific password required", {}, "app password"],
    ["auth", "534 5.7.9 Mechanism is too weak", {}, "every kind of login"],
    ["auth", "432 4.3.2 Concurrent connections limit exceeded", {}, "max_connections"],
    ["auth", "454 4.3.2 Concurrent connections limit exceeded", {}, "max_connections"],
    ["auth", "454 4.3.2 Try again later", {}, "Try again later"],
    ["auth", "525 5.7.1 Unauthorized IP address", {}, "authorized IPs"],
    ["auth", "535 5.7.8 Error: authentication failed: no mechanism available", {}, "auth_mechanism"],
    ["sender", "550 5.4.5 Daily user sending limit exceeded", {}, "limit"],
    ["sender", "450 No", {}, "Try again later"],
    ["recipient", "553 5.7.1 Sender address rejected: not owned by user", {}, "Set sender"],
    ["recipient", "553 5.7.1 Sender address <a@b.example> not owned by user u", {}, "Set sender"],
    ["recipient", "550 5.1.8 No", {}, "domain of the sender"],
    ["recipient", "451 4.2.0 Greylisted, come back in 5 minutes", {}, "greylisting"],
    ["recipient", "450 4.2.0 Later", {}, "Try again later"],
    ["recipient", "452 4.2.2 Full", {}, "mailbox is full. Try again later"],
    ["recipient", "552 5.2.2 Full", {}, "mailbox is full. Ask"],
    ["recipient", "550 Mailbox full", {}, "mailbox is full. Ask"],
    ["recipient", "554 Mailbox is over its limit", {}, "mailbox is full. Ask"],
    ["recipient", "550 5.7.1 User ann is over quota", {}, "mailbox is full. Ask"],
    ["recipient", "450 Mailbox full", {}, "mailbox is full. Try again later"],
    ["recipient", "451 Deferred (grey listing)", {}, "greylisting"],
    ["recipient", "550 5.1.1 No such user", {}, "Check the address"],
    ["recipient", "550 5.7.1 No", anonymous, "username and password"],
    ["recipient", "504 5.5.2 <x>: Helo command rejected: need fully-qualified hostname", {}, "EHLO"],
    ["recipient", "554 5.7.1 Client host [192.0.2.1] blocked using x.example", {}, "IP address"],
    ["data", "454 Throttling failure: Maximum sending rate exceeded", {}, "mails_per_minute"],
    ["data", "451 Later", {}, "Try again later"],
    ["data", "554 5.2.252 SendAsDenied", {}, "Set sender"],
    ["data", "554 5.2.0 SubmissionQuotaExceeded", {}, "sending limit"],
    ["data", "550 5.7.26 This mail is unauthenticated", {}, "SPF"],
    ["data", "550 Spam", {}, "rejected the content"],
  ])("%s %p with %j has %p", (phase, line, context, has) => {
    expect(afterRejection(phase, line, context)?.text).toContain(has);
  });

  const ANY_REPLY = fc.record({
    code: fc.integer({ min: 400, max: 599 }),
    enhanced: fc.option(fc.tuple(fc.constantFrom(4, 5), fc.nat(9), fc.nat(200)).map((all) => all.join("."))),
    text: fc.constantFrom(
      "",
      "Relay access denied",
      "Sender address rejected",
      "STARTTLS",
      "Authentication required",
    ),
  });
  const ANY_CONTEXT = fc.record({
    security: fc.constantFrom("none" as const, "starttls" as const, "implicit" as const),
    username: fc.constantFrom("", "u"),
    port: fc.constantFrom(25, 465, 587, 2525),
  });
  test("never supposes that nothing is listening, and never asks to check an address or to leave TLS after a 4xx", () => {
    fc.assert(
      fc.property(fc.constantFrom(...PHASES), ANY_REPLY, ANY_CONTEXT, (phase, reply, change) => {
        const context = { ...CONTEXT, ...change, reply };
        const known = { isTls: context.security !== "none", hasLogin: context.username !== "" };
        const hint = hintFor(rejection(phase, reply, known), context)?.text ?? "";
        expect(hint).toMatch(SENTENCES);
        expect(hint).not.toContain("listening");
        expect(hint).not.toContain("tls to false");
        if (reply.code < 500) expect(hint).not.toMatch(/check the address/i);
      }),
    );
  });
});

describe("hintFor()", () => {
  const replies = [null, replyOf("450 Later"), replyOf("550 No")];
  test("has one or two sentences for every code in every phase, with and without a reply", () => {
    for (const code of FAILURE_CODES) {
      for (const phase of PHASES) {
        for (const reply of replies) {
          for (const security of ["none", "starttls", "implicit"] as const) {
            const hint = text(code, phase, { reply, security });
            expect([code, phase, hint]).toEqual([code, phase, expect.stringMatching(SENTENCES)]);
            expect(hint.length).toBeLessThanOrEqual(200);
          }
        }
      }
    }
  });

  test("has one or two sentences for every reply that is known", () => {
    for (const { hint } of KNOWN_REPLIES) if (hint) expect(HINTS[hint]).toMatch(SENTENCES);
  });

  test.each<[code: FailureCode, phase: Phase]>([
    ["refused", "greeting"],
    ["tls_not_offered", "starttls"],
    ["auth_rejected", "auth"],
    ["auth_not_offered", "auth"],
    ["sender_rejected", "sender"],
    ["recipient_rejected", "recipient"],
    ["content_rejected", "data"],
    ["too_large", "data"],
    ["rate_limited", "data"],
  ])("suggests waiting after a 4xx of %s, and a change after a 5xx", (code, phase) => {
    const [, temporary = null, permanent = null] = replies;
    expect(text(code, phase, { reply: temporary })).toMatch(/later/);
    expect(text(code, phase, { reply: permanent })).not.toMatch(/later/);
  });
});

describe("the remedy", () => {
  const reply = replyOf;
  test.each<[code: FailureCode, phase: Phase, context: Partial<HintContext>, remedy: Remedy | null]>([
    ["tls_required", "sender", { security: "none" }, { parameter: "tls", value: true }],
    ["tls_required", "sender", {}, null],
    ["auth_not_offered", "auth", { security: "none" }, { parameter: "tls", value: true }],
    ["timeout", "greeting", { port: 465 }, { parameter: "server", value: "smtps://mail.example.org" }],
    ["closed", "greeting", { port: 465, host: "::1" }, { parameter: "server", value: "smtps://[::1]" }],
    ["tls_not_offered", "starttls", {}, { parameter: "server", value: "smtps://mail.example.org" }],
    ["tls_not_offered", "starttls", { port: 25 }, { parameter: "port", value: 587 }],
    ["refused", "connect", { port: 25 }, { parameter: "port", value: 587 }],
    [
      "timeout",
      "connect",
      { port: 25, server: "smtp://mail.example.org:25" },
      { parameter: "server", value: "mail.example.org:587" },
    ],
    ["timeout", "connect", { port: 25, host: "::1", server: "::1" }, { parameter: "port", value: 587 }],
    [
      "timeout",
      "connect",
      { port: 25, host: "::1", server: "[::1]:25" },
      { parameter: "server", value: "[::1]:587" },
    ],
    ["unsupported_here", "connect", { port: 25 }, { parameter: "port", value: 587 }],
    // A token, with and without STARTTLS; and a server that requires TLS, whatever it lists.
    ["tls_required", "auth", { security: "none" }, { parameter: "tls", value: true }],
    [
      "tls_required",
      "auth",
      { security: "none", seen: NO_STARTTLS },
      { parameter: "server", value: "smtps://mail.example.org" },
    ],
    [
      "tls_required",
      "sender",
      { security: "none", seen: NO_STARTTLS, reply: reply("530 5.7.0 Must issue a STARTTLS command first") },
      { parameter: "tls", value: true },
    ],
    ["auth_not_offered", "auth", { security: "none", seen: NO_STARTTLS }, null],
    ["auth_required", "recipient", { username: "" }, { parameter: "username", value: null }],
    ["auth_required", "recipient", {}, null],
    ["auth_rejected", "auth", { reply: reply("535 5.7.8 No") }, { parameter: "password", value: null }],
    ["auth_rejected", "auth", { reply: reply("454 4.7.0 Later") }, null],
    [
      "auth_rejected",
      "auth",
      { reply: { ...reply("432 A password transition is needed"), enhanced: "4.7.12" } },
      { parameter: "auth_mechanism", value: "plain" },
    ],
    ["sender_rejected", "sender", { reply: reply("550 No") }, { parameter: "sender", value: null }],
    ["sender_rejected", "sender", { reply: reply("450 Later") }, null],
    ["recipient_rejected", "recipient", { reply: reply("550 No") }, { parameter: "recipient", value: null }],
    ["recipient_rejected", "recipient", { reply: reply("450 Later") }, null],
    [
      "rate_limited",
      "auth",
      { reply: reply("432 4.3.2 Concurrent connections limit exceeded") },
      { parameter: "max_connections", value: 3 },
    ],
    ["dns_not_found", "dns", {}, { parameter: "server", value: null }],
    ["sign_expired", "sign", {}, { parameter: "certificate", value: null }],
    ["cancelled", "data", {}, null],
    ["egress_denied", "policy", {}, null],
  ])("of %s in phase %s with %j is %j", (code, phase, context, remedy) => {
    expect(hintOf(code, phase, context)?.remedy).toEqual(remedy);
  });
});
