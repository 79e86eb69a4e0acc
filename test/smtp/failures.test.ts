import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FAILURE_CODES, type FailureCode, PHASES, type Phase } from "../../src/domain/delivery.ts";
import { type RejectionContext, rejection } from "../../src/smtp/failures.ts";
import { replyOf } from "../fixtures/smtp/reply.ts";

const CLEAR = { isTls: false, hasLogin: false };
const TLS = { isTls: true, hasLogin: false };
const LOGIN = { isTls: false, hasLogin: true };
const TLS_LOGIN = { isTls: true, hasLogin: true };

type Row = readonly [phase: Phase, line: string, code: FailureCode, context?: RejectionContext];

const ROWS: Readonly<Record<string, readonly Row[]>> = {
  "the session": [
    ["greeting", "421 Too many concurrent SMTP connections", "rate_limited"],
    ["greeting", "421 4.7.0 try later", "rate_limited"],
    ["ehlo", "421 4.3.2 Shutting down", "rate_limited"],
    ["starttls", "421 4.3.2 Shutting down", "rate_limited"],
    ["auth", "421 4.7.0 Too many errors", "rate_limited"],
    ["sender", "421 Later", "rate_limited"],
    ["recipient", "421 Later", "rate_limited"],
    ["data", "421 Later", "rate_limited"],
    ["auth", "432 4.3.2 Concurrent connections limit exceeded", "rate_limited"],
    ["auth", "432 4.7.12 A password transition is needed", "auth_rejected"],
    ["sender", "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", "rate_limited"],
    ["data", "432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded", "rate_limited"],
    ["greeting", "554 mx does not accept mail", "refused"],
    ["greeting", "521 This host does not accept mail", "refused"],
    ["greeting", "450 Busy", "refused"],
    ["greeting", "450 4.3.2 Service currently unavailable", "rate_limited"],
    ["greeting", "554 5.7.1 Too many connections", "rate_limited"],
    ["ehlo", "550 Bad HELO", "refused"],
    ["ehlo", "452 4.4.5 Too busy", "rate_limited"],
  ],
  "client certificates": [
    ["ehlo", "421 4.7.1 mx.test Error: No client certificate presented", "cert_required", TLS],
    ["ehlo", "421 4.7.1 mx.test Error: Client certificate not trusted", "cert_rejected", TLS],
    ["greeting", "421 4.7.1 mx.test Error: Client certificate not trusted", "cert_rejected", TLS],
    ["ehlo", "421 4.7.1 mx.test Error: No client certificate presented", "rate_limited"],
  ],
  STARTTLS: [
    ["starttls", "454 4.7.0 TLS not available due to local problem", "tls_unavailable"],
    ["starttls", "454 TLS not available", "tls_unavailable"],
    ["starttls", "502 Not implemented", "tls_not_offered"],
    ["starttls", "451 Later", "tls_not_offered"],
    ["starttls", "554 5.7.1 No", "tls_not_offered"],
    ["starttls", "451 4.4.5 Congested", "rate_limited"],
    ["starttls", "530 5.7.0 Authentication required", "auth_required", TLS],
    ["starttls", "530", "auth_required", TLS],
    ["starttls", "538 5.7.11 Encryption required", "tls_required", TLS],
  ],
  "530 and 538": [
    ["sender", "530 5.7.0 Must issue a STARTTLS command first", "tls_required"],
    ["sender", "530 5.7.0 Must issue a STARTTLS command first", "tls_required", TLS],
    ["sender", "530 5.7.0 Authentication Required", "auth_required"],
    ["sender", "530 5.7.0 Authentication Required", "auth_required", TLS],
    ["sender", "530 5.7.0 Authentication required; use STARTTLS first", "tls_required"],
    ["sender", "530 5.7.0 Authentication required; use STARTTLS first", "auth_required", TLS],
    ["sender", "530 5.7.57 SMTP; Client was not authenticated", "auth_required", TLS],
    ["recipient", "530 5.7.1 Log in first", "auth_required"],
    ["data", "530 Access denied", "tls_required"],
    ["data", "530 Access denied", "auth_required", TLS],
    ["recipient", "530", "tls_required", LOGIN],
    ["ehlo", "530 5.7.0 TLS", "tls_required"],
    ["auth", "530 5.7.0 Must issue a STARTTLS command first", "tls_required", LOGIN],
    ["auth", "530", "auth_required", TLS_LOGIN],
    ["auth", "530 Too many invalid logon attempts.", "auth_required", LOGIN],
    ["auth", "538 5.7.11 Encryption required for requested authentication mechanism", "tls_required", LOGIN],
    ["auth", "538", "tls_required", LOGIN],
    ["sender", "538 5.7.11 Encryption required", "tls_required"],
    ["auth", "523 5.7.10 Encryption needed", "tls_required", LOGIN],
    ["recipient", "450 4.7.1 Session encryption is required", "tls_required"],
    ["sender", "550 5.7.1 TLS required", "tls_required"],
  ],
  AUTH: [
    ["auth", "535 5.7.8 Credentials are invalid", "auth_rejected", LOGIN],
    ["auth", "454 4.7.0 Temporary authentication failure", "auth_rejected", LOGIN],
    ["auth", "454 4.3.0 Temporary authentication failure", "auth_rejected", LOGIN],
    ["auth", "454 Temporary authentication failure", "auth_rejected", LOGIN],
    ["auth", "454 4.3.2 Concurrent connections limit exceeded", "rate_limited", LOGIN],
    ["auth", "454 4.3.2 System not accepting network messages", "rate_limited", LOGIN],
    ["auth", "454 4.7.0 Concurrent connections limit exceeded", "rate_limited", LOGIN],
    ["auth", "454 Connection limit reached for this user", "rate_limited", LOGIN],
    [
      "auth",
      "454 4.7.0 You have reached the maximum number of concurrent connections",
      "rate_limited",
      LOGIN,
    ],
    ["auth", "535 5.7.8 Login limit exceeded for connections without TLS", "auth_rejected", TLS_LOGIN],
    ["auth", "535 5.7.8 Authentication failed, connection limit exceeded", "auth_rejected", LOGIN],
    ["auth", "454 4.7.0 Connection to LDAP: maximum number of connections", "auth_rejected", LOGIN],
    ["recipient", "550 5.7.1 Maximum number of connections reached", "recipient_rejected"],
    ["recipient", "550 5.1.1 The connection limit exceeded list does not exist", "recipient_rejected"],
    ["data", "554 5.7.1 Message about a connection limit reached", "content_rejected"],
    ["greeting", "450 Connection limit exceeded", "rate_limited"],
    ["ehlo", "454 Maximum number of connections reached", "rate_limited"],
    ["greeting", "554 Too many connections", "rate_limited"],
    ["auth", "501 5.5.2 Cannot decode", "auth_rejected", LOGIN],
    ["auth", "500 Line too long", "auth_not_offered", LOGIN],
    ["auth", "502 Command not implemented", "auth_not_offered", LOGIN],
    ["auth", "504 5.7.4 Unrecognized authentication type", "auth_not_offered", LOGIN],
    ["auth", "504 5.5.4 Unknown mechanism", "auth_not_offered", LOGIN],
    ["auth", "534 5.7.9 Authentication mechanism is too weak", "auth_not_offered", LOGIN],
    ["auth", "534 5.7.9 Application-specific password required", "auth_rejected", LOGIN],
    ["auth", "535 5.7.139 SmtpClientAuthentication is disabled for the Tenant", "auth_rejected", LOGIN],
    ["auth", "550 5.7.30 Basic authentication is not supported", "auth_rejected", LOGIN],
    ["auth", "504 5.7.30 Basic authentication is not supported", "auth_rejected", LOGIN],
    ["auth", "503 5.5.1 Error: authentication not enabled", "auth_not_offered", LOGIN],
    ["auth", "503 AUTH command used when not advertised", "auth_not_offered", LOGIN],
    ["auth", "503 5.3.3 AUTH not available", "auth_not_offered", LOGIN],
    ["auth", "503 5.5.1 Invalid command: Command not supported", "auth_not_offered", TLS_LOGIN],
    ["auth", "503 5.5.1 Bad sequence of commands", "auth_not_offered", TLS_LOGIN],
    ["auth", "525 5.7.1 Unauthorized IP address", "auth_rejected", LOGIN],
    ["auth", "525 5.7.13 User account disabled", "auth_rejected", LOGIN],
    ["auth", "451 Authentication failed: Maximum credits exceeded", "rate_limited", LOGIN],
    ["auth", "535 5.7.1 Sender address rejected", "auth_rejected", LOGIN],
  ],
  "limits of the account": [
    ["sender", "550 5.4.5 Daily user sending limit exceeded", "rate_limited"],
    ["data", "550 5.4.5 Daily sending quota exceeded", "rate_limited"],
    ["recipient", "452 4.4.5 Later", "rate_limited"],
    ["data", "454 Throttling failure: maximum sending rate exceeded", "rate_limited"],
    ["data", "451 Later", "rate_limited"],
    ["data", "450 4.2.0 Later", "rate_limited"],
    ["data", "452 4.3.1 Insufficient system storage", "rate_limited"],
    ["data", "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException", "rate_limited"],
    ["data", "554 5.2.0 SubmissionQuotaExceeded", "rate_limited"],
    ["data", "550 5.2.2 Submission quota exceeded", "rate_limited"],
    ["data", "550 5.1.90 Your message can't be sent", "rate_limited"],
    ["data", "550 5.2.121 Recipient's per hour message receive limit", "rate_limited"],
    ["data", "550 5.7.232 Your message can't be sent", "rate_limited", TLS_LOGIN],
    ["recipient", "550 Domain example.org has exceeded the max emails per hour", "rate_limited"],
    [
      "recipient",
      "450 4.2.1 The user you are trying to contact is receiving mail too quickly",
      "rate_limited",
    ],
    ["sender", "451 4.7.1 Try later", "rate_limited"],
    ["sender", "452 4.3.1 Insufficient system storage", "rate_limited"],
    ["recipient", "450 4.7.1 Try later", "rate_limited"],
    ["recipient", "452 4.5.3 Too many recipients", "rate_limited"],
  ],
  "the sender": [
    ["sender", "550 5.1.8 Bad sender", "sender_rejected"],
    ["recipient", "550 5.1.8 Access denied, bad outbound sender", "sender_rejected"],
    ["recipient", "450 4.1.8 Sender address rejected: Domain not found", "sender_rejected"],
    ["recipient", "553 5.1.7 Bad syntax", "sender_rejected"],
    [
      "recipient",
      "553 5.7.1 <a@b.example>: Sender address rejected: not owned by user u",
      "sender_rejected",
      LOGIN,
    ],
    ["recipient", "553 5.7.1 <a@b.example>: Sender address rejected: not logged in", "auth_required"],
    ["recipient", "550 5.1.0 <a@b.example>: Sender address rejected: User unknown", "sender_rejected"],
    ["recipient", "550 Sender verify failed", "sender_rejected"],
    ["data", "554 5.2.252 SendAsDenied; a not allowed to send as b", "sender_rejected", TLS_LOGIN],
    ["data", "554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException", "sender_rejected", TLS_LOGIN],
    [
      "data",
      "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
      "sender_rejected",
      TLS_LOGIN,
    ],
    ["data", "554 Message rejected: Email address is not verified.", "sender_rejected", TLS_LOGIN],
    ["data", "554 Message rejected: Sending suspended for this account.", "sender_rejected", TLS_LOGIN],
    ["data", "550 5.7.800 Access denied, banned sender", "sender_rejected", TLS_LOGIN],
    ["data", "550 The from address does not match a verified Sender Identity", "sender_rejected", TLS_LOGIN],
    ["data", "550 5.7.26 This mail is unauthenticated, which poses a security risk", "sender_rejected"],
    ["sender", "550 5.7.27 Sender address has null MX", "sender_rejected"],
    ["sender", "451 Later", "sender_rejected"],
    ["sender", "550 No", "sender_rejected"],
  ],
  "the recipient": [
    ["recipient", "550 5.1.1 No such user", "recipient_rejected"],
    ["recipient", "550 4.1.1 No such user", "recipient_rejected"],
    ["recipient", "550 5.1.10 RESOLVER.ADR.RecipientNotFound", "recipient_rejected"],
    ["recipient", "556 5.1.10 Null MX", "recipient_rejected"],
    ["recipient", "550 No", "recipient_rejected"],
    ["recipient", "450 4.2.0 Later", "recipient_rejected"],
    ["recipient", "451 4.3.0 Busy", "recipient_rejected"],
    ["recipient", "451 4.2.0 Greylisted, come back in 5 minutes", "recipient_rejected"],
    ["recipient", "452 4.2.2 Mailbox full", "recipient_rejected"],
    ["recipient", "552 5.2.2 Mailbox full", "recipient_rejected"],
    ["data", "452 4.2.2 Mailbox full", "recipient_rejected"],
    ["data", "552 5.2.2 Mailbox full", "recipient_rejected"],
    ["data", "550 5.1.1 No such user", "recipient_rejected"],
    ["recipient", "550 5.4.1 Recipient address rejected: Access denied", "recipient_rejected"],
    [
      "recipient",
      "550 5.7.134 SenderNotAuthenticatedForMailbox; authentication required",
      "recipient_rejected",
    ],
    ["data", "406 Inactive recipient", "recipient_rejected"],
  ],
  relaying: [
    ["recipient", "454 4.7.1 <a@b.example>: Relay access denied", "auth_required"],
    ["recipient", "454 4.7.1 <a@b.example>: Relay access denied", "recipient_rejected", LOGIN],
    ["recipient", "554 5.7.1 <a@b.example>: Relay access denied", "auth_required", TLS],
    ["recipient", "550 relay not permitted", "auth_required"],
    ["recipient", "550 relay not permitted", "recipient_rejected", TLS_LOGIN],
    ["recipient", "550 5.7.1 <a@b.example>... Relaying denied", "auth_required"],
    [
      "recipient",
      "550 5.7.1 <a@b.example>... Relaying denied. Proper authentication required.",
      "auth_required",
    ],
    [
      "recipient",
      "550 5.7.1 <a@b.example>... Relaying denied. Proper authentication required.",
      "recipient_rejected",
      TLS_LOGIN,
    ],
    ["recipient", "550 relay not permitted, authentication required", "recipient_rejected", TLS_LOGIN],
    ["recipient", "550 5.7.1 Unable to relay", "auth_required"],
    ["recipient", "550 5.4.1 Relay Access Denied", "auth_required"],
    ["recipient", "550 [192.0.2.1] is not permitted to relay through this server", "auth_required"],
    ["recipient", "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", "auth_required"],
    ["recipient", "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain", "auth_required"],
    ["recipient", "550 5.7.54 SMTP; Unable to relay", "recipient_rejected", LOGIN],
    ["data", "550 5.7.64 TenantAttribution; Relay Access Denied", "auth_required"],
    ["sender", "550 5.7.1 Invalid credentials for relay [192.0.2.1]", "auth_required"],
    ["sender", "550 5.7.1 Invalid credentials for relay [192.0.2.1]", "auth_required", TLS_LOGIN],
    ["sender", "550 5.7.57 Client was not authenticated", "auth_required", TLS],
    ["recipient", "550 SMTP authentication is required", "auth_required"],
    ["recipient", "554 5.7.1 <h[192.0.2.1]>: Client host rejected: Access denied", "auth_required", TLS],
  ],
  "the client": [
    ["recipient", "554 5.7.1 <h[192.0.2.1]>: Client host rejected: Access denied", "refused", TLS_LOGIN],
    [
      "recipient",
      "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using x.example",
      "refused",
    ],
    ["recipient", "504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname", "refused"],
    ["data", "550 5.7.25 No reverse DNS", "refused"],
    ["recipient", "550 5.7.606 Access denied, banned sending IP", "refused"],
    ...(["sender", "recipient", "data"] as const).flatMap((phase): Row[] => [
      [phase, "550 5.7.1 [192.0.2.1] The IP you're using to send mail is not authorized", "refused"],
      [phase, "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Part of their", "refused"],
    ]),
  ],
  "the state of the session, at DATA as well": [
    ["data", "503", "protocol"],
    ["data", "503 5.5.1 Bad sequence of commands", "protocol"],
    ["data", "503 RCPT first (#5.5.1)", "protocol"],
    ["data", "503 Valid RCPT command must precede DATA", "protocol"],
    ["data", "500 5.5.2 Syntax error, command unrecognized", "protocol"],
    ["data", "502 5.5.1 Command not implemented", "protocol"],
    ["data", "554 5.5.1 Error: no valid recipients", "protocol"],
  ],
  "the message": [
    ["sender", "552 5.3.4 Too big", "too_large"],
    ["sender", "552 Too big", "too_large"],
    ["data", "552 5.2.3 Too long", "too_large"],
    ["data", "452 4.3.4 Too big", "too_large"],
    ["data", "554 5.2.0 Unspecified", "content_rejected"],
    ["data", "550 5.7.1 Spam", "content_rejected"],
    ["data", "550 4.7.1 Spam", "content_rejected"],
    ["data", "554", "content_rejected"],
    [
      "data",
      "552 5.7.0 This message was blocked because its content presents a potential security issue",
      "content_rejected",
    ],
    ["data", "451 5.7.1 Later", "rate_limited"],
  ],
};

