import type { ComposedMessage } from "../domain/message.ts";
import { foldField } from "./headers.ts";

const CR = 0x0d;
const LF = 0x0a;
/** RFC 5322 2.1.1, without the CRLF. */
const MAX_LINE_OCTETS = 998;
/** Structural fields stay outside (RFC 9788 1.1.1). The entity has its own `Content-*`. */
const STRUCTURAL_FIELD = /^mime-version:/i;
const CONTENT_TYPE = /^(content-type): *(.*)$/is;
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
  assertLines(message);
  return message;
}

/**
 * Adds header protection for mail that is signed but not encrypted (RFC 9788 4): repeats the routing fields in the
 * entity's header and marks its Content-Type with `hp="clear"`.
 * @returns the entity to sign.
 * @throws {TypeError} if the entity has no Content-Type.
 */
export function protectHeaders({ headers, entity }: ComposedMessage): Uint8Array<ArrayBuffer> {
  const end = endOfHeader(entity);
  const entityFields = decoder.decode(entity.subarray(0, end)).split(FIELD_BREAK);
  const routingFields = headers
    .split(FIELD_BREAK)
    .filter((field) => field !== "" && !STRUCTURAL_FIELD.test(field));
  if (!entityFields.some((field) => CONTENT_TYPE.test(field)))
    throw new TypeError("The entity has no Content-Type");
  const fields = [...routingFields, ...entityFields.map(markClear)].join("\r\n");
  const head = encoder.encode(fields);
  const bytes = new Uint8Array(head.length + entity.length - end);
  bytes.set(head);
  bytes.set(entity.subarray(end), head.length);
  return bytes;
}

function assertLines(bytes: Uint8Array): void {
  let lineStart = 0;
  for (let i = 0; i < bytes.length; i++) {
    const octet = bytes[i]!;
    if (octet > CR) continue;
    if (octet === 0) throw new TypeError("The message holds a NUL");
    if (octet === LF) throw new TypeError("The message holds a bare LF");
    if (octet !== CR) continue;
    if (bytes[i + 1] !== LF) throw new TypeError("The message holds a bare CR");
    if (i - lineStart > MAX_LINE_OCTETS)
      throw new TypeError(`A line is longer than ${MAX_LINE_OCTETS} octets`);
    i++;
    lineStart = i + 1;
  }
}

function markClear(field: string): string {
  const match = CONTENT_TYPE.exec(field);
  if (match === null) return field;
  const [, name, value] = match;
  return foldField(`${name}`, `${value?.replace(/\r\n[ \t]+/g, " ")}; hp="clear"`).trimEnd();
}

/** Returns the index of the CRLF CRLF that ends the entity's header. */
function endOfHeader(entity: Uint8Array): number {
  for (let i = 0; i + 3 < entity.length; i++) {
    if (entity[i] === 0x0d && entity[i + 1] === 0x0a && entity[i + 2] === 0x0d && entity[i + 3] === 0x0a)
      return i;
  }
  throw new TypeError("The entity has no empty line after its header");
}
