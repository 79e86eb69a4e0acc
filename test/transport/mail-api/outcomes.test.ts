import { describe, expect, test } from "bun:test";
import { createServer, type Socket } from "node:net";
import { createAbortableConnect } from "../../../src/async/abort.ts";
import type { Failure } from "../../../src/domain/delivery.ts";
import type { MailApi } from "../../../src/domain/smtp-server.ts";
import { hintFor } from "../../../src/mail/hints/hint-for.ts";
import { createTransportByProtocol } from "../../../src/transport/by-protocol.ts";
import { createConnect } from "../../../src/transport/connect.ts";
import { createHttpClient } from "../../../src/transport/http-client.ts";
import { createHttpConnect } from "../../../src/transport/http-target.ts";
import { createMemoryTransport } from "../../../src/transport/memory.ts";
import { type Reaction, startHttpServer } from "../../fixtures/http/server.ts";
import { sendTo } from "../support.ts";
import {
  apiTransport,
  graphAt,
  graphError,
  MAILBOX,
  SECRET_KEY,
  SERVERS,
  sesAt,
  sesError,
  TOKEN,
} from "./support.ts";

const POLICY = { egress: "private", ports: [] } as const;
const NO_RETRY = { retryable: false, outcome: "not-sent" } as const;
const RETRY = { retryable: true, outcome: "not-sent" } as const;
const SERVER = { fault: "server" } as const;
const MAIL = { fault: "mail" } as const;

/** Sends one message, in one request. @returns its failure. */
async function failureAfter(api: MailApi, reaction: Reaction, timeoutMs = 2_000) {
  await using server = await startHttpServer(() => reaction);
  await using transport = apiTransport();
  const receipt = await sendTo(transport, SERVERS[api](server, { timeoutMs }));
  if (receipt.successful) throw new Error("The message was accepted");
  expect(server.requests).toHaveLength(1);
  return receipt.failure;
}

/** A proxy or a wrong `api_url` may respond 200 to anything. */
const PAGE: Reaction = { status: 200, body: "<html>Welcome" };

type Row = readonly [MailApi, string, Reaction, Partial<Failure>];

