import MailComposer from "nodemailer/lib/mail-composer";
import type {
  ComposedMessage,
  MessageIdentity,
  NormalizedAttachment,
  NormalizedMessage,
} from "../domain/message.ts";
import { routingHeaders } from "./headers.ts";
import { DEFAULT_LANGUAGE, htmlDocument } from "./html-document.ts";
import { encodeBytes, encodeText } from "./transfer-encoding.ts";

/** Letters and digits; what is added to it stays within the 70 characters of RFC 2046 5.1.1. */
const BOUNDARY_SEED = /^[A-Za-z0-9]{1,48}$/;
/** No line of base64 or quoted-printable can begin with it. */
const BOUNDARY_PREFIX = "=_";
const CRLF = "\r\n";

const encoder = new TextEncoder();

type MimeNode = ReturnType<MailComposer["compile"]>;

/**
 * Composes a message. The same message and identity give the same bytes, all of them in ASCII lines that nothing on
 * the way has a reason to change. Text and HTML become `multipart/alternative`, HTML and its images
 * `multipart/related`, attachments make it `multipart/mixed`.
 * @throws {TypeError} for a message without recipient or content, and for what may not stand in a header.
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
  return { headers, entity: encoder.encode(entityOf(compile(message, identity))) };
}

/** MailComposer makes the tree of parts and their headers; the bodies that it is given are encoded already. */
function compile(message: NormalizedMessage, identity: MessageIdentity): MimeNode {
  const { subject, text = "", html = "", language = DEFAULT_LANGUAGE, attachments = [] } = message;
  // A message that has nothing but a file is easily taken for something else.
  const readable = text === "" && html === "" && attachments.length > 0 ? CRLF : text;
  const composer = new MailComposer({
    ...(readable === "" ? {} : { text: textPart(readable) }),
    ...(html === "" ? {} : { html: textPart(htmlDocument(html, { language, title: subject })) }),
    attachments: attachments.map((one) => attachmentPart(one, html !== "")),
    // Given only so that none is made up: the root's routing fields are left out.
    date: identity.date,
    messageId: identity.messageId,
    baseBoundary: identity.boundary,
    boundaryPrefix: BOUNDARY_PREFIX,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return composer.compile();
}

function textPart(text: string) {
  const { encoding, body } = encodeText(withCrlf(text));
  return { content: body, contentTransferEncoding: encoding };
}

function attachmentPart(
  { content, filename, contentType, contentId }: NormalizedAttachment,
  hasHtml: boolean,
) {
  const { encoding, body } = encodeBytes(content);
  const isInline = contentId !== null && hasHtml;
  return {
    ...{ content: body, contentTransferEncoding: encoding, filename, contentType },
    contentDisposition: isInline ? "inline" : "attachment",
    ...(contentId === null ? {} : { cid: contentId }),
  };
}

/** The entity of the root: a text that ends in a line break needs no second one. */
function entityOf(root: MimeNode): string {
  const entity = serialize(root);
  return !root.boundary && entity.endsWith("\r\n\r\n") ? entity.slice(0, -CRLF.length) : entity;
}

/**
 * The MIME entity of a node and the line break after it, which belongs to the delimiter that follows (RFC 2046
 * 5.1.1). The node could stream itself, but that takes five turns of the event loop and a third of the time of an RSA
 * signature.
 */
function serialize(node: MimeNode): string {
  const header = `${contentFields(node.buildHeaders())}\r\n\r\n`;
  const { boundary } = node;
  if (!boundary) return `${header}${String(node.content ?? "")}\r\n`;
  const parts = node.childNodes.map((child) => `--${boundary}\r\n${serialize(child)}`);
  return `${header}${parts.join("")}--${boundary}--\r\n`;
}

/** The `Content-*` fields of a header, folded as they are. */
function contentFields(header: string): string {
  const fields = header.split(/\r\n(?![ \t])/);
  return fields.filter((field) => /^content-/i.test(field)).join("\r\n");
}

/** RFC 2045 6.8: line breaks of text become CRLF before it is base64. */
function withCrlf(text: string): string {
  return text.replace(/\r\n|\r|\n/g, "\r\n");
}
