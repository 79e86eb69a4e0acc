import { type HtmlPart, htmlParts, SHOWN } from "./html-parts.ts";
import { render, tagsOf } from "./texts.ts";

/** Stands for a code. No URL has a private-use character in its host. */
const CODE = "\ue000";
/** Stands for a value that may be any text. */
const ANY = "\ue001";

/** The tags of a template that matter for codes, and where a URL with a code may lead. */
export interface CodeLinkOptions {
  /** Tags whose values are codes. */
  readonly codes: readonly string[];
  /** Tags whose values are URLs of Sealpost with a code. */
  readonly links?: readonly string[];
  /** Tags whose values contain no URL. All others may be any text, except `url`, which is `SEALPOST_BASE_URL`. */
  readonly harmless?: readonly string[];
  /** Origins other than that of `SEALPOST_BASE_URL`. */
  readonly origins: readonly string[];
  readonly html?: boolean;
}

/** Returns the problem with a template that is about to be saved, or `null`. */
export type CheckCodeLinks = (template: string, baseUrl: string) => string | null;

/**
 * Creates a check by which an admin who chooses a template cannot have its codes sent to their own server: a URL with a
 * code leads to `SEALPOST_BASE_URL`, or to an origin that the operator names. The check rejects what it cannot read with
 * certainty. Any other text and any other URL is allowed.
 */
export function codeLinks({
  codes,
  links = [],
  harmless = [],
  origins,
  html = false,
}: CodeLinkOptions): CheckCodeLinks {
  return (template, baseUrl) => {
    const base = URL.parse(baseUrl)?.href.replace(/\/$/, "") ?? "";
    const sampleOf = (tag: string): string => {
      if (codes.includes(tag)) return CODE;
      if (links.includes(tag)) return `${base}/${CODE}`;
      if (tag === "url") return base;
      return harmless.includes(tag) ? "0" : ANY;
    };
    const values = Object.fromEntries(tagsOf(template).map((tag) => [tag, sampleOf(tag)]));
    const text = render(template, values, { html });
    if (!text.includes(CODE)) return null;
    const allowed = [URL.parse(base)?.origin ?? [], origins].flat();
    return html ? problemOfHtml(text, allowed) : problemOfText(text, allowed);
  };
}

/** Characters next to a code that make no URL: no dot, slash, at sign or colon. Some blanks separate no words for everyone. */
const SIGN = String.raw`[\p{Z}\ufeff\p{L}\p{M}\p{N}\p{S}\p{Pd}\p{Pc}\p{Ps}\p{Pe}\p{Pi}\p{Pf}'*#&,;!¡¿]`;
const SCHEME = "(?:https?|ftp|mailto|tel|sms|javascript|vbscript|data|file):";
/** A value that may be any text stands next to a code only behind a bar, which is no character of a URL. */
const BEFORE = String.raw`(?:${SIGN}|${ANY}(?=\|))*`;
const AFTER = String.raw`(?:${SIGN}|(?<=\|)${ANY})*`;

/** Patterns of a word with a code. */
interface Patterns {
  /** A word that is no URL: `{code}`, `Code:{code}.`, `({code})`, `{username}|{code}`. */
  readonly plain: RegExp;
  readonly opening: RegExp;
  readonly closing: RegExp;
  /** The start of a URL between delimiters, in which mail programs remove blanks (RFC 3986 C). */
  readonly enclosedUrl: RegExp;
  /** In a text, only characters at which no mail program ends a URL and begins another. */
  readonly textUrl: RegExp;
}

