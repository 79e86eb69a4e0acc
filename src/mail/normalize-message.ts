import * as v from "valibot";
import { type Mailbox, parseAddress, parseMailbox, recipientsOf } from "../domain/mailbox.ts";
import {
  fieldProblem,
  HEADER_TEXT_FORM,
  isUnsafeInHeader,
  type Message,
  type NormalizedMessage,
} from "../domain/message.ts";
import { invalidParameter, missingParameter, SealpostError } from "../errors.ts";
import { attachments } from "./normalize-attachments.ts";

/** Leaves room for base64 within the 25 MB that most providers accept, and for all copies in the memory of a Worker. */
const MAX_CONTENT_OCTETS = 15 * 1024 * 1024;
/** UTF-8 octets of one UTF-16 unit. */
const MAX_OCTETS_PER_CHARACTER = 3;
/** RFC 5646 2.1, except for the parts of its grammar that need a registry. */
const LANGUAGE = /^(?=.{1,35}$)[a-z]{1,8}(-[a-z0-9]{1,8})*$/i;
const MAILBOX_FIELDS = /^(to|cc|bcc|from|replyTo)\b.*/;

const text = v.string("expected a text");
const oneLine = v.pipe(
  text,
  v.check((line) => !isUnsafeInHeader(line), `expected ${HEADER_TEXT_FORM}`),
);
export const EXPECTED_MAILBOX = "expected a mailbox such as Ann <ann@example.org>, or {name, address}";
const mailbox = mailboxSchema(oneLine);
const mailboxes = v.pipe(
  v.unknown(),
  v.transform((given) => (Array.isArray(given) ? given : [given])),
  v.array(mailbox),
);

/** Returns the schema of a mailbox, given as a text or an object. */
export function mailboxSchema(name: v.GenericSchema<string>) {
  return v.pipe(
    v.union([v.string(), v.object({ name: v.nullish(name, ""), address: v.string() })], EXPECTED_MAILBOX),
    v.rawTransform<string | Mailbox, Mailbox>(({ dataset, addIssue, NEVER }) => {
      const parsed = readMailbox(dataset.value);
      if (parsed !== null) return parsed;
      addIssue({ message: EXPECTED_MAILBOX });
      return NEVER;
    }),
  );
}

/** Treats `null` as absent. */
function absentable<S extends v.GenericSchema>(schema: S) {
  return v.pipe(
    v.nullish(schema),
    v.transform((value) => value ?? undefined),
  );
}

const schema = v.object({
  to: v.optional(mailboxes, []),
  cc: absentable(mailboxes),
  bcc: absentable(mailboxes),
  from: absentable(mailbox),
  replyTo: absentable(mailboxes),
  subject: oneLine,
  text: absentable(text),
  html: absentable(text),
  language: absentable(v.pipe(text, v.regex(LANGUAGE, "expected a language tag such as en"))),
  attachments: absentable(attachments),
  headers: absentable(v.record(v.string(), text)),
});

/**
 * Checks a submitted message and normalizes it: mailboxes in canonical form, domains as A-labels, attachments as bytes
 * with name and type.
 * @throws {SealpostError} `missing_parameter` or `invalid_parameter`, which name the field, and `too_large` for text
 * and attachments of more than 15 MiB together.
 */
export function normalizeMessage(message: Message): NormalizedMessage {
  const result = v.safeParse(schema, message, { abortPipeEarly: true, abortEarly: true });
  if (!result.success) throw rejection(result.issues[0]);
  const normalized: NormalizedMessage = result.output;
  if (recipientsOf(normalized).length === 0) throw missingParameter("to");
  if (normalized.text === undefined && normalized.html === undefined) throw missingParameter("text");
  assertFields(normalized.headers ?? {});
  if (contentOctets(normalized) > MAX_CONTENT_OCTETS) throw tooLarge();
  return normalized;
}

/** Names of fields have no letter case (RFC 5322 1.2.2), and two of one name would contradict each other. */
function assertFields(headers: Readonly<Record<string, string>>): void {
  const names = new Set<string>();
  for (const [name, value] of Object.entries(headers)) {
    const isRepeated = names.has(name.toLowerCase());
    const problem = isRepeated ? "expected each field once" : fieldProblem(name, value);
    if (problem !== null) throw invalidParameter(`headers.${name}`, problem);
    names.add(name.toLowerCase());
  }
}

function readMailbox(given: string | Mailbox): Mailbox | null {
  if (typeof given === "string") return parseMailbox(given);
  const address = parseAddress(given.address);
  return address === null ? null : { name: given.name.trim(), address };
}

function rejection(issue: v.BaseIssue<unknown>): SealpostError {
  const path = v.getDotPath(issue) ?? "message";
  return invalidParameter(path.replace(MAILBOX_FIELDS, "$1"), issue.message);
}

function contentOctets({ text = "", html = "", attachments: files = [] }: NormalizedMessage): number {
  return files.reduce((sum, { content }) => sum + content.length, octetsOf(text) + octetsOf(html));
}

/** Does not encode short texts to count them, because a character takes at most three octets. */
function octetsOf(given: string): number {
  const most = given.length * MAX_OCTETS_PER_CHARACTER;
  return most > MAX_CONTENT_OCTETS / 2 ? new TextEncoder().encode(given).length : given.length;
}

function tooLarge(): SealpostError {
  const message = "The message is too large: send at most 15 MiB of text and attachments";
  return new SealpostError("too_large", message, { parameter: "attachments" });
}
