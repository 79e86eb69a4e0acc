import { getExtension, getMimeType } from "hono/utils/mime";
import * as v from "valibot";
import type { NormalizedAttachment } from "../domain/message.ts";

const MAX_ATTACHMENTS = 100;
const MAX_FILENAME_CHARACTERS = 255;
const MAX_TYPE_CHARACTERS = 255;
/** RFC 2045 5.1, with type names by RFC 6838 4.2. */
const CONTENT_TYPE =
  /^[a-z0-9][\w!#$&^.+-]{0,126}\/[a-z0-9][\w!#$&^.+-]{0,126}( *; *[\w!#$&^.+-]+=([\w!#$&^.+-]+|"[ !#-[\]-~]*"))*$/i;
/** Composite types (RFC 2046 5) contain further parts, and no transfer encoding may protect these. */
const COMPOSITE_TYPE = /^(message|multipart)\//i;
/** A parameter `charset`; or a quoted value of another, which may contain what looks like one. */
const CHARSETS = / *; *charset=(?:"[^"]*"|[^; ]+)|("[^"]*")/gi;
const UTF8 = "; charset=utf-8";
/** Characters that may follow `cid:` without an escape (RFC 2392 2). */
const CONTENT_ID = /^<?([\w!#$&'*+./=?^`{|}~@-]{1,200})>?$/;

const text = v.string("expected a text");
const input = v.object(
  {
    content: v.union([v.instance(Uint8Array), v.string()], "expected bytes (Uint8Array) or a text"),
    filename: v.nullish(
      v.pipe(
        text,
        v.nonEmpty("expected a name"),
        v.maxLength(MAX_FILENAME_CHARACTERS, `expected at most ${MAX_FILENAME_CHARACTERS} characters`),
        v.check(
          (name) => !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(name),
          "expected one line without control characters",
        ),
      ),
    ),
    contentType: v.nullish(
      v.pipe(
        text,
        v.maxLength(MAX_TYPE_CHARACTERS, `expected at most ${MAX_TYPE_CHARACTERS} characters`),
        v.regex(CONTENT_TYPE, "expected a media type such as application/pdf"),
        v.check((type) => !COMPOSITE_TYPE.test(type), "expected a type other than message/* and multipart/*"),
      ),
    ),
    contentId: v.nullish(
      v.pipe(
        text,
        v.regex(CONTENT_ID, "expected at most 200 characters of ASCII without blanks"),
        v.transform((id) => id.replace(CONTENT_ID, "$1")),
      ),
    ),
  },
  "expected an object",
);

const utf8 = new TextEncoder();

/** The attachments of a message, normalized to bytes with name and type, in the same way on every runtime. */
export const attachments = v.pipe(
  v.array(input, "expected a list"),
  v.maxLength(MAX_ATTACHMENTS, `expected at most ${MAX_ATTACHMENTS}`),
  v.transform((list) => list.map(normalized)),
);

function normalized(
  { content, filename, contentType, contentId }: v.InferOutput<typeof input>,
  index: number,
): NormalizedAttachment {
  const isText = typeof content === "string";
  const type = typeOf(isText, filename ?? "", contentType ?? null);
  return {
    content: isText ? utf8.encode(content) : content,
    filename: filename ?? `attachment-${index + 1}.${getExtension(type) ?? "bin"}`,
    contentType: type,
    contentId: contentId ?? null,
  };
}

/** Text always leaves as UTF-8, whatever charset is given. Bytes keep theirs, and get none. */
function typeOf(isText: boolean, filename: string, given: string | null): string {
  const type = given ?? getMimeType(filename) ?? (isText ? "text/plain" : "application/octet-stream");
  const bare = type.replace(CHARSETS, "$1");
  if (!isText) return given ?? bare;
  return bare !== type || /^text\//i.test(type) ? `${bare}${UTF8}` : type;
}
