import type { Context } from "hono";
import * as v from "valibot";

/**
 * The language among `available` that the client likes best (RFC 9110 12.5.4); the first if it likes none.
 * @example `const text = TEXTS[language(c, ["en", "de"])]`
 */
export function language<const L extends string>(c: Context, available: readonly [L, ...L[]]): L {
  const wanted = (c.req.header("accept-language") ?? "").split(",").map(parseRange);
  const ordered = wanted.filter(({ quality }) => quality > 0).toSorted((a, b) => b.quality - a.quality);
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

export type TemplateValues = Readonly<Record<string, string>>;

/** `{{`, `}}`, a tag, or a brace that is none of these. */
const PIECE = /\{\{|\}\}|\{(\w+)\}|[{}]/g;
const HTML: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/**
 * What is wrong with a template; null if nothing is. To be asked when it is saved.
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

/** Schema of a template, for options, config keys and parameters. */
export function templateText(tags: readonly string[]) {
  return v.pipe(
    v.string("expected a text"),
    v.maxLength(MOST_CHARACTERS, `expected at most ${MOST_CHARACTERS} characters`),
    v.rawCheck(({ dataset, addIssue }) => {
      const problem = dataset.typed ? checkTemplate(dataset.value, tags) : null;
      if (problem !== null) addIssue({ message: problem });
    }),
  );
}
/** What may not stand in a header, as one piece. */
const UNSAFE_IN_LINE = /[\p{Cc}\p{Zl}\p{Zp}]+/gu;
/** A mail that somebody reads is shorter. */
const MOST_CHARACTERS = 20_000;

/**
 * Puts values in place of `{tag}`; `{{` and `}}` stand for braces. A value is never looked into.
 * @param options.html escapes the values; the template itself is HTML then.
 * @param options.line makes one line of it, for subjects: a name with a line end must not keep a mail from leaving.
 * @throws {TypeError} for a tag without a value: {@link checkTemplate} would have said so.
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

/** Makes a text fit to stand between tags and in quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => HTML[sign] ?? "");
}
