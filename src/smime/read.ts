import { type BaseBlock, BitString, fromBER, Integer, ObjectIdentifier, OctetString } from "asn1js";
import type { Der } from "./der.ts";

/** Thrown by the readers here when the bytes are not what the caller expects. */
export class DerError extends Error {
  override readonly name = "DerError";
}

/** Reads exactly one value; trailing bytes are refused. */
export function readDer(der: Uint8Array): BaseBlock {
  const { offset, result } = fromBER(copyOf(der));
  if (offset === -1 || offset !== der.length) throw new DerError("Not one DER value");
  return result;
}

/** The values inside a constructed value. */
export function children(node: BaseBlock): readonly BaseBlock[] {
  const block: object = node.valueBlock;
  if (!node.idBlock.isConstructed || !("value" in block) || !Array.isArray(block.value)) {
    throw new DerError("Not a constructed value");
  }
  return block.value;
}

/** The values inside the nth child of a constructed value. */
export function child(node: BaseBlock, index: number): BaseBlock {
  const found = children(node)[index];
  if (found === undefined) throw new DerError(`No value ${index}`);
  return found;
}

export function oidOf(node: BaseBlock): string {
  if (!(node instanceof ObjectIdentifier)) throw new DerError("Not an object identifier");
  return node.getValue();
}

/** The contents of a primitive OCTET STRING. */
export function octetsOf(node: BaseBlock): Der {
  if (!(node instanceof OctetString) || node.idBlock.isConstructed) throw new DerError("Not an octet string");
  return copyOf(node.valueBlock.valueHexView);
}

/** @throws {DerError} unless it is an INTEGER between 0 and 2^53 - 1. */
export function numberOf(node: BaseBlock): number {
  if (!(node instanceof Integer)) throw new DerError("Not an integer");
  const value = Number(node.toBigInt());
  if (!Number.isSafeInteger(value) || value < 0) throw new DerError("Integer out of range");
  return value;
}

/** The first octet of a BIT STRING; 0 if it is empty. */
export function firstOctetOf(node: BaseBlock): number {
  if (!(node instanceof BitString)) throw new DerError("Not a bit string");
  return node.valueBlock.valueHexView[0] ?? 0;
}

/** Whether the value has the context-specific tag `[n]`. */
export function isContext(node: BaseBlock, n: number): boolean {
  return node.idBlock.tagClass === 3 && node.idBlock.tagNumber === n;
}

/** The bytes a value was read from. */
export function rawOf(node: BaseBlock): Der {
  return copyOf(node.valueBeforeDecodeView);
}

function copyOf(bytes: Uint8Array): Der {
  return new Uint8Array(bytes);
}