const ROWS: readonly Row[] = [
  [
    "graph",
    "a rejected token",
    graphError(401, "InvalidAuthenticationToken"),
    { phase: "auth", code: "auth_rejected", ...SERVER, ...NO_RETRY },
  ],
  [
    "graph",
    "an app without the right",
    graphError(403, "ErrorAccessDenied"),
    { phase: "sender", code: "sender_rejected", ...SERVER, ...NO_RETRY },
  ],
  [
    "graph",
    "another sender",
    graphError(403, "ErrorSendAsDenied"),
    { phase: "sender", code: "sender_rejected", ...SERVER, ...NO_RETRY },
  ],
  [
    "graph",
    "an unknown mailbox",
    graphError(404, "MailboxNotEnabledForRESTAPI"),
    { phase: "sender", code: "sender_rejected", ...SERVER, ...NO_RETRY },
  ],
  [
    "graph",
    "an invalid recipient",
    graphError(400, "ErrorInvalidRecipients"),
    { phase: "recipient", code: "recipient_rejected", ...MAIL, ...NO_RETRY },
  ],
  [
    "graph",
    "invalid MIME",
    graphError(400, "ErrorMimeContentInvalid"),
    { phase: "data", code: "content_rejected", ...MAIL, ...NO_RETRY },
  ],
  [
    "graph",
    "a message that is too large",
    { status: 413 },
    { phase: "data", code: "too_large", ...MAIL, ...NO_RETRY },
  ],
  [
    "graph",
    "a daily limit",
    graphError(400, "ErrorExceededMessageLimit"),
    { phase: "data", code: "rate_limited", ...SERVER, ...RETRY },
  ],
  [
    "graph",
    "too many requests",
    { status: 429, headers: { "Retry-After": "120" } },
    { phase: "data", code: "rate_limited", retryAfterMs: 120_000, ...SERVER, ...RETRY },
  ],
  [
    "graph",
    "an outage with a date",
    {
      status: 503,
      headers: { "Retry-After": "Mon, 01 Jun 2026 12:01:30 GMT", Date: "Mon, 01 Jun 2026 12:01:00 GMT" },
    },
    { phase: "data", code: "refused", retryAfterMs: 30_000, ...SERVER, ...RETRY },
  ],
  [
    "graph",
    "an error of the service",
    graphError(500, "ErrorSendAsDenied"),
    { phase: "data", code: "refused", ...SERVER, ...RETRY },
  ],
  [
    "graph",
    "a status that SMTP has, too",
    { status: 530 },
    { phase: "data", code: "refused", ...SERVER, ...RETRY },
  ],
  [
    "graph",
    "another API",
    { status: 404, body: "<html>" },
    { phase: "sender", code: "sender_rejected", ...SERVER, ...NO_RETRY },
  ],
  [
    "graph",
    "a redirect",
    { status: 302, headers: { Location: "/login" } },
    { phase: "data", code: "protocol", ...SERVER, ...RETRY },
  ],
  [
    "graph",
    "a gateway that waited in vain",
    { status: 504 },
    { phase: "data", code: "timeout", outcome: "unknown", ...SERVER },
  ],
  ["graph", "a hang-up", "hang-up", { phase: "data", code: "closed", outcome: "unknown", reply: null }],
  [
    "ses",
    "a wrong secret key",
    sesError(403, "SignatureDoesNotMatch"),
    { phase: "auth", code: "auth_rejected", ...SERVER, ...NO_RETRY },
  ],
  [
    "ses",
    "an unknown key",
    { status: 403, body: '{"__type":"com.amazon.coral.service#UnrecognizedClientException"}' },
    { phase: "auth", code: "auth_rejected", ...SERVER, ...NO_RETRY },
  ],
  [
    "ses",
    "an unknown key, as the Query API has it",
    sesError(403, "InvalidClientTokenId"),
    { phase: "auth", code: "auth_rejected", ...SERVER, ...NO_RETRY },
  ],
  [
    "ses",
    "a 403 without a name",
    { status: 403, body: "Forbidden" },
    { phase: "auth", code: "auth_rejected", ...SERVER, ...NO_RETRY },
  ],
  [
    "ses",
    "a wrong clock",
    sesError(403, "InvalidSignatureException", "Signature expired: 20260601"),
    { phase: "auth", code: "auth_rejected", ...SERVER, ...NO_RETRY },
  ],
  [
    "ses",
    "a user without the right",
    sesError(403, "AccessDeniedException"),
    { phase: "sender", code: "sender_rejected", ...SERVER, ...NO_RETRY },
  ],
  [
    "ses",
    "a sender that is not verified",
    sesError(
      400,
      "MessageRejected",
      "Email address is not verified. The following identities failed the check",
    ),
    { phase: "sender", code: "sender_rejected", ...SERVER, ...NO_RETRY },
  ],
  [
    "ses",
    "a domain that is not verified",
    sesError(400, "MailFromDomainNotVerifiedException"),
    { phase: "sender", code: "sender_rejected", ...SERVER, ...NO_RETRY },
  ],
  [
    "ses",
    "paused sending",
    sesError(400, "SendingPausedException"),
    { phase: "sender", code: "sender_rejected", ...SERVER, ...NO_RETRY },
  ],
  [
    "ses",
    "a suspended account",
    sesError(400, "AccountSuspendedException"),
    { phase: "sender", code: "sender_rejected", ...SERVER, ...NO_RETRY },
  ],
  [
    "ses",
    "rejected content",
    sesError(400, "MessageRejected", "Virus found"),
    { phase: "data", code: "content_rejected", ...MAIL, ...NO_RETRY },
  ],
  [
    "ses",
    "an illegal address",
    sesError(400, "BadRequestException", "Illegal address"),
    { phase: "recipient", code: "recipient_rejected", ...MAIL, ...NO_RETRY },
  ],
  [
    "ses",
    "a message that is too long",
    sesError(400, "BadRequestException", "Message length is too long"),
    { phase: "data", code: "too_large", ...MAIL, ...NO_RETRY },
  ],
  [
    "ses",
    "a rate",
    sesError(429, "TooManyRequestsException"),
    { phase: "data", code: "rate_limited", ...SERVER, ...RETRY },
  ],
  [
    "ses",
    "a quota",
    sesError(400, "LimitExceededException"),
    { phase: "data", code: "rate_limited", ...SERVER, ...RETRY },
  ],
  [
    "ses",
    "an unknown resource",
    sesError(404, "NotFoundException"),
    { phase: "data", code: "protocol", ...SERVER, ...RETRY },
  ],
  ["ses", "a page of another service", PAGE, { phase: "data", code: "protocol", outcome: "unknown" }],
  ["graph", "a page of another service", PAGE, { phase: "data", code: "protocol", outcome: "unknown" }],
  ["ses", "a hang-up", "hang-up", { phase: "data", code: "closed", outcome: "unknown" }],
];

