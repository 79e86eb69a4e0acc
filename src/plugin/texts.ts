import type { Context } from "hono";
import * as v from "valibot";
import type { Message } from "../domain/message.ts";

/**
 * Returns the language among `available` that the client prefers (RFC 9110 12.5.4), or the first if none matches.
 * `de-AT` matches `de`.
 * @example `const text = TEXTS[language(c, ["en", "de"])]`
 */
export function language<const L extends string>(c: Context, available: readonly [L, ...L[]]): L {
  const ranges = (c.req.header("accept-language") ?? "").split(",").map(parseRange);
  const ordered = ranges.filter(({ quality }) => quality > 0).toSorted((a, b) => b.quality - a.quality);
  for (const { range } of ordered) {
    const found = available.find((name) => range === name || range.startsWith(`${name}-`));
    if (found !== undefined) return found;
  }
  return available[0];
}

function parseRange(text: string): { readonly range: string; readonly quality: number } {
  const [range = "", ...parameters] = text.split(";").map((part) => part.trim().toLowerCase());
  const weight = parameters.find((parameter) => parameter.startsWith("q="));
  const quality = weight === undefined ? 1 : Number(weight.slice(2));
  return { range, quality: Number.isFinite(quality) ? quality : 0 };
}

type TemplateValues = Readonly<Record<string, string>>;

/** `{{`, `}}`, a tag, or a stray brace. */
const PIECE = /\{\{|\}\}|\{(\w+)\}|[{}]/g;
const HTML: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
/** Characters that a header must not contain. */
const UNSAFE_IN_LINE = /[\p{Cc}\p{Zl}\p{Zp}]+/gu;
/** Longer than any message that people read. */
const MAX_CHARACTERS = 20_000;

/**
 * Returns the problem with a template, or `null`. For templates that are about to be saved.
 * @param tags the names that will have a value.
 */
export function checkTemplate(template: string, tags: readonly string[]): string | null {
  for (const [piece, tag] of template.matchAll(PIECE)) {
    if (tag !== undefined && !tags.includes(tag)) {
      return `there is no tag {${tag}}; expected ${tags.map((name) => `{${name}}`).join(", ")}`;
    }
    if (piece.length === 1) return `a single ${piece} is written ${piece}${piece}`;
  }
  return null;
}

/** Returns the names of the tags in a valid template. */
export function tagsOf(template: string): readonly string[] {
  return [...template.matchAll(PIECE)].flatMap(([, tag]) => tag ?? []);
}

/** Schema of a template, for options, settings and parameters. */
export function templateText(tags: readonly string[]) {
  return v.pipe(
    v.string("expected a text"),
    v.maxLength(MAX_CHARACTERS, `expected at most ${MAX_CHARACTERS} characters`),
    v.rawCheck(({ dataset, addIssue }) => {
      const problem = dataset.typed ? checkTemplate(dataset.value, tags) : null;
      if (problem !== null) addIssue({ message: problem });
    }),
  );
}

/**
 * Replaces `{tag}` with its value, and `{{` and `}}` with single braces. Tags within values are not replaced.
 * @param options.html escapes the values; the template itself is HTML.
 * @param options.line joins the lines, for subjects: a line end in a name would make the message invalid.
 * @throws {TypeError} for a tag without a value; {@link checkTemplate} finds it earlier.
 */
export function render(
  template: string,
  values: TemplateValues,
  { html = false, line = false }: { readonly html?: boolean; readonly line?: boolean } = {},
): string {
  const text = template.replace(PIECE, (piece, tag: string | undefined) => {
    if (tag === undefined) return piece.slice(0, 1);
    const value = Object.hasOwn(values, tag) ? values[tag] : undefined;
    if (value === undefined) throw new TypeError(`No value for the tag {${tag}}`);
    return html ? escapeHtml(value) : value;
  });
  return line ? text.replace(UNSAFE_IN_LINE, " ").trim() : text;
}

/** Templates of one message; an empty one is not set. */
export interface MessageTemplates {
  readonly subject: string;
  readonly text: string;
  readonly html?: string;
}

/**
 * Renders a message from an admin's templates, or from the built-in ones where those are empty. Custom text without custom
 * HTML is sent alone, because the built-in HTML would say something else.
 */
export function renderMessage(
  custom: MessageTemplates,
  builtIn: MessageTemplates,
  values: TemplateValues,
  languageTag: string,
): Pick<Message, "subject" | "text" | "html" | "language"> {
  const html = custom.html || (custom.text === "" ? builtIn.html : "");
  return {
    subject: render(custom.subject || builtIn.subject, values, { line: true }),
    text: render(custom.text || builtIn.text, values),
    ...(html ? { html: render(html, values, { html: true }) } : {}),
    language: languageTag,
  };
}

/** Escapes a text for use between tags and in quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => HTML[sign] ?? "");
}
