/*
 * Methods of Uint8Array that Node 22 lacks (ECMAScript 2026). The build imports this file in every door of the package;
 * it defines nothing where the runtime has them.
 */

const ALPHABETS = { base64: /^[A-Za-z0-9+/]*$/, base64url: /^[\w-]*$/ };
const HEX = /^(?:[\dA-Fa-f]{2})*$/;
const SPACES = /[\t\n\f\r ]+/g;
/** Characters that encode three bytes. */
const GROUP = 4;

interface Base64Options {
  readonly alphabet?: "base64" | "base64url";
  readonly omitPadding?: boolean;
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

define(Uint8Array.prototype, {
  toHex(this: Uint8Array): string {
    return bufferOf(this).toString("hex");
  },
  toBase64(this: Uint8Array, { alphabet = "base64", omitPadding = false }: Base64Options = {}): string {
    const text = bufferOf(this).toString("base64");
    const encoded = alphabet === "base64url" ? text.replaceAll("+", "-").replaceAll("/", "_") : text;
    return omitPadding ? encoded.replace(/=+$/, "") : encoded;
  },
});

define(Uint8Array, {
  fromHex(text: string): Uint8Array {
    if (!HEX.test(text)) throw new SyntaxError("Invalid hexadecimal string");
    return new Uint8Array(Buffer.from(text, "hex"));
  },
  /** Padding may be missing, but not be partial, as `lastChunkHandling: "loose"` has it. */
  fromBase64(text: string, { alphabet = "base64" }: Base64Options = {}): Uint8Array {
    const padded = text.replace(SPACES, "");
    const digits = padded.replace(/={1,2}$/, "");
    const isWhole = padded.length === digits.length || padded.length % GROUP === 0;
    if (!isWhole || digits.length % GROUP === 1 || !ALPHABETS[alphabet].test(digits)) {
      throw new SyntaxError("Invalid base64 string");
    }
    return new Uint8Array(Buffer.from(digits, alphabet));
  },
});

function define(target: object, methods: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(methods)) {
    if (name in target) continue;
    Object.defineProperty(target, name, { value, writable: true, configurable: true, enumerable: false });
  }
}