for (const [about, rows] of Object.entries(ROWS)) {
  describe(`a rejection about ${about}`, () => {
    for (const [phase, line, code, context = CLEAR] of rows) {
      const { isTls, hasLogin } = context;
      test(`${phase} "${line}" is ${code}, TLS ${isTls}, login ${hasLogin}`, () => {
        const reply = replyOf(line);
        expect(rejection(phase, reply, context)).toMatchObject({
          phase,
          code,
          reply,
          outcome: "not-sent",
          retryable: reply.code < 500,
        });
      });
    }
  });
}

test("only a rejection of recipient, content or size from MAIL on is the message's fault", () => {
  const faultOf = (phase: Phase, line: string, context = CLEAR) =>
    rejection(phase, replyOf(line), context).fault;
  expect(faultOf("recipient", "550 5.1.1 No such user")).toBe("mail");
  expect(faultOf("data", "554 Spam")).toBe("mail");
  expect(faultOf("sender", "552 5.3.4 Too big")).toBe("mail");
  expect(faultOf("recipient", "553 5.7.1 Sender address rejected: not owned by user")).toBe("server");
  expect(faultOf("recipient", "554 5.7.1 Relay access denied")).toBe("server");
  expect(faultOf("data", "554 5.2.252 SendAsDenied")).toBe("server");
  expect(faultOf("data", "503 5.5.1 Bad sequence of commands")).toBe("server");
  expect(faultOf("recipient", "530 5.7.0 TLS")).toBe("server");
  expect(faultOf("auth", "535 5.7.8 No", LOGIN)).toBe("server");
});

