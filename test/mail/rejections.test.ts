import { describe, expect, test } from "bun:test";
import type { FailureCode, Phase } from "../../src/domain/delivery.ts";
import type { Security } from "../../src/domain/smtp-server.ts";
import { hintFor } from "../../src/mail/hints/hint-for.ts";
import { afterAttempt } from "../../src/mail/queue/after-attempt.ts";
import { rejection } from "../../src/smtp/failures.ts";
import { presentReply, ReplyReader } from "../../src/smtp/replies.ts";

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

const SENDER_WORDS = [
  "553 5.7.1 app@example.org not allowed to send from this address",
  "553 You are not allowed to send from this address",
  "553 5.7.1 You are not allowed to send mail as app@example.org",
  "550 5.7.1 You are not authorized to send as this user",
  "550 5.7.1 User u is not permitted to send as other@example.org",
  "551 5.7.1 Not authorised to send from this header address",
  "550 5.7.1 You are not allowed to use this sender address",
  "550 5.7.1 Sender not permitted to send as this user",
  "550 5.7.1 Sender not permitted",
  "550-Requested action not taken: mailbox unavailable\r\n550 Sender address is not allowed.",
  "550 5.7.1 Unauthorized sender address",
  "550 5.7.1 Refused by local policy. No sender authorization",
  "554 5.7.1 Sender address not verified",
  "550 5.7.1 Envelope sender not allowed for authenticated user",
  "550 5.1.0 Sender Denied",
  "550 5.1.0 <app@example.org> sender rejected",
  "550 5.2.1 <app@example.org> sender rejected",
  "550 Sender unknown",
  "550 Invalid sender domain",
  "550 not local sender over smtp",
  "553 Relaying disallowed as app@example.org",
  "553 Sender is not allowed to relay emails",
  "553 mail from must equal authorized user",
  "501 mail from address must be same as authorization user",
  "554 5.7.1 Mail from app@example.org rejected for policy reasons",
  "553 5.5.4 <app>: Domain name required for sender address app",
  "550-Verification failed for <app@example.org>\r\n550-No Such User Here\r\n550 Sender verify failed",
  "553 #5.1.8 Domain of sender address app@example.org does not exist",
  "553 [5.1.8] No",
  "553  5.1.8 No",
  "553 5.1.8: No",
  "553-Not taken\r\n553 5.1.8 No",
  "553 sorry, your envelope sender is not for us (#5.1.8)",
] as const;

const LOGIN_WORDS = [
  "550 5.7.3 Requested action aborted; user not authenticated",
  "550 5.7.1 Client was not authenticated",
  "550 5.7.1 Access denied. Not authenticated",
  "550 You must be authenticated to use this server",
  "550 5.7.1 You need to authenticate to use this service",
  "451 4.7.1 You need to authenticate",
  "503 Error: need EHLO and AUTH first !",
  "503 AUTH first",
  "503 5.5.4 Error: send AUTH command first.",
  "503 5.5.1 Error: authentication required",
  "503 This mail server requires authentication when attempting to send to a non-local e-mail address.",
  "550 5.7.1 Authentication needed",
  "550 5.7.0 Login first",
  "553 5.7.1 You must log in first",
  "550-5.7.1 Please authenticate\r\n550 before sending",
  "550 Please turn on SMTP Authentication in your mail client",
  "550 5.7.1 Anonymous clients do not have permission to send",
  "550 5.7.1 Authentifizierung erforderlich",
  "554 5.7.1 Authentification requise",
  "535 Incorrect authentication data",
] as const;

const RELAY_REPLIES = [
  "550 No relaying allowed",
  "554 no relay for you",
  "550 not a relay host",
  "554 Relay rejected for policy reasons.",
  "550 relay for ann@example.net denied",
  "550 5.7.1 Relaying to <ann@example.net> prohibited by administrator",
  "550 5.7.1 Unable to relay for ann@example.net",
  "550-You are not authorized to relay through this server\r\n550 without permission.",
  "550 5.7.1 Relaying not enabled",
  "550 5.4.1 Relay access denied",
  "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
  "473 ann@example.net relaying prohibited.",
] as const;

