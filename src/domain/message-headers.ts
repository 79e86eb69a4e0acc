/** RFC 5322 2.2, and short enough to leave room for a value in a folded line. */
const FIELD_NAME = /^[A-Za-z][A-Za-z0-9-]{0,30}$/;
/** Fields that Sealpost writes (RFC 5322 3.6, RFC 2045), and those that other programs read as trace information. */
const RESERVED =
  /^(from|sender|to|cc|bcc|reply-to|subject|date|message-id|mime-version|content-.*|resent-.*|received|return-path|dkim-.*|arc-.*)$/i;
/** Fields that must not have encoded words: message identifiers, URLs in angle brackets, structured fields. */
const STRUCTURED = /^(in-reply-to|references|list-.*|otp-token)$/i;
/** A word is never folded, so with its field name it must fit into the 998 octets of RFC 5322 2.1.1. */
export const MAX_WORD_CHARACTERS = 900;

// Characters that end a line, or that terminals and mail programs interpret. A tab is only white space.
const UNSAFE = /[^\P{Cc}\t]|[\u2028\u2029]/u;
const PRINTABLE_ASCII = /^[\x20-\x7e]*$/;

/** RFC 5322 3.6.4. */
const MESSAGE_IDS = /^<[^<>\s@]+@[^<>\s@]+>( <[^<>\s@]+@[^<>\s@]+>)*$/;
/** RFC 2369 3.2: URLs in angle brackets. RFC 8058 3.1 needs one with https. */
const UNSUBSCRIBE_URLS = /^<(https|mailto):[^<>\s,]+>(, ?<(https|mailto):[^<>\s,]+>)*$/i;

/** The fields that an HTTP caller may set, by name in lower case, and their values. `x-` stands for all `X-*` fields. */
const HTTP_FIELDS: Readonly<Record<string, { readonly value: RegExp; readonly expected: string }>> = {
  "list-unsubscribe": {
    value: UNSUBSCRIBE_URLS,
    expected: "https: or mailto: URLs, each in angle brackets, comma-separated",
  },
  // RFC 8058 3.1.
  "list-unsubscribe-post": { value: /^List-Unsubscribe=One-Click$/, expected: "List-Unsubscribe=One-Click" },
  "in-reply-to": { value: MESSAGE_IDS, expected: "message identifiers such as <1@example.org>" },
  references: { value: MESSAGE_IDS, expected: "message identifiers such as <1@example.org>" },
  "x-": { value: /^/, expected: "one line of text" },
};

/** Whether a text contains control characters or line separators, which no header may contain. */
export function isUnsafeInHeader(text: string): boolean {
  return UNSAFE.test(text);
}

/** Whether the value of a field is written without encoded words (RFC 2047 5). */
export function isStructuredField(name: string): boolean {
  return STRUCTURED.test(name);
}

/** Returns what is expected instead of this field; `null` if the field is valid. */
export function fieldProblem(name: string, value: string): string | null {
  if (!FIELD_NAME.test(name)) return "expected a name of at most 31 letters, digits and -";
  if (RESERVED.test(name)) return "expected a field that is not reserved";
  if (isUnsafeInHeader(value)) return "expected one line without control characters";
  if (!isStructuredField(name)) return null;
  const words = value.split(/[ \t]/);
  const isFit = words.every((word) => PRINTABLE_ASCII.test(word) && word.length <= MAX_WORD_CHARACTERS);
  return isFit ? null : `expected printable ASCII, at most ${MAX_WORD_CHARACTERS} characters without a blank`;
}

/**
 * Returns what is expected instead of this field of an HTTP caller, who may only set {@link HTTP_FIELDS}; `null` if the
 * field is valid.
 */
export function httpFieldProblem(name: string, value: string): string | null {
  const field = name.toLowerCase();
  const rule = HTTP_FIELDS[/^x-./.test(field) ? "x-" : field];
  if (rule === undefined || field === "x-") {
    return `expected one of ${Object.keys(HTTP_FIELDS).join(", ").replace("x-", "X-*")}`;
  }
  return fieldProblem(name, value) ?? (rule.value.test(value) ? null : `expected ${rule.expected}`);
}