const KNOWN_WORDS = Object.values(ROWS).flatMap((rows) => rows.map(([, line]) => replyOf(line).text));
const phases = fc.constantFrom(...PHASES);
const codes = fc.integer({ min: 400, max: 599 });
const detail = fc.tuple(fc.constantFrom(4, 5), fc.nat(9), fc.nat(999)).map((parts) => parts.join("."));
const texts = fc.oneof(fc.constantFrom(...KNOWN_WORDS), fc.string());
const contexts = fc.record({ isTls: fc.boolean(), hasLogin: fc.boolean() });

test("every rejection has a code of the table, and is retryable if and only if the reply code starts with 4", () => {
  const replies = fc.record({ code: codes, enhanced: fc.option(detail), text: texts });
  fc.assert(
    fc.property(phases, replies, contexts, (phase, reply, context) => {
      const failure = rejection(phase, reply, context);
      expect(FAILURE_CODES).toContain(failure.code);
      expect(failure).toMatchObject({ phase, reply, outcome: "not-sent", retryable: reply.code < 500 });
    }),
  );
});

test("the text of a reply changes neither retryable nor outcome", () => {
  fc.assert(
    fc.property(phases, codes, fc.option(detail), texts, contexts, (phase, code, enhanced, text, context) => {
      const spoken = rejection(phase, { code, enhanced, text }, context);
      const silent = rejection(phase, { code, enhanced, text: "" }, context);
      expect([spoken.retryable, spoken.outcome]).toEqual([silent.retryable, silent.outcome]);
    }),
  );
});
