import { describe, expect, test } from "bun:test";
import type { FailureCode, Phase } from "../../src/domain/delivery.ts";
import type { Security } from "../../src/domain/smtp-server.ts";
import { hintFor } from "../../src/mail/hints/hint-for.ts";
import { afterAttempt } from "../../src/mail/queue/after-attempt.ts";
import { rejection } from "../../src/smtp/failures.ts";
import { presentReply, ReplyReader } from "../../src/smtp/replies.ts";
import { ACCOUNT_WORDS, LIMITS, REJECTED_LOGINS, UNVERIFIED_SENDERS } from "../fixtures/account-replies.ts";
import {
  CLEAR_REPLIES,
  CONTENT_WORDS,
  FULL_MAILBOXES,
  LOGIN_WORDS,
  OUT_OF_STEP,
  RECIPIENT_WORDS,
  RELAY_REPLIES,
  RELAYED_RECIPIENTS,
  SENDER_WORDS,
  SIZES,
  SYSTEM,
  TLS_REPLIES,
} from "../fixtures/server-replies.ts";

type Row = readonly [phase: Phase, reply: string];
/** What a reply leads to, for each row: the code, the remedy, and whether queued mail waits or ends. */
interface Claim {
  readonly code: FailureCode;
  /** The parameter that would mend it. */
  readonly remedy?: string;
  readonly fault: "server" | "mail";
  /** Default: in clear, without a username. */
  readonly security?: Security;
  readonly username?: string;
  readonly rows: readonly Row[];
}

const LISTED = ["PIPELINING", "STARTTLS", "AUTH PLAIN LOGIN"];
const SEEN = {
  greeting: "mx.test",
  extensions: { clear: LISTED, tls: LISTED },
  mechanisms: ["PLAIN", "LOGIN"],
};

const at = (phases: readonly Phase[], replies: readonly string[]): readonly Row[] =>
  phases.flatMap((phase) => replies.map((reply): Row => [phase, reply]));
const ADDRESSED = ["recipient", "data"] as const;
const TRANSACTION = ["sender", ...ADDRESSED] as const;

