import { join } from "node:path";
import { ROOT } from "./project.ts";

const HEADING = "## As a module in your app\n";

/** The examples of docs/testing.md: the file that they share first. */
export async function testingExamples(): Promise<readonly string[]> {
  const page = await Bun.file(join(ROOT, "docs", "testing.md")).text();
  const section = page.slice(page.indexOf("\n## Examples\n")).split(/^## Scripts$/m)[0] ?? "";
  return [...section.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, block]) => block ?? "");
}

/** A fenced block of TypeScript in README.md's section for host apps, by a text that it alone has. */
export async function readmeBlock(text: string): Promise<string> {
  const readme = await Bun.file(join(ROOT, "README.md")).text();
  const section = readme.slice(readme.indexOf(HEADING) + HEADING.length).split(/^## /m)[0] ?? "";
  const blocks = [...section.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, block]) => block ?? "");
  const found = blocks.filter((block) => block.includes(text));
  if (found.length !== 1 || found[0] === undefined) throw new Error(`${found.length} blocks have ${text}`);
  return found[0];
}
