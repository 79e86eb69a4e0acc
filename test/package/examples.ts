import { join } from "node:path";
import { ROOT } from "./project.ts";

const FENCED = /^```ts\n([\s\S]*?)^```$/gm;

/** Returns the examples of docs/testing.md, starting with the file that the others import. */
export async function testingExamples(): Promise<readonly string[]> {
  const page = await Bun.file(join(ROOT, "docs", "testing.md")).text();
  return examplesIn(page.slice(page.indexOf("\n## Examples\n")).split(/^## Scripts$/m)[0] ?? "");
}

/** Returns the one example of docs/host-app.md that contains `text`. */
export async function hostAppExample(text: string): Promise<string> {
  const page = await Bun.file(join(ROOT, "docs", "host-app.md")).text();
  const found = examplesIn(page).filter((example) => example.includes(text));
  if (found.length !== 1 || found[0] === undefined) throw new Error(`${found.length} examples have ${text}`);
  return found[0];
}

function examplesIn(markdown: string): string[] {
  return [...markdown.matchAll(FENCED)].map(([, block]) => block ?? "");
}
