import { parseMailbox } from "../../domain/mailbox.ts";

const FIELD_BREAK = /\r\n(?![ \t])/;
/** The fields that name recipients (RFC 5322 3.6.3). */
const RECIPIENT_FIELD = /^(To|Cc):/i;
/** One mailbox of a list: a comma inside quotes separates nothing. */
const MAILBOX = /(?:"(?:[^"\\]|\\.)*"|[^",])+/gs;

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/**
 * Returns the message with a header that names exactly these recipients: others are left out of To and Cc, and those that
 * are missing stand in Bcc, which Graph removes. Returns the bytes unchanged if To and Cc are right. The entity, and so a
 * signature, never changes.
 */
export function addressTo(bytes: Uint8Array, recipients: readonly string[]): Uint8Array {
  const end = endOfHeader(bytes);
  const fields = decoder.decode(bytes.subarray(0, end)).split(FIELD_BREAK);
  const named = new Set(fields.filter((field) => RECIPIENT_FIELD.test(field)).flatMap(addressesOf));
  const missing = recipients.filter((recipient) => !named.has(recipient));
  if (missing.length === 0 && named.size === new Set(recipients).size) return bytes;
  const kept = fields.flatMap((field) =>
    RECIPIENT_FIELD.test(field) ? narrowed(field, recipients) : [field],
  );
  const bcc = missing.length === 0 ? [] : [`Bcc: ${missing.join(",\r\n ")}`];
  const header = encoder.encode([...bcc, ...kept].join("\r\n"));
  const result = new Uint8Array(header.length + bytes.length - end);
  result.set(header);
  result.set(bytes.subarray(end), header.length);
  return result;
}

/** Returns the field with those mailboxes only that are recipients. None if no mailbox is left. */
function narrowed(field: string, recipients: readonly string[]): readonly string[] {
  const all = mailboxesOf(field);
  const kept = all.filter(({ address }) => address !== null && recipients.includes(address));
  if (kept.length === all.length) return [field];
  if (kept.length === 0) return [];
  const name = field.slice(0, field.indexOf(":"));
  return [`${name}: ${kept.map(({ text }) => text).join(",\r\n ")}`];
}

function addressesOf(field: string): readonly string[] {
  return mailboxesOf(field).flatMap(({ address }) => address ?? []);
}

/** @returns each mailbox as it is written, and its address; `null` for an empty group. */
function mailboxesOf(field: string): readonly { readonly text: string; readonly address: string | null }[] {
  const list = field.slice(field.indexOf(":") + 1);
  return (list.match(MAILBOX) ?? []).map((part) => {
    const text = part.trim();
    return { text, address: parseMailbox(text.replace(/\r\n/g, ""))?.address ?? null };
  });
}

/** Returns the index of the CRLF CRLF that ends the header section; the length of bytes that have none. */
function endOfHeader(bytes: Uint8Array): number {
  for (let i = 0; i + 3 < bytes.length; i++) {
    if (bytes[i] === 0x0d && bytes[i + 1] === 0x0a && bytes[i + 2] === 0x0d && bytes[i + 3] === 0x0a)
      return i;
  }
  return bytes.length;
}
