import MailComposer from "nodemailer/lib/mail-composer";
import { BoundedCache } from "../domain/cache.ts";
import type {
  ComposedMessage,
  MessageIdentity,
  NormalizedAttachment,
  NormalizedMessage,
} from "../domain/message.ts";
import { routingHeaders } from "./headers.ts";
import { type EncodedBody, encodeBytes, encodeText } from "./transfer-encoding.ts";

/** Letters and digits. With the suffixes of a boundary it stays within 70 characters (RFC 2046 5.1.1). */
const BOUNDARY_SEED = /^[A-Za-z0-9]{1,48}$/;
/** No line of base64 or quoted-printable starts with it. */
const BOUNDARY_PREFIX = "=_";
const CRLF = "\r\n";

/** RFC 5646: the language of an HTML document if the message names none. */
const DEFAULT_LANGUAGE = "en";
/** The start of a whole HTML document. An XML declaration and comments may come first. */
const DOCUMENT = /^\s*(?:<\?xml\b[^>]*>\s*)?(?:<!--(?:(?!-->)[\s\S])*-->\s*)*<(?:!doctype|html)\b/i;
/** Looks for the start no further: on Node, much longer comments exhaust the stack of the regular expression. */
const MAX_PROLOG_CHARACTERS = 100_000;
/** Starts at the first break of a run only: to start at each takes quadratic time. */
const FINAL_BREAKS = /(?<![\r\n])[\r\n]+$/;
const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

const encoder = new TextEncoder();

type MimeNode = ReturnType<MailComposer["compile"]>;

/**
 * Composes a message. The same message and identity give the same bytes: ASCII lines that relays have no reason to
 * rewrite. Text and HTML become `multipart/alternative`, HTML and its images `multipart/related`, and attachments add
 * `multipart/mixed`.
 * @throws {TypeError} for a message without recipient or content, and for a value that no header can carry.
 */
export async function compose(
  message: NormalizedMessage,
  identity: MessageIdentity,
): Promise<ComposedMessage> {
  if (message.text === undefined && message.html === undefined) {
    throw new TypeError("A message needs a text or an HTML part");
  }
  if (!BOUNDARY_SEED.test(identity.boundary)) throw new TypeError("The boundary of the message is malformed");
  const headers = routingHeaders(message, identity);
  return { headers, entity: encoder.encode(entityOf(message, identity)) };
}

/** The bodies of a message, already encoded. A message has the first, the second or both. */
interface Bodies {
  readonly text: EncodedBody | null;
  readonly html: EncodedBody | null;
}

function bodiesOf(message: NormalizedMessage): Bodies {
  const { subject, text = "", html = "", language = DEFAULT_LANGUAGE, attachments = [] } = message;
  // Without a text, a lone attachment would become the root and be taken for something other than a message.
  const readable = text === "" && html === "" && attachments.length > 0 ? CRLF : text;
  const encoded = (body: string) => (body === "" ? null : encodeText(withCrlf(body)));
  return {
    text: encoded(readable),
    html: html === "" ? null : encoded(htmlDocument(html, { language, title: subject })),
  };
}

