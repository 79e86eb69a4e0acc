import MailComposer from "nodemailer/lib/mail-composer";
import type { ComposedMessage, Message, MessageIdentity } from "../domain/message.ts";
import { routingHeaders } from "./headers.ts";

/** Letters and digits; what is added to it stays within the 70 characters of RFC 2046 5.1.1. */
const BOUNDARY_SEED = /^[A-Za-z0-9]{1,48}$/;
/** No line of base64 can begin with it. */
const BOUNDARY_PREFIX = "=_";
/** RFC 2045 6.8. */
const BASE64_LINE = /.{76}(?=.)/g;

const encoder = new TextEncoder();

type MimeNode = ReturnType<MailComposer["compile"]>;

/**
 * Composes a mail. The same message and identity give the same bytes. Text and HTML leave as UTF-8 in base64, so
 * nothing on the way has a reason to change them; both together become `multipart/alternative`.
 * @throws {TypeError} for a message without recipient or content, and for what may not stand in a header.
 */
export async function compose(message: Message, identity: MessageIdentity): Promise<ComposedMessage> {
  if (message.text === undefined && message.html === undefined) {
    throw new TypeError("A message needs a text or an HTML part");
  }
  if (!BOUNDARY_SEED.test(identity.boundary)) throw new TypeError("The boundary of the message is malformed");
  const headers = routingHeaders(message, identity);
  return { headers, entity: encoder.encode(serialize(compile(message, identity))) };
}

function compile(message: Message, identity: MessageIdentity): MimeNode {
  const composer = new MailComposer({
    text: withCrlf(message.text ?? ""),
    html: withCrlf(message.html ?? ""),
    // Given only so that none is made up: the root's routing fields are left out.
    date: identity.date,
    messageId: identity.messageId,
    baseBoundary: identity.boundary,
    boundaryPrefix: BOUNDARY_PREFIX,
    encoding: "base64",
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return composer.compile();
}

/**
 * The MIME entity of a node, ended by CRLF. The node could stream itself, but that takes five turns of the event
 * loop and a third of the time of an RSA signature.
 */
function serialize(node: MimeNode): string {
  const header = `${contentFields(node.buildHeaders())}\r\n\r\n`;
  const { boundary } = node;
  if (!boundary) return `${header}${base64Lines(String(node.content ?? ""))}\r\n`;
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

function base64Lines(text: string): string {
  return encoder.encode(text).toBase64().replace(BASE64_LINE, "$&\r\n");
}