/** Their many characters take a millisecond, so the first template that needs them creates them. */
const createPatterns = (): Patterns => ({
  plain: new RegExp(
    String.raw`^(?!\P{L}*${SCHEME})${BEFORE}(?::['\p{Z}\ufeff\p{Ps}\p{Pi}\p{Pf}]*)?(?:${CODE}${AFTER})+(?:[.:?…][.:?…!'*\p{Pe}\p{Pi}\p{Pf}]*)?$`,
    "iu",
  ),
  opening: /^[\p{Ps}\p{Pi}\p{Pf}'*=|]+/u,
  closing: /[\p{Pe}\p{Pi}\p{Pf}'*|.,:;?!…]+$/u,
  enclosedUrl: new RegExp(String.raw`^(?:URL:)?(?=${SCHEME}|//|\\|www\.)`, "iu"),
  textUrl: new RegExp(String.raw`^https?://[^\s\p{Cc}\\@/?#]+(?:[/?#][\w.~/?#&=%+:${CODE}${ANY}-]*)?$`, "iu"),
});
let patterns: Patterns | null = null;

const ATTRIBUTE_URL = /^https?:\/\/[^\s\p{Cc}\\@/?#]+(?:[/?#][^\s\p{Cc}\\]*)?$/iu;
/** In front of a number, or of any text, between delimiters: a label such as `"SMS: {code}"`, which is no URL. */
const LABEL = /^\s*(?:sms|tel|data):\s/iu;
/** A link that loads no style sheet, whatever entities its values have. */
const NO_STYLE_SHEET = /^(?!.*(?:stylesheet|preload))[a-z -]+$/i;
/** URLs end at these characters (RFC 3986 C), but for some mail programs not at all that `\s` has, such as U+FEFF. */
const BETWEEN_WORDS = /[\t-\r \u00a0\u3000<>"]+/u;
const IN_ANGLES = /<([^<>]*)>/gu;

function problemOfText(text: string, origins: readonly string[]): string | null {
  patterns ??= createPatterns();
  const { plain, opening, closing, enclosedUrl, textUrl } = patterns;
  const leads = (word: string) => leadsTo(word.replace(opening, "").replace(closing, ""), textUrl, origins);
  const words = text.split(BETWEEN_WORDS).filter((word) => word.includes(CODE));
  const urls = enclosed(text)
    .filter((part) => !LABEL.test(part))
    .map((part) => part.replaceAll(/\s+/gu, ""))
    .filter((url) => url.includes(CODE) && enclosedUrl.test(url))
    .map((url) => url.replace(enclosedUrl, ""));
  const isAllowed = words.every((word) => plain.test(word) || leads(word)) && urls.every(leads);
  return isAllowed ? null : problemOfUrl(origins);
}

/** Returns what is in angle brackets, and what is between any two quotes, because either may be the opening one. */
function enclosed(text: string): string[] {
  return [...text.split('"').slice(1, -1), ...[...text.matchAll(IN_ANGLES)].map(([, part = ""]) => part)];
}

function leadsTo(url: string, form: RegExp, origins: readonly string[]): boolean {
  return form.test(url) && origins.includes(URL.parse(url)?.origin ?? "");
}

/** Attributes whose URLs may have a code. */
const LINKS = ["href", "src", "action", "formaction", "ping"];
/** Attributes to whose URLs mail programs send what is elsewhere in the message. */
const SENDING = ["action", "formaction", "ping"];
/** Parts of CSS that load something: by its selectors, a style sheet sends the characters of a link that it matches. */
const LOADING = /@import|(?:url|src|image|image-set)\(|[\\&]/i;
/** Outlook shows the part of a comment between these. Other mail programs do not. */
const CONDITIONS = /<!--\[if [^\]<>]*\]>(?:<!-->)?|(?:<!--)?<!\[endif\]-->/gi;

function problemOfHtml(html: string, origins: readonly string[]): string | null {
  const readings = [html, html.replaceAll(CONDITIONS, "")];
  for (const reading of readings) {
    const parts = htmlParts(reading);
    if (parts === null) return "expected valid HTML with closed tags, quotes and comments around a code";
    for (const [index, part] of parts.entries()) {
      const problem = part.kind === "tag" ? problemOfTag(part, origins) : null;
      if (problem !== null) return problem;
      if (part.kind === "hidden" && part.text.includes(CODE))
        return "expected no code in styles, scripts and fields";
      const before = parts[index - 1];
      const isStyle = part.kind === "hidden" && before?.kind === "tag" && before.name === "style";
      if (isStyle && LOADING.test(part.text))
        return "expected no @import, url(), \\ or & in styles next to a code";
    }
    const shown = parts.map((part) => SHOWN[part.kind](part)).join("");
    const problem = problemOfText(shown, origins);
    if (problem !== null) return problem;
  }
  return null;
}

function problemOfTag(
  { name: tag, attributes, text }: HtmlPart & { readonly kind: "tag" },
  origins: readonly string[],
): string | null {
  let rest = text;
  const rel = attributes.find(({ name }) => name === "rel")?.value ?? "";
  for (const { name, value, source } of attributes) {
    const mayHaveCode = LINKS.includes(name) && value.includes(CODE);
    const isStyleSheet = tag === "link" && name === "href" && !NO_STYLE_SHEET.test(rel);
    if (!mayHaveCode && !isStyleSheet && !SENDING.includes(name)) continue;
    if (!leadsTo(value, ATTRIBUTE_URL, origins))
      return isStyleSheet ? "expected no style sheet of another site next to a code" : problemOfUrl(origins);
    rest = rest.replace(source, "");
  }
  return rest.includes(CODE) ? "expected no code in a tag, except in the URL of href or src" : null;
}

function problemOfUrl(origins: readonly string[]): string {
  if (origins.length === 0) {
    return "a URL with a code needs SEALPOST_BASE_URL, or the plugin option linkOrigins; put blanks around a code elsewhere";
  }
  return `a URL with a code must lead to ${origins.join(" or ")}; put blanks around a code elsewhere`;
}