const CLAIMS: Readonly<Record<string, Claim>> = {
  "the session is out of step": {
    ...{ code: "protocol", remedy: "pipelining", fault: "server" },
    rows: at(TRANSACTION, OUT_OF_STEP),
  },
  // A parameter is rejected, alone as in a batch.
  "a parameter is not supported": {
    ...{ code: "protocol", fault: "server" },
    rows: at(TRANSACTION, [
      "504 Command parameter not implemented",
      "555 5.5.4 Unsupported option: SIZE=100",
      "504 5.5.4 Pipelining",
    ]),
  },
  "the session is out of step for now": {
    ...{ code: "protocol", fault: "server" },
    rows: at(TRANSACTION, ["455 Cannot accommodate parameters", "451 4.5.1 Later", "450 Pipelining"]),
  },
  "the system is at fault": { code: "refused", fault: "server", rows: at(TRANSACTION, SYSTEM) },
  "a machine's address is listed": {
    ...{ code: "refused", fault: "server" },
    rows: at(
      ["sender", "recipient"],
      [
        "550 5.7.1 [192.0.2.1] is listed at zen.spamhaus.org",
        "554 Your IP address is blocked",
        "554 Listed, see https://www.spamhaus.org/query/ip/192.0.2.1",
        "554 IP=192.0.2.1 - None/bad reputation.",
        "550 Client [192.0.2.1] has bad reputation",
        "554 5.7.1 Poor IP reputation",
      ],
    ),
  },
  "a login is wanted": {
    ...{ code: "auth_required", remedy: "username", fault: "server" },
    rows: at(TRANSACTION, LOGIN_WORDS),
  },
  "a login is wanted of one who has logged in": {
    ...{ code: "auth_required", fault: "server", username: "u", security: "starttls" },
    rows: at(TRANSACTION, LOGIN_WORDS),
  },
  "relaying is denied to a client without a username": {
    ...{ code: "auth_required", remedy: "username", fault: "server" },
    rows: at(TRANSACTION, RELAY_REPLIES),
  },
  "relaying is denied to an account": {
    ...{ code: "recipient_rejected", fault: "mail", username: "u" },
    rows: at(ADDRESSED, RELAY_REPLIES),
  },
  "TLS is wanted": {
    ...{ code: "tls_required", remedy: "tls", fault: "server", username: "u" },
    rows: [
      ...at(TRANSACTION, TLS_REPLIES),
      ...at(["sender", "recipient"], CLEAR_REPLIES),
      ["auth", "535 5.7.8 Plaintext authentication disallowed on non-secure (SSL/TLS) connections"],
      ["auth", "550 5.7.1 Submission requires TLS; issue STARTTLS first"],
      ["auth", "454 4.7.0 Encryption required"],
      ["auth", "550 5.7.1 AUTH not allowed on unencrypted connection"],
      ["auth", "502 5.5.1 AUTH only after STARTTLS"],
    ],
  },
  "TLS is wanted under TLS": {
    ...{ code: "tls_required", fault: "server", security: "implicit" },
    rows: [
      ...at(["sender"], TLS_REPLIES),
      ...at(TRANSACTION, ["530 5.7.0 Must issue a STARTTLS command first", "538 No", "550 5.7.10 No"]),
    ],
  },
  // The connection is encrypted: it is the recipient or the message who wants more.
  "TLS is wanted under TLS, after the sender": {
    ...{ code: "recipient_rejected", remedy: "recipient", fault: "mail" },
    ...{ security: "implicit", username: "u" },
    rows: at(
      ["recipient"],
      ["550 5.7.1 requires TLS", "554 5.7.1 Encryption needed, use TLS", "550 5.7.1 Recipient requires TLS"],
    ),
  },
  "the message is not encrypted": {
    ...{ code: "content_rejected", fault: "mail", security: "implicit" },
    rows: at(
      ["data"],
      [
        "550 5.7.1 requires TLS",
        "550 5.7.1 Message rejected: Blocked attachment .exe (attachment requires encryption)",
        "550 5.7.1 DLP: message contains credit card numbers and must be sent with encryption",
        "550 5.6.0 SMIME encryption required by recipient",
        "550 5.7.1 Attachment type not allowed; encryption is required for zip",
      ],
    ),
  },
  "a login is rejected under TLS": {
    ...{ code: "auth_rejected", remedy: "password", fault: "server", username: "u", security: "implicit" },
    rows: [["auth", "535 5.7.8 Plaintext authentication disallowed on non-secure (SSL/TLS) connections"]],
  },
  "the sender is rejected": {
    ...{ code: "sender_rejected", remedy: "sender", fault: "server", username: "u" },
    rows: at(TRANSACTION, SENDER_WORDS),
  },
  "the domain of the sender is not verified": {
    ...{ code: "sender_rejected", fault: "server" },
    rows: at(TRANSACTION, [
      "550 5.7.1 SPF check failed",
      "550 5.7.1 Message not accepted: DMARC policy of example.org",
      "550 5.7.515 Access denied, sending domain does not meet the required authentication level",
    ]),
  },
  "the account may not send": {
    ...{ code: "sender_rejected", fault: "server", username: "u" },
    rows: at(TRANSACTION, ACCOUNT_WORDS),
  },
  "the account may not log in": {
    ...{ code: "auth_rejected", fault: "server", username: "u", security: "implicit" },
    rows: at(
      ["auth"],
      [
        "525 5.7.13 User Account Disabled",
        "535 5.7.13 No",
        "535 5.7.0 Your account has been suspended",
        "535 Account u@example.org is temporarily locked",
        "550 5.7.1 User u is disabled",
        "535 5.7.8 Mailbox blocked",
        "454 4.7.0 Account locked, try again later",
      ],
    ),
  },
  "the login is rejected, not the account": {
    ...{ code: "auth_rejected", remedy: "password", fault: "server", username: "u", security: "implicit" },
    rows: at(["auth"], REJECTED_LOGINS),
  },
  "the account has sent too much to log in": {
    ...{ code: "rate_limited", fault: "server", username: "u", security: "implicit" },
    rows: at(["auth"], ["550 Too many messages. Try again in 92 seconds.", "454 4.7.0 Too many mails today"]),
  },
  "the server accepts other mechanisms": {
    ...{ code: "auth_not_offered", fault: "server", username: "u", security: "implicit" },
    rows: [["auth", "534 5.7.9 Basic authentication for mailbox users has been disabled, use OAuth"]],
  },
  "the account may not log in by this mechanism any longer": {
    ...{ code: "auth_rejected", remedy: "auth_mechanism", fault: "server", username: "u" },
    rows: [["auth", "534 5.7.12 A password transition is needed"]],
  },
  "the provider has not verified the sender": {
    ...{ code: "sender_rejected", remedy: "sender", fault: "server", username: "u" },
    rows: at(TRANSACTION, UNVERIFIED_SENDERS),
  },
  "the EHLO name is rejected": {
    ...{ code: "refused", fault: "server" },
    rows: at(TRANSACTION, [
      "550 HELO should be a FQDN or address literal (See RFC 2821 4.1.1.1)",
      '501 5.5.4 HELO/EHLO argument "x" invalid, closing connection.',
    ]),
  },
  "the sender is rejected for now": {
    ...{ code: "sender_rejected", fault: "server" },
    rows: at(TRANSACTION, ["450 4.7.1 Sender address is not allowed", "451 #4.1.8 Domain of sender"]),
  },
  "a limit is reached": { code: "rate_limited", fault: "server", rows: at(TRANSACTION, LIMITS) },
  "a size is of many messages, or of one": {
    ...{ code: "sender_rejected", remedy: "sender", fault: "server", username: "u" },
    rows: at(["sender"], ["554 Message size quota exceeded", "554 Total message size exceeds 10 MB"]),
  },
  "the sending account is full": {
    ...{ code: "rate_limited", fault: "server" },
    rows: at(["sender"], ["552 5.2.2 Sending account over quota", "452 4.2.2 Over quota", "452 Later"]),
  },
  "the recipient is rejected": {
    ...{ code: "recipient_rejected", remedy: "recipient", fault: "mail", username: "u" },
    rows: [
      ...at(ADDRESSED, [
        "550 5.1.1 No such user for this sender",
        "550 [5.1.1] Unknown",
        "550 5.4.1 Recipient address rejected: Access denied",
        "550 5.4.1 All recipient addresses rejected",
        "550 5.4.4 Domain not found",
        "550 5.5.0 Requested action not taken: mailbox unavailable",
        "553 5.3.0 <ann@example.net>... No such user",
        "550 No such user <dmarc@example.net>",
        "550 <spf@example.net>: no such user",
        "550 <ssl@example.net>: User unknown; first check the address",
        "550 5.7.1 <ann@ssl.example.net>: use another address, recipient unknown",
        "550 <ann@rate-limit.example>: User unknown",
        "550 <daily-limit@example.net>: no such user",
        "550 User <login@example.net> unknown, login first name.last name",
        "554 5.5.1 Recipient unknown",
        "503 5.5.1 No such user",
        "550 5.7.1 This group does not accept mail from unauthorized sender",
        "550 5.7.1 Only members may post; unknown sender",
        "550 5.7.1 This list requires authenticated sender; subscribe at https://list.example/login",
        "550 The recipient requires authentication of the sender",
      ]),
      ...at(["recipient"], RECIPIENT_WORDS),
      ...at(
        ["recipient"],
        [
          "550 No",
          "550",
          "571 Delivery not authorized, message refused",
          "599 No",
          "551 User not local; please try <ann@example.com>",
          "501 5.1.3 Bad recipient address syntax",
          "550 5.7.1 Command rejected",
          "550 recipient rejected by sender policy",
          "550 User not found in relay table",
          "550 5.7.1 Sender blocked by recipient",
          "550 5.7.1 Sender not allowed to send to this recipient",
          "550 5.7.1 Sender rejected by the recipient",
          "550 5.7.1 You are not allowed to send mail to this list",
          "550 5.7.1 You are not allowed to send to this address",
          "550 5.7.1 Recipient address rejected: Access denied",
          "550 5.7.1 relay4.example.net: recipient rejected",
          "550 <relay@example.net>: recipient rejected",
          "550 5.7.1 <ann@ssl.example.net>: use another address",
          "550 5.7.1 See https://login.example/ssl, first of all",
          "550 <rate@example.net> over the limit",
          "504 5.5.2 <ann@example>: Recipient address rejected: need fully-qualified address",
          "501 5.5.2 Syntax error in recipient address",
          "555 5.5.2 Syntax error, goodbye",
          "550 5.5.0 User is disabled",
          "502 user blocked",
          "554 5.4.4 unrouteable mail domain",
          "550 5.4.4 Unable to route: no mail hosts for domain",
          "550 5.3.0 <ann@example.net>... Invalid user",
          "550 5.3.0 User account closed",
          "550 5.4.0 unable to deliver",
          "550 5.4.1 Invalid address",
          "550 Too many emails in inbox",
        ],
      ),
    ],
  },
  "the mailbox of the recipient is full": {
    ...{ code: "recipient_rejected", fault: "mail" },
    rows: at(
      ["recipient"],
      [
        "552 Requested mail action aborted: exceeded storage allocation",
        "552 Mailbox full",
        "552 Quota exceeded",
        "552 5.2.2 Too many messages in the mailbox",
        "552 [5.2.2] Full",
        "552 Too many messages in the mailbox",
        "550 5.7.1 Recipient has exceeded their daily limit",
        "550 5.7.1 User has exceeded receiving rate limit",
        ...FULL_MAILBOXES,
      ],
    ),
  },
  "the recipient is rejected to a client without a username": {
    ...{ code: "recipient_rejected", remedy: "recipient", fault: "mail" },
    rows: at(["recipient"], RELAYED_RECIPIENTS),
  },
  "the recipient is rejected for now": {
    ...{ code: "recipient_rejected", fault: "mail" },
    rows: at(["recipient"], ["450 4.2.1 Busy", "452 4.2.2 Full", "451 4.2.0 Greylisted", "473 No"]),
  },
  "the message is too large": {
    ...{ code: "too_large", fault: "mail" },
    rows: [
      ...at(["sender", "data"], ["552 Message size exceeds fixed limit", "552 Too much mail data"]),
      ...at(["data"], ["552 Your message exceeds the outgoing size limit", "552 attachment too large"]),
      ...at(TRANSACTION, ["552 #5.3.4 Message too big", "552 sorry, too large (#5.3.4)", "554 (5.2.3) No"]),
      ["recipient", "552 Message too large"],
      ...at(TRANSACTION, SIZES),
      ["data", "552 You cannot send messages larger than the limit of 10 MB"],
    ],
  },
  "the content is rejected": {
    ...{ code: "content_rejected", fault: "mail" },
    rows: at(
      ["data"],
      [
        "554",
        "550 5.7.1 Spam",
        "554 Transaction failed",
        "554 5.7.1 Message contains a URL listed at dbl.spamhaus.org",
        "552 5.7.0 Blocked",
        "554 5.6.0 Malformed",
        "571 Delivery not authorized, message refused",
        "554 mail server permanently rejected message (#5.3.0)",
        "554 5.3.0 Virus found in message",
        "550 5.3.0 Rejected as spam",
        "550 5.4.0 Rejected",
        "541 5.4.1 Mail rejected by destination domain",
        "500 Line too long",
        "500 5.5.2 line too long",
        "550 5.5.2 bare <LF> received after DATA",
        "550 5.7.1 message with bare LF / pipelining not allowed",
        "554 5.5.0 message header too long",
        "554 5.5.2 Invalid message body",
        "503 5.5.1 message has no From header",
        "550 Spam score 12.1 over rejection limit",
        "554 5.7.1 Message rejected: it exceeded your spam rate limit",
        "550 5.7.1 Blocked attachment (attachment requires encryption)",
        ...CONTENT_WORDS,
      ],
    ),
  },
};

