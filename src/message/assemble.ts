import { type ComposedMessage, inspectBytes } from "../domain/message.ts";
import { foldField } from "./headers.ts";

const CR = 0x0d;
const LF = 0x0a;
/** Structural fields stay outside (RFC 9788 1.1.1). The entity has its own `Content-*`. */
const STRUCTURAL_FIELD = /^mime-version:/i;
const CONTENT_TYPE = /^(content-type): *(.*)$/is;
const SUBJECT_FIELD = /^subject:/i;
/** Fields that no relay needs and that would reveal the content. */
const HIDDEN_FIELD = /^(otp-token|keywords|comments):/i;
const FIELD_BREAK = /\r\n(?![ \t])/;

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/**
 * Joins routing fields and an entity to the final bytes.
 * @param headers fields, each ended by CRLF, without the empty line: the entity's own header continues them.
 * @param entity `Content-*` fields, empty line, body.
 * @returns the whole message, ending in CRLF.
 * @throws {TypeError} for a bare CR or LF, a NUL, or a line of more than 998 octets.
 */
export function assemble(headers: string, entity: Uint8Array): Uint8Array<ArrayBuffer> {
  const head = encoder.encode(headers);
  const length = head.length + entity.length;
  const bytes = new Uint8Array(length + 2);
  bytes.set(head);
  bytes.set(entity, head.length);
  const endsInCrlf = bytes[length - 2] === CR && bytes[length - 1] === LF;
  bytes.set([CR, LF], length);
  const message = endsInCrlf ? bytes.subarray(0, length) : bytes;
  inspectBytes(message);
  return message;
}

/**
 * Adds header protection for mail that is signed but not encrypted (RFC 9788 4): repeats the routing fields in the
 * entity's header and marks its Content-Type with `hp="clear"`.
 * @returns the entity to sign.
 * @throws {TypeError} if the entity has no Content-Type.
 */
export function protectHeaders(message: ComposedMessage): Uint8Array<ArrayBuffer> {
  return withFields(message.entity, routingFields(message), "clear");
}

/**
 * Adds header protection for mail that is encrypted (RFC 9788): the entity repeats the routing fields, marks its
 * Content-Type with `hp="cipher"`, and lists in `HP-Outer` what stays visible. The subject becomes `[...]`
 * (`hcp_baseline` of RFC 9788 3.2.1), and a code for programs is left out.
 * @returns the visible header, and the entity to sign and encrypt.
 * @throws {TypeError} if the entity has no Content-Type.
 */
export function concealHeaders(message: ComposedMessage): ComposedMessage {
  const fields = routingFields(message);
  const visible = fields
    .filter((field) => !HIDDEN_FIELD.test(field))
    .map((field) => (SUBJECT_FIELD.test(field) ? "Subject: [...]" : field));
  const outer = visible.map((field) => `HP-Outer: ${field}`);
  return {
    headers: [...visible, ...structuralFields(message), ""].join("\r\n"),
    entity: withFields(message.entity, [...fields, ...outer], "cipher"),
  };
}

/**
 * Returns where the entity starts in a message of {@link concealHeaders}, whose visible header MIME-Version ends.
 * @throws {TypeError} if the message has no MIME-Version.
 */
export function startOfEntity(message: Uint8Array): number {
  for (let start = 0, end = 0; end >= 0; start = end + 1) {
    end = message.indexOf(LF, start);
    if (STRUCTURAL_FIELD.test(decoder.decode(message.subarray(start, end + 1)))) return end + 1;
  }
  throw new TypeError("The message has no MIME-Version");
}

function routingFields({ headers }: ComposedMessage): readonly string[] {
  return headers.split(FIELD_BREAK).filter((field) => field !== "" && !STRUCTURAL_FIELD.test(field));
}

function structuralFields({ headers }: ComposedMessage): readonly string[] {
  return headers.split(FIELD_BREAK).filter((field) => STRUCTURAL_FIELD.test(field));
}

/** Returns the entity with these fields before its own. */
function withFields(
  entity: Uint8Array,
  added: readonly string[],
  protection: "clear" | "cipher",
): Uint8Array<ArrayBuffer> {
  const end = endOfHeader(entity);
  const entityFields = decoder.decode(entity.subarray(0, end)).split(FIELD_BREAK);
  if (!entityFields.some((field) => CONTENT_TYPE.test(field)))
    throw new TypeError("The entity has no Content-Type");
  const marked = entityFields.map((field) => markProtected(field, protection));
  const head = encoder.encode([...added, ...marked].join("\r\n"));
  const bytes = new Uint8Array(head.length + entity.length - end);
  bytes.set(head);
  bytes.set(entity.subarray(end), head.length);
  return bytes;
}

function markProtected(field: string, protection: "clear" | "cipher"): string {
  const match = CONTENT_TYPE.exec(field);
  if (match === null) return field;
  const [, name, value] = match;
  return foldField(`${name}`, `${value?.replace(/\r\n[ \t]+/g, " ")}; hp="${protection}"`).trimEnd();
}

/** Returns the index of the CRLF CRLF that ends the entity's header. */
function endOfHeader(entity: Uint8Array): number {
  for (let i = 0; i + 3 < entity.length; i++) {
    if (entity[i] === 0x0d && entity[i + 1] === 0x0a && entity[i + 2] === 0x0d && entity[i + 3] === 0x0a)
      return i;
  }
  throw new TypeError("The entity has no empty line after its header");
}