describe("the outcome of a mail API", () => {
  for (const [api, what, reaction, expected] of ROWS) {
    test(`${api}: ${what} is ${expected.code}, ${expected.outcome}`, async () => {
      const failure = await failureAfter(api, reaction);
      expect(failure).toMatchObject(expected);
      if (failure.reply !== null) expect(failure.isHttp).toBe(true);
    });
  }

  test("the hint for a page of another service is to check api_url", async () => {
    const failure = await failureAfter("ses", PAGE);
    const definition = { server: "ses://x", username: "u", provider: "", auth: "password" as const };
    const context = { ...SERVERS.ses({ origin: "" }), ...definition, reply: failure.reply };
    expect(hintFor(failure, context)?.remedy).toEqual({ parameter: "api_url", value: null });
  });

  test("no hint speaks of ports or of SMTP", async () => {
    for (const [api, , , { phase = "data", code = "closed", outcome }] of ROWS) {
      for (const reply of [null, { code: 403, enhanced: null, text: "Unknown" }]) {
        const failure = { phase, code, reply, fault: "server", outcome } as Failure;
        const definition = { server: `${api}://x`, username: "u", provider: "", auth: "oauth2" as const };
        const hint = hintFor(failure, { ...SERVERS[api]({ origin: "" }), ...definition, reply });
        expect(`${hint?.text}`).toMatch(/^[A-Z].*\.$/);
        expect(`${hint?.text} ${hint?.remedy?.parameter}`).not.toMatch(
          /\bports?\b|smtps|STARTTLS|tls to true/,
        );
      }
    }
  });

  test("a response that does not come in time is unknown", async () => {
    const failure = await failureAfter("graph", "silence", 150);
    expect(failure).toMatchObject({ phase: "data", code: "timeout", outcome: "unknown", retryable: false });
  });

  test("an acceptance whose body is lost is one", async () => {
    await using server = await startHttpServer(() => "cut");
    await using transport = apiTransport();
    for (const definition of [graphAt(server), sesAt(server)]) {
      expect(await sendTo(transport, definition)).toMatchObject({ successful: true, reply: { code: 202 } });
    }
  });

  test("a message that is cut, or not begun, is not sent", async () => {
    const server = createServer((socket: Socket) => {
      socket.on("error", () => undefined).once("data", () => socket.resetAndDestroy());
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    server.listen(0, "127.0.0.1", resolve);
    await promise;
    const address = server.address();
    const origin = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
    await using transport = apiTransport();
    const line = `${"x".repeat(900)}\r\n`;
    const bytes = new TextEncoder().encode(`To: b@example.net\r\n\r\n${line.repeat(20_000)}`);
    const cut = await sendTo(transport, graphAt({ origin }), { bytes });
    expect(cut).toMatchObject({ failure: { phase: "data", code: "closed", ...RETRY } });
    await new Promise((done) => server.close(done));
    const refused = await sendTo(transport, graphAt({ origin }));
    expect(refused).toMatchObject({ failure: { phase: "connect", code: "refused", ...RETRY } });
  });

  test("an error of the API is shown without secrets, and bounded; another body is not", async () => {
    const message = `No ${TOKEN} for ${MAILBOX}\u0007${"!".repeat(900)}`;
    const graph = await failureAfter("graph", graphError(401, "InvalidAuthenticationToken", message));
    expect(graph.reply?.text).toStartWith("InvalidAuthenticationToken: No [secret] for [secret]");
    expect(graph.reply?.text.length).toBe(500);
    const ses = await failureAfter("ses", sesError(403, "SignatureDoesNotMatch", `key ${SECRET_KEY}`));
    expect(ses.reply).toEqual({ code: 403, enhanced: null, text: "SignatureDoesNotMatch: key [secret]" });
    const html = await failureAfter("ses", { status: 502, body: "<html>\nBad gateway" });
    expect(html.reply).toEqual({ code: 502, enhanced: null, text: "" });
  });

  test("an aborted request ends immediately, with what is certain", async () => {
    await using server = await startHttpServer(() => {
      setTimeout(abortable.abort);
      return "silence";
    });
    const abortable = createAbortableConnect(createConnect(POLICY));
    const connect = createHttpConnect({ connect: abortable.connect, ...POLICY });
    const apis = { http: createHttpClient(connect), connect, now: () => new Date() };
    await using transport = createTransportByProtocol(createMemoryTransport(), apis);
    const lost = await sendTo(transport, sesAt(server, { timeoutMs: 5_000 }));
    expect(lost).toMatchObject({ failure: { code: "closed", outcome: "unknown" } });
    const late = await sendTo(transport, sesAt(server));
    expect(late).toMatchObject({ failure: { phase: "connect", code: "cancelled", ...RETRY } });
  });

  test("a message that is not wanted any more is not written", async () => {
    await using server = await startHttpServer(() => ({ status: 202 }));
    await using transport = apiTransport();
    const unwanted = await sendTo(transport, graphAt(server), { mayTransact: () => false });
    expect(unwanted).toMatchObject({ failure: { phase: "sender", code: "cancelled", ...RETRY } });
    const aborted = sendTo(transport, sesAt(server), { signal: AbortSignal.abort("no more") });
    expect(await aborted.catch((reason: unknown) => reason)).toBe("no more");
    expect(server.requests).toEqual([]);
  });

  test("max_connections bounds the requests of a definition", async () => {
    await using server = await startHttpServer(() => "silence");
    await using transport = apiTransport();
    const one = sesAt(server, { maxConnections: 1, timeoutMs: 400 });
    const [first, second] = await Promise.all([sendTo(transport, one), sendTo(transport, one)]);
    expect(first).toMatchObject({ failure: { code: "timeout", outcome: "unknown" } });
    expect(second).toMatchObject({ failure: { code: "timeout", outcome: "unknown" } });
    const many = [1, 2, 3, 4, 5, 6].map(() => sendTo(transport, one));
    const receipts = await Promise.all(many);
    const outcomes = receipts.map((receipt) => (receipt.successful ? "sent" : receipt.failure.outcome));
    // Four times the timeout is the bound of each message, so the last ones never get a turn.
    expect(outcomes.filter((outcome) => outcome === "not-sent").length).toBeGreaterThan(0);
    expect(server.requests.length).toBe(2 + outcomes.filter((outcome) => outcome === "unknown").length);
  });
});