/** MailComposer builds the tree of parts and their headers, with slots in the place of the bodies. */
function compile(
  { text, html }: Bodies,
  attachments: readonly NormalizedAttachment[],
  identity: Pick<MessageIdentity, "date" | "messageId" | "boundary">,
): MimeNode {
  const composer = new MailComposer({
    ...(text && { text: textPart(SLOTS.text, text) }),
    ...(html && { html: textPart(SLOTS.html, html) }),
    attachments: attachments.map((one) => attachmentPart(one, html !== null)),
    // Set only to keep MailComposer from generating them: the root's routing fields are left out.
    date: identity.date,
    messageId: identity.messageId,
    baseBoundary: identity.boundary,
    boundaryPrefix: BOUNDARY_PREFIX,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return composer.compile();
}

function textPart(slot: string, { encoding }: EncodedBody) {
  return { content: slot, contentTransferEncoding: encoding };
}

/**
 * Wraps an HTML fragment in a document, so that readers know its character set, title and language (WCAG 3.1.1). A
 * whole document is returned as it is.
 * @param options `language`: a BCP 47 tag.
 */
export function htmlDocument(
  html: string,
  options: { readonly language: string; readonly title: string },
): string {
  if (DOCUMENT.test(html.slice(0, MAX_PROLOG_CHARACTERS))) return html;
  const title = options.title.replace(/[&<>]/g, (sign) => ENTITIES[sign] ?? "");
  return `<!doctype html>
<html lang="${options.language}">
<head>
<meta charset="utf-8">
<title>${title}</title>
</head>
<body>
${html.replace(FINAL_BREAKS, "")}
</body>
</html>
`;
}

function attachmentPart(
  { content, filename, contentType, contentId }: NormalizedAttachment,
  hasHtml: boolean,
) {
  const { encoding, body } = encodeBytes(content);
  const isInline = contentId !== null && hasHtml;
  return {
    content: body,
    contentTransferEncoding: encoding,
    filename,
    contentType,
    contentDisposition: isInline ? "inline" : "attachment",
    ...(contentId === null ? {} : { cid: contentId }),
  };
}

/** Returns the root's entity, without a second line break after a text that ends in one. */
function entityOf(message: NormalizedMessage, identity: MessageIdentity): string {
  const { attachments = [] } = message;
  const bodies = bodiesOf(message);
  const isMultipart = attachments.length > 0 || (bodies.text !== null && bodies.html !== null);
  const values: SlotValues = new Map([
    [SLOTS.text, bodies.text?.body ?? ""],
    [SLOTS.html, bodies.html?.body ?? ""],
    [SLOTS.boundary, identity.boundary],
  ]);
  const entity =
    attachments.length > 0
      ? serialize(compile(bodies, attachments, identity), values)
      : frameFor(bodies, identity)
          .map((piece) => values.get(piece) ?? piece)
          .join("");
  return !isMultipart && entity.endsWith("\r\n\r\n") ? entity.slice(0, -CRLF.length) : entity;
}

/** An entity, cut where messages differ: every second piece is a slot. */
type Frame = readonly string[];

/**
 * Short ASCII in the place of the bodies: MailComposer declares another encoding than the given one for long text. No
 * header of a message without attachments, and no base64, has braces.
 */
const SLOTS = { text: "{text}", html: "{html}", boundary: "{boundary}" } as const;
type SlotValues = ReadonlyMap<string, string>;
/** Every combination of encodings, for boundaries of a few lengths. */
const MAX_FRAMES = 64;
const frames = new BoundedCache<Frame>(MAX_FRAMES);

/**
 * Returns the frame of a message without attachments. Its headers depend on the encodings only, and the folding of its
 * boundary on the length. To build them each time takes longer than all else in composing.
 */
function frameFor(bodies: Bodies, identity: MessageIdentity): Frame {
  const key = `${bodies.text?.encoding} ${bodies.html?.encoding} ${identity.boundary.length}`;
  const found = frames.get(key);
  if (found) return found;
  const entity = serialize(compile(bodies, [], identity), new Map());
  const frame = entity
    .replaceAll(`-${identity.boundary}-Part_`, `-${SLOTS.boundary}-Part_`)
    .split(/(\{(?:text|html|boundary)\})/);
  frames.set(key, frame);
  return frame;
}

/**
 * Returns the MIME entity of a node and the line break after it, which belongs to the delimiter that follows (RFC 2046
 * 5.1.1). The node's own stream takes five ticks and a third of the time of an RSA signature.
 */
function serialize(node: MimeNode, values: SlotValues): string {
  const header = `${contentFields(node.buildHeaders())}\r\n\r\n`;
  const { boundary } = node;
  const content = String(node.content ?? "");
  if (!boundary) return `${header}${values.get(content) ?? content}\r\n`;
  const parts = node.childNodes.map((child) => `--${boundary}\r\n${serialize(child, values)}`);
  return `${header}${parts.join("")}--${boundary}--\r\n`;
}

/** Returns the `Content-*` fields of a header with their folding. */
function contentFields(header: string): string {
  const fields = header.split(/\r\n(?![ \t])/);
  return fields
    .filter((field) => /^content-/i.test(field))
    .map(portable)
    .join("\r\n");
}

/**
 * Returns a field that every reader understands: Python's reads `name=*a`, unquoted, as no name, and some programs misread
 * a field whose first line is empty.
 */
function portable(field: string): string {
  return field
    .replace(/^([\w-]+:)\r\n/, "$1")
    .replace(/("(?:[^"\\]|\\.)*")|=(\*[^\s;]*)/g, (_, quoted, value) => quoted ?? `="${value}"`);
}

/** RFC 2045 6.8: line breaks of text become CRLF before the text is encoded. */
function withCrlf(text: string): string {
  return text.replace(/\r\n|\r|\n/g, "\r\n");
}
