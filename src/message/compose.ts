import MailComposer from "nodemailer/lib/mail-composer";
import type { ComposedMessage, Message, MessageIdentity } from "../domain/message.ts";
import { routingHeaders } from "./headers.ts";

const END_OF_HEADER = "\r\n\r\n";
/** Letters and digits; what is added to it stays within the 70 characters of RFC 2046 5.1.1. */
const BOUNDARY_SEED = /^[A-Za-z0-9]{1,48}$/;
/** No line of base64 can begin with it. */
const BOUNDARY_PREFIX = "=_";

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
  return { headers: routingHeaders(message, identity), entity: await buildEntity(message, identity) };
}

async function buildEntity(message: Message, identity: MessageIdentity): Promise<Uint8Array<ArrayBuffer>> {
  const composer = new MailComposer({
    text: withCrlf(message.text ?? ""),
    html: withCrlf(message.html ?? ""),
    // Given only so that none is made up: the routing fields are cut off again.
    date: identity.date,
    messageId: identity.messageId,
    baseBoundary: identity.boundary,
    boundaryPrefix: BOUNDARY_PREFIX,
    encoding: "base64",
    newline: "win",
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const built = await composer.compile().build();
  const end = built.indexOf(END_OF_HEADER);
  const fields = contentFields(built.toString("latin1", 0, end));
  return concat(
    new TextEncoder().encode(fields.join("\r\n") + END_OF_HEADER),
    built.subarray(end + END_OF_HEADER.length),
  );
}

/** The `Content-*` fields of a header, folded as they are. */
function contentFields(header: string): readonly string[] {
  return header.split(/\r\n(?![ \t])/).filter((field) => /^content-/i.test(field));
}

/** RFC 2045 6.8: line breaks of text become CRLF before it is base64. */
function withCrlf(text: string): string {
  return text.replace(/\r\n|\r|\n/g, "\r\n");
}

function concat(head: Uint8Array, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}
