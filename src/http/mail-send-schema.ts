import * as v from "valibot";
import type { Mailbox } from "../domain/mailbox.ts";
import { httpFieldProblem, type Message } from "../domain/message.ts";
import { invalidParameter, missingParameter, SealpostError } from "../errors.ts";
import { EXPECTED_MAILBOX, mailboxSchema } from "../mail/normalize-message.ts";
import type { OwnSubmitOptions } from "../mail/submission.ts";
import { deliveryView } from "../wire/delivery.ts";
import { described, entries, named } from "../wire/schemas.ts";
import { validate } from "../wire/validate.ts";

/** Recipients and reply addresses of one message. */
const MAX_MAILBOXES = 50;
/** A caller does not wait for more transactions than this. */
const MAX_INLINE_RECIPIENTS = 5;
/** 10 MiB, decoded, of all attachments of a message. */
const MAX_ATTACHMENT_BYTES = 10 * 1024 * 1024;
/** 15 MiB: attachments of 10 MiB in base64, with text. */
export const MAX_BODY_BYTES = 15 * 1024 * 1024;
/** 14 MiB of a whole batch. */
export const MAX_BATCH_BYTES = 14 * 1024 * 1024;
export const MAX_BATCH_MESSAGES = 100;
const DAY_MS = 24 * 3_600_000;
const MAX_DELAY_MS = 30 * DAY_MS;
/** A caller whose clock is ahead asks for a time that has just passed. */
const PAST_TOLERANCE_MS = 60_000;
const BASE64_CHARACTERS = 4;
const BASE64_BYTES = 3;
const DEFAULT_SERVER = "default";
/** RFC 3339 5.6. */
const MOMENT = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$/;

const mailbox = mailboxSchema(v.string());
const mailboxes = v.pipe(
  v.union([mailbox, v.array(mailbox, EXPECTED_MAILBOX)], EXPECTED_MAILBOX),
  v.transform((given) => (Array.isArray(given) ? given : [given])),
);
const moment = v.pipe(
  v.string("expected a text"),
  v.check(
    (text) => text === "" || (MOMENT.test(text) && !Number.isNaN(Date.parse(text))),
    "expected a time with its zone, such as 2026-06-01T12:00:00Z",
  ),
  v.transform((text) => (text === "" ? undefined : new Date(text))),
);
const attachment = v.object(
  {
    content: described(v.string("expected base64"), "Base64"),
    filename: v.nullish(v.string("expected a text")),
    content_type: v.nullish(v.string("expected a media type")),
    content_id: described(
      v.nullish(v.string("expected a text")),
      "The HTML refers to it as `cid:<content_id>`",
    ),
  },
  "expected an object with content",
);

/** Parameters of `POST /mail/`, and of each message of a batch. */
export const mailSendParams = v.object({
  server: described(
    v.optional(
      v.pipe(
        entries((name) => name !== "", "expected the name of a definition"),
        v.transform((names) => names.map((name) => name.normalize("NFC"))),
      ),
      DEFAULT_SERVER,
    ),
    "A definition, or several in the order of failover",
  ),
  from: described(v.optional(mailbox), "The sender of the definition, or an address of its certificate"),
  to: described(v.optional(mailboxes), `At most ${MAX_MAILBOXES} mailboxes in all four fields`),
  cc: v.optional(mailboxes),
  bcc: described(v.optional(mailboxes), "In no header"),
  reply_to: v.optional(mailboxes),
  subject: v.optional(v.string("expected a text"), ""),
  text: described(v.optional(v.string("expected a text")), "`text` or `html` is required"),
  html: described(v.optional(v.string("expected a text")), "A document or a fragment"),
  // A default of the schema would be in the body that an Idempotency-Key is bound to, also of callers that send none.
  language: described(
    v.optional(
      v.pipe(
        v.string("expected a language tag such as en"),
        v.transform((text) => (text === "" ? undefined : text)),
      ),
    ),
    "Of the document around a fragment, as a BCP 47 tag. Default: `en`",
  ),
  attachments: described(
    v.optional(v.array(attachment, "expected a list")),
    "At most 10 MiB in all, decoded",
  ),
  headers: described(
    v.optional(v.record(v.string(), v.string("expected texts"), "expected an object of texts")),
    "`X-*`, `List-Unsubscribe`, `List-Unsubscribe-Post`, `In-Reply-To` and `References`",
  ),
  purpose: described(
    v.optional(v.picklist(["code", "notice"], "expected code or notice"), "notice"),
    "`code`: useful for minutes, never delivered twice",
  ),
  queue: described(
    v.optional(v.boolean("expected a boolean"), true),
    `\`false\` sends while the caller waits, to at most ${MAX_INLINE_RECIPIENTS} recipients`,
  ),
  send_at: described(v.optional(moment), "RFC 3339, within 30 days"),
  expires_at: described(v.optional(moment), "RFC 3339. Not sent after this time"),
  smime_encrypt: described(
    v.optional(v.boolean("expected a boolean"), false),
    "Encrypts, or fails, even if the definition does not encrypt",
  ),
});
type MailSendParams = v.InferOutput<typeof mailSendParams>;

const message = v.record(v.string(), v.unknown(), "expected a message");
/** Parameters of `POST /mail/batch`. */
export const mailBatchParams = v.object({
  messages: described(
    v.array(message, "expected a list of messages"),
    `At most ${MAX_BATCH_MESSAGES}, each with the parameters of \`POST /mail/\`, and \`idempotency_key\``,
  ),
});

/** The value of `POST /mail/`. */
export const sentMailView = named(
  "SentMail",
  v.object({
    id: described(v.string(), "For `GET /mail/<id>`"),
    state: v.picklist(["queued", "sent", "failed"]),
  }),
);

