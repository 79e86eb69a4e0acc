import type { ComposedMessage } from "../domain/message.ts";
import { foldField } from "./words.ts";

/** Structural fields stay outside (RFC 9788 1.1.1); the entity has its own `Content-*`. */
const STRUCTURAL_FIELD = /^mime-version:/i;
const CONTENT_TYPE = /^(content-type): *(.*)$/is;
const FIELD_BREAK = /\r\n(?![ \t])/;

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/**
 * Header protection for mail that is signed but not encrypted (RFC 9788 4): the entity again, with the routing
 * fields repeated in its header and `hp="clear"` on its Content-Type.
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

function markClear(field: string): string {
  const match = CONTENT_TYPE.exec(field);
  if (match === null) return field;
  const [, name, value] = match;
  return foldField(`${name}`, `${value?.replace(/\r\n[ \t]+/g, " ")}; hp="clear"`).trimEnd();
}

/** Where the empty line of an entity begins, its CRLF CRLF. */
function endOfHeader(entity: Uint8Array): number {
  for (let i = 0; i + 3 < entity.length; i++) {
    if (entity[i] === 0x0d && entity[i + 1] === 0x0a && entity[i + 2] === 0x0d && entity[i + 3] === 0x0a)
      return i;
  }
  throw new TypeError("The entity has no empty line after its header");
}
