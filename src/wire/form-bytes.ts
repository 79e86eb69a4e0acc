import { FILE_PARAMETERS } from "../domain/definition-fields.ts";
import { invalidParameter, SealpostError } from "../errors.ts";
import { readFileText } from "../smime/file-text.ts";

/** Bytes as characters, so that a form can be split before it is decoded. */
const binary = {
  // Not TextDecoder: its "latin1" is Windows-1252, which changes octets from 0x80 to 0x9f.
  decode: (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1"),
  encode: (text: string) => new Uint8Array(Buffer.from(text, "latin1")),
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

/** A multipart form: its bytes and the boundary of its parts. */
interface MultipartForm {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly boundary: string;
}
type Entries = readonly (readonly [name: string, value: unknown])[];

const BOUNDARY = /;\s*boundary=(?:"([^"]+)"|([^\s;]+))/i;
/** A boundary that Node.js takes. RFC 2046 5.1.1 allows shorter ones, and other characters. */
const PLAIN_BOUNDARY = /^[\w'-]{27,70}$/;
/** Shows that the text of a part may have been in another encoding. */
const DOUBTFUL = /[\0\ufffd]/;

/**
 * Reads a multipart form. A parameter that may be a file is one if its bytes are not UTF-8, or have NUL.
 * @param type its media type, with the boundary
 * @throws {SealpostError} `invalid_parameter` for a malformed form, and for another text that is not UTF-8
 */
export async function readMultipart(bytes: Uint8Array<ArrayBuffer>, type: string): Promise<Entries> {
  const [, quoted, token = ""] = BOUNDARY.exec(type) ?? [];
  const boundary = quoted ?? token;
  if (boundary === "") throw malformed();
  const form = PLAIN_BOUNDARY.test(boundary) ? { bytes, boundary } : withPlainBoundary({ bytes, boundary });
  const entries = await entriesOf(form);
  if (entries.every(([, value]) => typeof value === "string" && !DOUBTFUL.test(value))) return entries;
  return readFiles(await entriesOf(markFiles(form)), form);
}

/** In characters. Node.js takes no shorter one. */
const NEW_BOUNDARY_LENGTH = 27;
const SYNTAX = /[^\w\s]/g;

/**
 * Returns a form with a boundary that every runtime takes. No part can have it, because it cannot be guessed.
 * @throws {SealpostError} `invalid_parameter` for a form that would have more than twice its size
 */
function withPlainBoundary(form: MultipartForm): MultipartForm {
  const boundary = crypto.randomUUID().slice(-NEW_BOUNDARY_LENGTH);
  const text = binary.decode(form.bytes);
  // RFC 2046 5.1.1: a delimiter is a whole line. A line of a value may begin as one does.
  const line = `--${form.boundary.replace(SYNTAX, "\\$&")}(?:(--)[ \\t]*(?=\\r?\\n|$)|[ \\t]*(?=\\r\\n))`;
  // Whatever ends the line before the first one, it belongs to no part.
  const start = text.search(new RegExp(`(?<![^\\n])${line}`));
  if (start === -1) throw malformed();
  const lines = `\r\n${text.slice(start)}`;
  const delimiters = new RegExp(`\\r\\n${line}`, "g");
  // The header of a part is longer than its boundary.
  const max = form.bytes.length / NEW_BOUNDARY_LENGTH + 1;
  if (!lines.matchAll(delimiters).drop(max).next().done) throw malformed();
  return { bytes: binary.encode(lines.replace(delimiters, `\r\n--${boundary}$1`).slice(2)), boundary };
}

async function entriesOf({ bytes, boundary }: MultipartForm): Promise<Entries> {
  const headers = { "content-type": `multipart/form-data; boundary="${boundary}"` };
  const form = await new Response(bytes, { headers }).formData().catch((cause) => {
    throw malformed(cause);
  });
  // Deno accepts a form that was cut off, without its last fields.
  if (!isClosed({ bytes, boundary })) throw malformed();
  return [...form.entries()];
}

function malformed(cause?: unknown): SealpostError {
  const message = "ERR905: Invalid parameter: body: expected multipart/form-data with its last boundary";
  return new SealpostError("invalid_parameter", message, { parameter: "body", cause });
}

/** Whether a form ends with the delimiter that closes it (RFC 2046 5.1.1). Text may follow it. */
function isClosed({ bytes, boundary }: MultipartForm): boolean {
  return `\r\n${binary.decode(bytes)}`.includes(`\r\n--${boundary}--`);
}

/** Marks the parts of the parameters that may be files as such, so that their bytes are kept. */
function markFiles({ bytes, boundary }: MultipartForm): MultipartForm {
  return { bytes: binary.encode(binary.decode(bytes).replace(TEXT_PART, '$1; filename="text"\r')), boundary };
}

/** Reads the files among the entries of a form. @param form to find out whether each text was UTF-8 */
async function readFiles(entries: Entries, { bytes, boundary }: MultipartForm): Promise<Entries> {
  const parts = `\r\n${binary.decode(bytes)}`.split(`\r\n--${boundary}`).slice(1);
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

/** Returns the bytes after the header of a part. */
function contentOf(part = ""): Uint8Array<ArrayBuffer> {
  return binary.encode(part.slice(part.indexOf(END_OF_HEADER) + END_OF_HEADER.length));
}
