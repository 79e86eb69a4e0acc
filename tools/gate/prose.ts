import { join } from "node:path";
import { Glob } from "bun";
import { Visitor } from "oxc-parser";
import { ROOT, type Source } from "./sources.ts";

/** A text for people. */
export interface Prose {
  readonly path: string;
  readonly line: number;
  readonly kind: "docstring" | "comment" | "string" | "page";
  readonly text: string;
}

const PAGES = "{README,SECURITY,CONTRIBUTING,docs/**/*,{src,plugins,bench,tools}/**/*}.md";
const SQL =
  /^\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|PRAGMA|WITH|select|insert|update \w+ set|delete from|create (table|index|unique)|alter table|drop|pragma)\b/;
const CODE_SPAN = /`[^`\n]*`/g;

/** Comments, strings with blanks and, in `test/`, nothing but the names of tests. */
export function proseOf(source: Source): readonly Prose[] {
  const { path } = source;
  if (path.startsWith("test/")) return testNames(source);
  return [...comments(source), ...strings(source)];
}

/** Paragraphs and table rows of the Markdown pages, without code. */
export async function readPages(): Promise<readonly Prose[]> {
  const found: Prose[] = [];
  for (const path of [...new Glob(PAGES).scanSync(ROOT)].sort()) {
    if (path.includes("node_modules")) continue;
    const text = (await Bun.file(join(ROOT, path)).text())
      .replace(/^(```+)[\s\S]*?^\1$/gm, blank)
      .replace(/<!--[\s\S]*?-->/g, blank)
      .replace(CODE_SPAN, blank)
      .replace(/\]\([^)\s]*\)/g, blank);
    let line = 1;
    for (const paragraph of text.split(/(\n\s*\n|\n(?=[|*-]))/)) {
      if (/\S/.test(paragraph)) found.push({ path, line, kind: "page", text: flat(paragraph) });
      line += paragraph.split("\n").length - 1;
    }
  }
  return found;
}

/** The code of a file: comments and the contents of strings are blanks, so that offsets stay. */
export function codeOf({ program, comments, text }: Source): string {
  const spans: { start: number; end: number }[] = comments.map(({ start, end }) => ({ start, end }));
  new Visitor({
    Literal: ({ value, start, end }) => {
      if (typeof value === "string" || value instanceof RegExp) spans.push({ start, end });
    },
    TemplateElement: ({ start, end }) => {
      spans.push({ start, end });
    },
  }).visit(program);
  let code = "";
  let at = 0;
  for (const { start, end } of spans.sort((left, right) => left.start - right.start)) {
    code += text.slice(at, start) + blank(text.slice(start, end));
    at = end;
  }
  return code + text.slice(at);
}

function comments(source: Source): Prose[] {
  const found: Prose[] = [];
  let lastEnd = -1;
  for (const { type, value, start, end } of source.comments) {
    const last = found.at(-1);
    // Consecutive lines are one comment.
    if (type === "Line" && last?.kind === "comment" && /^\n\s*$/.test(source.text.slice(lastEnd, start))) {
      found[found.length - 1] = { ...last, text: `${last.text} ${plain(value)}` };
    } else if (!/^\s*(biome-ignore|@ts-|deno-)/.test(value)) {
      const kind = type === "Block" && value.startsWith("*") ? "docstring" : "comment";
      const lines = value.replace(/^\s*\*+ ?/gm, "");
      found.push({ path: source.path, line: source.lineAt(start), kind, text: plain(lines) });
    }
    lastEnd = end;
  }
  return found;
}

function strings({ path, program, lineAt }: Source): Prose[] {
  const found: Prose[] = [];
  const exempt = new Set<number>();
  const add = (text: string, start: number) => {
    const isProse = /\S\s+\S/.test(text) && !SQL.test(text) && !exempt.has(start);
    if (isProse) found.push({ path, line: lineAt(start), kind: "string", text: flat(text) });
  };
  new Visitor({
    TaggedTemplateExpression: ({ tag, quasi }) => {
      if (tag.type === "Identifier" && tag.name === "sql") exempt.add(quasi.start);
    },
    Literal: ({ value, start }) => {
      if (typeof value === "string") add(value, start);
    },
    TemplateLiteral: ({ quasis, start }) => {
      add(quasis.map(({ value }) => value.cooked ?? "").join("…"), start);
    },
  }).visit(program);
  return found;
}

function testNames({ path, program, text, lineAt }: Source): Prose[] {
  const found: Prose[] = [];
  new Visitor({
    CallExpression: ({ callee, arguments: [name] }) => {
      if (name === undefined || !/^(test|it|describe)\b/.test(text.slice(callee.start, callee.end))) return;
      if (name.type !== "Literal" && name.type !== "TemplateLiteral") return;
      const words = flat(text.slice(name.start + 1, name.end - 1));
      found.push({ path, line: lineAt(name.start), kind: "string", text: words });
    },
  }).visit(program);
  return found;
}

function plain(text: string): string {
  return flat(text.replace(CODE_SPAN, "…"));
}

function flat(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

function blank(text: string): string {
  return text.replace(/[^\n]/g, " ");
}