const TLS_REPLIES = [
  "550 5.7.1 SSL/TLS connection needed",
  "550 5.7.1 requires TLS",
  "550 5.7.0 This server requires an encrypted connection",
  "554 5.7.0 Encryption needed, use TLS",
  "503 5.5.1 STARTTLS first",
  "451 5.7.0 TLS connection required",
  "554 5.7.1 Nur mit TLS: STARTTLS erforderlich",
] as const;

const OUT_OF_STEP = [
  "500 5.5.1 Invalid command: Pipelining not supported",
  "503 5.5.1 Error: need MAIL command",
  "503 5.5.1 Error: need RCPT command",
  "503 Bad sequence of commands",
  "502 5.5.1 Command not implemented",
  "500 5.5.2 Error: bad syntax",
  "504 Command parameter not implemented",
  "555 5.5.4 Unsupported option: SIZE=100",
  "554 SMTP synchronization error",
  "554 5.5.0 Error: SMTP protocol synchronization",
  "550 5.5.1 Protocol error",
  "554 5.5.1 Error: no valid recipients",
] as const;

const SYSTEM = [
  "554 5.3.0 Error: internal, contact postmaster",
  "550 5.3.1 Mail system full",
  "554 5.3.2 System not accepting network messages",
  "521 5.3.2 server does not accept mail",
  "521 This host does not accept mail",
  "554 5.3.5 Local configuration error",
  "554 5.4.0 Too many hops",
  "554 5.4.6 Routing loop",
  "550 5.4.3 Directory server failure",
] as const;

const LIMITS = [
  "554 5.7.1 Daily sending quota exceeded",
  "550 5.7.1 Message rate limit exceeded for your account",
  "550 Hourly limit exceeded",
  "552 5.7.1 Too many messages today",
  "552 Too many mails from this account",
  "550 5.7.1 You have exceeded your quota",
  "554 5.7.1 <ann@example.net>: Recipient address rejected: Policy Rejection- Quota Exceeded.",
  "554 5.7.1 <x>: Sender address rejected: Quota exceeded",
  "550 5.5.3 Too many recipients",
  "452 #4.5.3 Too many recipients",
  "452 Insufficient system storage",
  "550 5.4.5 Daily",
] as const;

const at = (phases: readonly Phase[], replies: readonly string[]): readonly Row[] =>
  phases.flatMap((phase) => replies.map((reply): Row => [phase, reply]));
const ADDRESSED = ["recipient", "data"] as const;
const TRANSACTION = ["sender", ...ADDRESSED] as const;

const CLAIMS: Readonly<Record<string, Claim>> = {
  "the session is out of step": {
    ...{ code: "protocol", remedy: "pipelining", fault: "server" },
    rows: at(TRANSACTION, OUT_OF_STEP),
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
      ["550 5.7.1 [192.0.2.1] is listed at zen.spamhaus.org", "554 Your IP address is blocked"],
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
      ["auth", "535 5.7.8 Plaintext authentication disallowed on non-secure (SSL/TLS) connections"],
      ["auth", "550 5.7.1 Submission requires TLS; issue STARTTLS first"],
      ["auth", "454 4.7.0 Encryption required"],
    ],
  },
  "TLS is wanted under TLS": {
    ...{ code: "tls_required", fault: "server", security: "implicit" },
    rows: at(TRANSACTION, TLS_REPLIES),
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
  "the sender is rejected for now": {
    ...{ code: "sender_rejected", fault: "server" },
    rows: at(TRANSACTION, ["450 4.7.1 Sender address is not allowed", "451 #4.1.8 Domain of sender"]),
  },
  "a limit is reached": { code: "rate_limited", fault: "server", rows: at(TRANSACTION, LIMITS) },
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
      ]),
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
      ],
    ),
  },
  "the recipient is rejected for now": {
    ...{ code: "recipient_rejected", fault: "mail" },
    rows: at(["recipient"], ["450 4.2.1 Busy", "452 4.2.2 Full", "451 4.2.0 Greylisted", "473 No"]),
  },
  "the message is too large": {
    ...{ code: "too_large", fault: "mail" },
    rows: [
      ...at(["sender", "data"], ["552 Message size exceeds fixed limit", "552 Too much mail data"]),
      ...at(TRANSACTION, ["552 #5.3.4 Message too big", "552 sorry, too large (#5.3.4)", "554 (5.2.3) No"]),
      ["recipient", "552 Message too large"],
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