export const mailSendDetail = v.object({
  delivery: v.optional(described(deliveryView, "Absent if the message is queued")),
  smime: v.optional(v.object({ signed: v.boolean(), encrypted: v.boolean() })),
});

/** The value of `POST /mail/batch`: a result or an error for each message, in order. */
export const mailBatchView = v.array(
  v.union([
    sentMailView,
    v.object({
      error: v.object({ code: v.number(), message: v.string(), parameter: v.nullable(v.string()) }),
    }),
  ]),
);

/** A message that a caller sends over HTTP. */
export interface MailRequest {
  readonly servers: readonly string[];
  readonly message: Message & {
    readonly from: Mailbox | undefined;
    readonly to: readonly Mailbox[];
    readonly cc: readonly Mailbox[] | undefined;
    readonly bcc: readonly Mailbox[] | undefined;
  };
  readonly options: OwnSubmitOptions;
}

/**
 * Returns the message of checked parameters.
 * @throws {SealpostError} `missing_parameter`, `invalid_parameter`; `too_large` for attachments of more than 10 MiB.
 */
export function toMailRequest(params: MailSendParams, now: Date): MailRequest {
  const { server, from, to = [], cc, bcc, reply_to, headers, purpose, queue } = params;
  const sendAt = params.send_at;
  const count = [to, cc, bcc, reply_to].flatMap((list) => list ?? []).length;
  if (count > MAX_MAILBOXES)
    throw invalidParameter("to", `expected at most ${MAX_MAILBOXES} mailboxes in all`);
  const recipients = count - (reply_to?.length ?? 0);
  if (recipients === 0) throw missingParameter("to");
  if (!queue && recipients > MAX_INLINE_RECIPIENTS) {
    throw invalidParameter("queue", `expected true for more than ${MAX_INLINE_RECIPIENTS} recipients`);
  }
  if (!queue && sendAt !== undefined) throw invalidParameter("queue", "expected true with send_at");
  assertTimes(params, now);
  for (const [name, value] of Object.entries(headers ?? {})) {
    const problem = httpFieldProblem(name, value);
    if (problem !== null) throw invalidParameter("headers", `${name}: ${problem}`);
  }
  const attachments = params.attachments && attachmentsOf(params.attachments);
  const { subject, text, html, language } = params;
  const content = { subject, text, html, language, headers, attachments };
  const message = { from, to, cc, bcc, replyTo: reply_to, ...content };
  const options = { purpose, queue, sendAt, expiresAt: params.expires_at, encrypt: params.smime_encrypt };
  return { servers: server, message, options: { ...options, keepsRow: true } };
}

/** The fields of a message that have another name over HTTP. */
const HTTP_NAMES = { replyTo: "reply_to", contentType: "content_type", contentId: "content_id" };

/** Returns an error of a message with the names that parameters have over HTTP. */
export function withHttpNames<E>(error: E): E | SealpostError {
  if (!(error instanceof SealpostError) || error.parameter === null) return error;
  const renamed = (text: string) =>
    Object.entries(HTTP_NAMES).reduce((result, [name, httpName]) => result.replaceAll(name, httpName), text);
  return new SealpostError(error.code, renamed(error.message), { parameter: renamed(error.parameter) });
}

/**
 * Returns one message of a batch and its idempotency key.
 * @throws {SealpostError} as {@link toMailRequest} does.
 */
export function readBatchMessage(given: Readonly<Record<string, unknown>>, now: Date): MailRequest {
  const { idempotency_key: key, ...parameters } = given;
  const request = toMailRequest(validate(mailSendParams, new Map(Object.entries(parameters))), now);
  if (!request.options.queue) throw invalidParameter("queue", "expected true in a batch");
  if (key === undefined || key === null) return request;
  if (typeof key !== "string") throw invalidParameter("idempotency_key", "expected a text");
  const idempotencyContent = JSON.stringify(parameters);
  return { ...request, options: { ...request.options, idempotencyKey: key, idempotencyContent } };
}

function assertTimes({ send_at, expires_at }: MailSendParams, now: Date): void {
  const start = send_at ?? now;
  if (start.getTime() < now.getTime() - PAST_TOLERANCE_MS)
    throw invalidParameter("send_at", "expected a future time");
  if (start.getTime() > now.getTime() + MAX_DELAY_MS) {
    throw invalidParameter("send_at", "expected a time within 30 days");
  }
  if (expires_at !== undefined && expires_at <= start) {
    throw invalidParameter("expires_at", "expected a future time, after send_at");
  }
}

function attachmentsOf(given: readonly v.InferOutput<typeof attachment>[]): Message["attachments"] {
  const bytes = given.reduce(
    (sum, { content }) => sum + (content.length / BASE64_CHARACTERS) * BASE64_BYTES,
    0,
  );
  // Padding and line breaks make the text longer than its bytes, so this is checked again after decoding.
  if (bytes > 2 * MAX_ATTACHMENT_BYTES) throw tooLarge();
  const decoded = given.map(({ content, filename, content_type, content_id }) => ({
    content: decode(content),
    filename: filename ?? undefined,
    contentType: content_type ?? undefined,
    contentId: content_id ?? undefined,
  }));
  if (decoded.reduce((sum, { content }) => sum + content.length, 0) > MAX_ATTACHMENT_BYTES) throw tooLarge();
  return decoded;
}

function decode(text: string): Uint8Array {
  try {
    return Uint8Array.fromBase64(text);
  } catch {
    throw invalidParameter("attachments", "expected content in base64");
  }
}

function tooLarge(): SealpostError {
  const message = "The attachments are larger than 10 MiB together";
  return new SealpostError("too_large", message, { parameter: "attachments" });
}
