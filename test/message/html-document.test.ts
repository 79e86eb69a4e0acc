import { describe, expect, test } from "bun:test";
import { htmlDocument } from "../../src/message/compose.ts";

const OPTIONS = { language: "de", title: "Fish & <chips>" };

describe("htmlDocument()", () => {
  test("wraps a fragment in a document with language, character set and title", () => {
    const html = htmlDocument("<p>1</p>\n", OPTIONS);
    expect(html).toStartWith('<!doctype html>\n<html lang="de">\n');
    expect(html).toContain('<meta charset="utf-8">');
    expect(html).toContain("<title>Fish &amp; &lt;chips&gt;</title>");
    expect(html).toContain("<body>\n<p>1</p>\n</body>");
  });

  test.each([
    "<!doctype html><html><body>1</body></html>",
    "<!DOCTYPE HTML PUBLIC '-//W3C//DTD HTML 4.01//EN'>\n<p>1",
    "  \n<html lang=fr><body>1",
    '<?xml version="1.0"?>\n<!DOCTYPE html><html>',
    "<!-- a --> <!-- b -->\n<HTML>1",
  ])("leaves the document %j as it is", (html) => {
    expect(htmlDocument(html, OPTIONS)).toBe(html);
  });

  test.each([
    "",
    "text",
    "<p>&lt;html></p>",
    "<htmlx>",
    "<!-- <html> -->",
    "<head><style></style></head><p>1",
  ])("takes %j for a fragment", (html) => {
    expect(htmlDocument(html, OPTIONS)).toStartWith("<!doctype html>");
  });

  test.each([
    ["many comments", "<!---->".repeat(50_000)],
    ["a comment without its end", `<!--${"-".repeat(1_000_000)}`],
    ["many line breaks", `a${"\n".repeat(1_000_000)}b`],
    ["many blanks", `${" ".repeat(1_000_000)}a`],
  ])("reads %s in linear time", (_, html) => {
    expect(htmlDocument(html, OPTIONS)).toStartWith("<!doctype html>");
  });
});
