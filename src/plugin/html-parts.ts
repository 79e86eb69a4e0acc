/** An attribute of a tag: its name in lower case, its value without quotes and as written. */
interface HtmlAttribute {
  readonly name: string;
  readonly value: string;
  /** All of it. */
  readonly source: string;
}

/** A part of an HTML text. */
export type HtmlPart =
  | { readonly kind: "text" | "title" | "hidden" | "comment"; readonly text: string }
  | {
      readonly kind: "tag";
      readonly text: string;
      readonly name: string;
      readonly attributes: readonly HtmlAttribute[];
    };

/** White space of HTML, which is less than `\s`. */
const SPACE = String.raw`[\t\n\f\r ]`;
const NAME_CHARACTER = String.raw`[^\s"'<>/=]`;
const NAME = `${NAME_CHARACTER}+`;
const VALUE = String.raw`"[^"]*"|'[^']*'|[^\s"'=<>\x60]+(?=[\t\n\f\r >])`;
const ATTRIBUTE = String.raw`[\t\n\f\r /]+${NAME}(?=[\t\n\f\r />=])(?:${SPACE}*=${SPACE}*(?:${VALUE}))?(?=[\t\n\f\r />])`;
const PARTS = new RegExp(
  [
    "(?<text>[^<]+)",
    "(?<comment><!--(?!-?>)(?:(?!--!?>)[^])*-->|<!doctype[^<>]*>)",
    `</(?<end>[a-z]${NAME_CHARACTER}*)${SPACE}*>`,
    String.raw`<(?<start>[a-z]${NAME_CHARACTER}*)(?<attributes>(?:${ATTRIBUTE})*)[\t\n\f\r /]*>`,
  ].join("|"),
  "iuy",
);
const ATTRIBUTES = new RegExp(
  String.raw`[\t\n\f\r /]+(${NAME})(?:${SPACE}*=${SPACE}*(${VALUE}))?(?=[\t\n\f\r />]|$)`,
  "giu",
);
/** Elements in which tags are text. */
const RAW = /^(?:title|style|script|textarea|xmp|iframe|noembed|noframes|noscript|plaintext)$/;
/** Elements within a word. */
const INLINE =
  /^(?:abbr|b|big|bdi|bdo|cite|code|del|dfn|em|font|i|ins|kbd|mark|q|s|samp|small|span|strong|sub|sup|tt|u|var|wbr)$/;
/** Named characters that stand next to codes. */
const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: " ",
  ensp: " ",
  emsp: " ",
  thinsp: " ",
  laquo: "«",
  raquo: "»",
  lsquo: "‘",
  rsquo: "’",
  ldquo: "“",
  rdquo: "”",
  bdquo: "„",
  sbquo: "‚",
  ndash: "–",
  mdash: "—",
  hellip: "…",
};
const ENTITY = /&(?:#(\d{1,7});?|#x([\da-f]{1,6});?|([a-z][a-z\d]*)([;=]?))/giu;
/** Names that need no semicolon, except letters. */
const UNCLOSED =
  /^(?:amp|lt|gt|quot|nbsp|shy|[lr]aquo|sect|para|middot|uml|cedil|acute|macr|copy|reg|not|deg|brvbar|i?quest|iexcl)/i;
/** A character that stands next to no code. */
const UNKNOWN = "\0";

/**
 * Returns the parts of an HTML text in which every parser sees the same ones (WHATWG HTML 13.1), or `null` for any other:
 * one where a quote or a tag is not closed, or with markup in the text of a style or title.
 */
export function htmlParts(html: string): readonly HtmlPart[] | null {
  const parts: HtmlPart[] = [];
  let index = 0;
  while (index < html.length) {
    PARTS.lastIndex = index;
    const groups = PARTS.exec(html)?.groups;
    if (groups === undefined) return null;
    const text = html.slice(index, PARTS.lastIndex);
    index = PARTS.lastIndex;
    const name = (groups.start ?? groups.end)?.toLowerCase();
    if (name === undefined) {
      parts.push({ kind: groups.text === undefined ? "comment" : "text", text });
      continue;
    }
    parts.push({ kind: "tag", text, name, attributes: attributesOf(groups.attributes ?? "") });
    if (groups.start === undefined || !RAW.test(name)) continue;
    const content = html.slice(index).split("<", 1)[0] ?? "";
    index += content.length;
    PARTS.lastIndex = index;
    if (PARTS.exec(html)?.groups?.end?.toLowerCase() !== name) return null;
    parts.push({ kind: name === "title" ? "title" : "hidden", text: content });
  }
  return parts;
}

function attributesOf(text: string): HtmlAttribute[] {
  return [...text.matchAll(ATTRIBUTES)].map(([source, name = "", value = ""]) => ({
    source,
    name: name.toLowerCase(),
    value: value.replace(/^(["'])(.*)\1$/su, "$2"),
  }));
}

/** Returns what people read of a part. Tags other than {@link INLINE} ones separate words. */
export const SHOWN: Readonly<Record<HtmlPart["kind"], (part: HtmlPart) => string>> = {
  text: ({ text }) => withoutEntities(text),
  title: ({ text }) => ` ${withoutEntities(text)} `,
  hidden: () => "",
  comment: () => "",
  tag: (part) => (part.kind === "tag" && INLINE.test(part.name) ? "" : " "),
};

function withoutEntities(text: string): string {
  return text.replace(ENTITY, (source, decimal?: string, hex?: string, name = "", end = "") => {
    const code = decimal ? Number(decimal) : hex ? Number.parseInt(hex, 16) : null;
    if (code !== null) return code > 0x10_ff_ff ? UNKNOWN : String.fromCodePoint(code);
    if (Object.hasOwn(ENTITIES, name) && end !== "=") return ENTITIES[name] ?? UNKNOWN;
    // `&code=` of a URL is no character.
    return end === "=" && !UNCLOSED.test(name) ? source : UNKNOWN;
  });
}
