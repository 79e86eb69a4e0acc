import { FILE_PARAMETERS } from "../domain/definition-fields.ts";
import { invalidParameter, type SealpostError } from "../errors.ts";
import { readFileText } from "../smime/file-text.ts";

/** Bytes as characters, so that a form can be split before it is decoded. */
const binary = {
  // The decoder of this name is that of Windows-1252, which changes octets from 0x80 to 0x9f.
  decode: (bytes: Uint8Array) => Array.from(bytes, (octet) => String.fromCharCode(octet)).join(""),
  encode: (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0)),
};
const END_OF_HEADER = "\r\n\r\n";
const ESCAPE = /%([0-9a-f]{2})/gi;
/** The header of a part that is no file, up to its end of line. */
const TEXT_PART = new RegExp(
  `^(content-disposition: *form-data; *name="?(?:${FILE_PARAMETERS.join("|")})"?) *\\r$`,
  "gim",
);

/**
 * Reads a urlencoded form whose bytes are not UTF-8, or have NUL. Only files may.
 * @throws {SealpostError} `invalid_parameter`
 */
export function readFormBytes(bytes: Uint8Array): readonly [string, string][] {
  return binary
    .decode(bytes)
    .split("&")
    .filter((pair) => pair !== "")
    .map((pair) => {
      const equals = pair.includes("=") ? pair.indexOf("=") : pair.length;
      const name = utf8Of("body", unescaped(pair.slice(0, equals)));
      const value = unescaped(pair.slice(equals + 1));
      return [name, FILE_PARAMETERS.includes(name) ? readFileText(value) : utf8Of(name, value)];
    });
}

function unescaped(text: string): Uint8Array<ArrayBuffer> {
  const characters = text.replaceAll("+", " ");
  return binary.encode(
    characters.replace(ESCAPE, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
  );
}

function utf8Of(name: string, bytes: Uint8Array<ArrayBuffer>): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw notUtf8(name);
  }
}

function notUtf8(name: string): SealpostError {
  return invalidParameter(name, "expected UTF-8");
}

/** Returns the bytes after the header of a part. */
function contentOf(part = ""): Uint8Array<ArrayBuffer> {
  return binary.encode(part.slice(part.indexOf(END_OF_HEADER) + END_OF_HEADER.length));
}

/** Marks the parts of the parameters that may be files as such, so that their bytes are kept. */
export function markFiles(body: Uint8Array): Uint8Array<ArrayBuffer> {
  return binary.encode(binary.decode(body).replace(TEXT_PART, '$1; filename="text"\r'));
}

/**
 * Reads the files among the entries of a multipart form.
 * @param body the bytes of the form, to find out whether each text was UTF-8
 * @throws {SealpostError} `invalid_parameter` for a text that was not
 */
export async function readEntries(
  entries: readonly (readonly [string, unknown])[],
  { body, boundary }: { readonly body: Uint8Array; readonly boundary: string },
): Promise<readonly [string, unknown][]> {
  const parts = `\r\n${binary.decode(body)}`.split(`\r\n--${boundary}`).slice(1);
  return Promise.all(
    entries.map(async ([name, value], index): Promise<[string, unknown]> => {
      if (
        typeof value === "string" &&
        value.includes("\ufffd") &&
        utf8Of(name, contentOf(parts[index])) !== value
      )
        throw notUtf8(name);
      const isFile = value instanceof Blob && FILE_PARAMETERS.includes(name);
      return [name, isFile ? readFileText(new Uint8Array(await value.arrayBuffer())) : value];
    }),
  );
}
