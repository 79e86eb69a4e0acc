import { type BaseBlock, BitString, fromBER, Integer, ObjectIdentifier, OctetString } from "asn1js";

/** DER (X.690) bytes of one or more whole values. */
export type Der = Uint8Array<ArrayBuffer>;

/** Tags of X.680 8.4 that CMS uses. `CONTEXT_n` is the constructed context-specific tag. */
export const TAG = {
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  NULL: 0x05,
  OBJECT_IDENTIFIER: 0x06,
  UTC_TIME: 0x17,
  GENERALIZED_TIME: 0x18,
  SEQUENCE: 0x30,
  SET: 0x31,
  /** `[0] IMPLICIT` of a primitive type. */
  PRIMITIVE_0: 0x80,
  CONTEXT_0: 0xa0,
  CONTEXT_1: 0xa1,
  CONTEXT_2: 0xa2,
  CONTEXT_4: 0xa4,
} as const;

/** The years that UTCTime can express (RFC 5652 11.3). Others need GeneralizedTime. */
const MIN_UTC_TIME_YEAR = 1950;
const MAX_UTC_TIME_YEAR = 2049;

const ascii = new TextEncoder();

export function concat(chunks: readonly Uint8Array[]): Der {
  let length = 0;
  for (const chunk of chunks) length += chunk.length;
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}

/** Encodes one value: tag, length, and the parts as its contents. */
export function tlv(tag: number, ...parts: readonly Uint8Array[]): Der {
  let length = 0;
  for (const part of parts) length += part.length;
  return concat([Uint8Array.of(tag, ...lengthOctets(length)), ...parts]);
}

export function sequence(...parts: readonly Uint8Array[]): Der {
  return tlv(TAG.SEQUENCE, ...parts);
}

/** Encodes a SET OF in the order that DER requires: by encoded bytes (X.690 11.6). */
export function setOf(...elements: readonly Uint8Array[]): Der {
  return tlv(TAG.SET, ...elements.toSorted(compareBytes));
}

/** @param octet 0–127 */
export function smallInteger(octet: number): Der {
  return tlv(TAG.INTEGER, Uint8Array.of(octet));
}

/** Encodes a non-negative INTEGER of any size from its big-endian octets. */
export function unsignedInteger(octets: Uint8Array): Der {
  let first = 0;
  while (first < octets.length - 1 && octets[first] === 0) first++;
  const digits = octets.subarray(first);
  const looksNegative = (digits[0] ?? 0) > 0x7f;
  return looksNegative ? tlv(TAG.INTEGER, Uint8Array.of(0), digits) : tlv(TAG.INTEGER, digits);
}

/** @param dotted such as `1.2.840.113549.1.7.2` */
export function objectIdentifier(dotted: string): Der {
  const [first = 0n, second = 0n, ...rest] = dotted.split(".").map(BigInt);
  const octets = [first * 40n + second, ...rest].flatMap(base128);
  return tlv(TAG.OBJECT_IDENTIFIER, Uint8Array.from(octets));
}

/** Encodes a CMS Time in whole seconds: UTCTime until 2049, GeneralizedTime after (RFC 5652 11.3). */
export function time(date: Date): Der {
  const digits = date
    .toISOString()
    .replace(/\.\d+Z$/, "")
    .replace(/[-:T]/g, "");
  const year = date.getUTCFullYear();
  const short = year >= MIN_UTC_TIME_YEAR && year <= MAX_UTC_TIME_YEAR;
  return short
    ? tlv(TAG.UTC_TIME, ascii.encode(`${digits.slice(2)}Z`))
    : tlv(TAG.GENERALIZED_TIME, ascii.encode(`${digits}Z`));
}

export function compareBytes(left: Uint8Array, right: Uint8Array): number {
  const shared = Math.min(left.length, right.length);
  for (let i = 0; i < shared; i++) {
    const difference = left[i]! - right[i]!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && compareBytes(left, right) === 0;
}

function lengthOctets(length: number): readonly number[] {
  if (length < 0x80) return [length];
  const octets: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 0x100)) octets.unshift(rest & 0xff);
  return [0x80 | octets.length, ...octets];
}

function base128(arc: bigint): number[] {
  const octets = [Number(arc & 0x7fn)];
  for (let rest = arc >> 7n; rest > 0n; rest >>= 7n) octets.unshift(Number(rest & 0x7fn) | 0x80);
  return octets;
}