/** Reads a reply, as it is on the wire. */
function read(text: string) {
  const [raw] = new ReplyReader().push(Buffer.from(`${text}\r\n`)).replies;
  if (raw === undefined) throw new TypeError(`No reply: ${text}`);
  return presentReply(raw, (shown) => shown);
}

const PROGRESS = {
  address: "ann@example.net",
  attempts: 0,
  state: "queued",
  dueAt: null,
  failure: null,
} as const;
const TIMES = { now: 0, createdAt: 0, giveUpAt: 86_400_000, expiresAt: null } as const;
const QUEUE = {
  ...TIMES,
  onUnknown: "repeat",
  ...{ random: 0.5, hasNextServer: false, hasOneServer: true, hasCircuit: true },
} as const;

for (const [what, claim] of Object.entries(CLAIMS)) {
  const { code, fault, remedy, security = "none", username = "", rows } = claim;
  describe(`${what}: ${code}, fault of the ${fault},`, () => {
    test.each([...rows])("after %s got %j", (phase, text) => {
      const reply = read(text);
      const failure = rejection(phase, reply, { isTls: security !== "none", hasLogin: username !== "" });
      const retryable = reply.code < 500;
      expect(failure).toMatchObject({ phase, code, fault, retryable, outcome: "not-sent" });

      const definition = { server: "mx.test", host: "mx.test", port: 2525, security, username };
      const context = { ...definition, provider: "", auth: "password", reply, seen: SEEN } as const;
      const hint = hintFor(failure, context);
      if (retryable && remedy !== undefined && code !== "tls_required" && code !== "auth_required")
        expect(hint?.remedy).toBeNull();
      else expect(hint?.remedy?.parameter).toBe(remedy);
      if (code !== "too_large") expect(hint?.text).not.toContain("smaller");

      const receipt = { successful: false, failure, timingMs: {}, tls: null, roundTrips: 1 } as const;
      const { progress, decision } = afterAttempt(
        { ...PROGRESS },
        { ...receipt, seen: { ...SEEN, sizeOctets: null, chain: null, addresses: null } },
        QUEUE,
      );
      const ends = fault === "mail" && !retryable;
      expect([progress.state, decision]).toEqual(ends ? ["failed", "ended"] : ["deferred", "retry"]);
    });
  });
}
