/** RFC 5646: the language of a document whose author names none. */
export const DEFAULT_LANGUAGE = "en";

/** The beginning of what is a document already: comments and an XML declaration may stand before it. */
const DOCUMENT = /^\s*(?:<\?xml\b[^>]*>\s*)?(?:<!--(?:(?!-->)[\s\S])*-->\s*)*<(?:!doctype|html)\b/i;
const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

/**
 * Makes a whole HTML document of a fragment, so that programs know its character set, its title and, for reading it
 * aloud, its language (WCAG 3.1.1). What is a document already stays as it is.
 * @param options `language`: a BCP 47 tag.
 */
export function htmlDocument(
  html: string,
  options: { readonly language: string; readonly title: string },
): string {
  if (DOCUMENT.test(html)) return html;
  const title = options.title.replace(/[&<>]/g, (sign) => ENTITIES[sign] ?? "");
  return `<!doctype html>
<html lang="${options.language}">
<head>
<meta charset="utf-8">
<title>${title}</title>
</head>
<body>
${html.replace(/[\r\n]+$/, "")}
</body>
</html>
`;
}