/** Thrown by the readers of this file if the bytes are not what the caller expects. */
export class DerError extends Error {
  override readonly name = "DerError";
}

/** Reads exactly one value. @throws {DerError} for trailing bytes, or bytes that are not BER. */
export function readDer(der: Uint8Array): BaseBlock {
  const { offset, result } = fromBER(copyOf(der));
  if (offset === -1 || offset !== der.length) throw new DerError("Not one DER value");
  return result;
}

/** Whether the length of the first value is that of all bytes. Reads only tag and length. */
export function isWholeValue(bytes: Uint8Array): boolean {
  const [, first = 0] = bytes;
  if (first < 0x80) return bytes.length === 2 + first;
  const octets = bytes.subarray(2, 2 + (first & 0x7f));
  // An indefinite length ends with two zero octets (X.690 8.1.3.6).
  if (octets.length === 0) return bytes.at(-1) === 0 && bytes.at(-2) === 0;
  return bytes.length === octets.reduce((length, octet) => length * 0x100 + octet, 0) + 2 + octets.length;
}

/** Returns the values inside a constructed value. */
export function children(node: BaseBlock): readonly BaseBlock[] {
  const block: object = node.valueBlock;
  if (!node.idBlock.isConstructed || !("value" in block) || !Array.isArray(block.value)) {
    throw new DerError("Not a constructed value");
  }
  return block.value;
}

/** Returns the value at an index of a constructed value. */
export function child(node: BaseBlock, index: number): BaseBlock {
  const found = children(node)[index];
  if (found === undefined) throw new DerError(`No value ${index}`);
  return found;
}

export function oidOf(node: BaseBlock): string {
  if (!(node instanceof ObjectIdentifier)) throw new DerError("Not an object identifier");
  return node.getValue();
}

/** Returns the contents of a primitive OCTET STRING. */
export function octetsOf(node: BaseBlock): Der {
  if (!(node instanceof OctetString) || node.idBlock.isConstructed) throw new DerError("Not an octet string");
  return copyOf(node.valueBlock.valueHexView);
}

/**
 * Returns the contents of an OCTET STRING, which BER may write in pieces (X.690 8.7), also of one with an implicit tag.
 */
export function joinedOctetsOf(node: BaseBlock): Der {
  if (node.idBlock.isConstructed) return concat(children(node).map(joinedOctetsOf));
  const block: object = node.valueBlock;
  if ("valueHexView" in block && block.valueHexView instanceof Uint8Array) return copyOf(block.valueHexView);
  throw new DerError("Not an octet string");
}

/** Returns the non-negative number of an INTEGER of any size. */
export function bigIntOf(node: BaseBlock): bigint {
  if (!(node instanceof Integer)) throw new DerError("Not an integer");
  const value = node.toBigInt();
  if (value < 0n) throw new DerError("Integer out of range");
  return value;
}

/** Returns the number of an INTEGER. @throws {DerError} unless it is from 0 to 2^53 - 1. */
export function numberOf(node: BaseBlock): number {
  if (!(node instanceof Integer)) throw new DerError("Not an integer");
  const value = Number(node.toBigInt());
  if (!Number.isSafeInteger(value) || value < 0) throw new DerError("Integer out of range");
  return value;
}

/** Returns the first octet of a BIT STRING, or 0 if it is empty. */
export function firstOctetOf(node: BaseBlock): number {
  if (!(node instanceof BitString)) throw new DerError("Not a bit string");
  return node.valueBlock.valueHexView[0] ?? 0;
}

/** Returns the contents of a BIT STRING, without the count of unused bits. */
export function bitsOf(node: BaseBlock): Der {
  if (!(node instanceof BitString)) throw new DerError("Not a bit string");
  return copyOf(node.valueBlock.valueHexView);
}

/** Whether the value has the context-specific tag `[n]`. */
export function isContext(node: BaseBlock, n: number): boolean {
  return node.idBlock.tagClass === 3 && node.idBlock.tagNumber === n;
}

/** Returns the bytes from which a value was read. */
export function rawOf(node: BaseBlock): Der {
  return copyOf(node.valueBeforeDecodeView);
}

function copyOf(bytes: Uint8Array): Der {
  return new Uint8Array(bytes);
}
