import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { $, Glob } from "bun";

// Builds what the package exports into dist/module: JavaScript and declarations, one of each for a source file.

const OUT = join(import.meta.dir, "..", "dist", "module");
const TEXT_IMPORT = /^import (\w+) from "(\.[^"]+)" with \{ type: "text" \};$/gm;
const SOURCE_IMPORT = /((?:from |import\()"\.[^"]*)\.ts"/g;

await rm(OUT, { recursive: true, force: true });
await $`tsc -p ${join(import.meta.dir, "tsconfig.build.json")}`;
for (const file of new Glob("**/*.{js,d.ts}").scanSync(OUT)) {
  const path = join(OUT, file);
  const text = await Bun.file(path).text();
  await Bun.write(
    path,
    file.endsWith(".js") ? await withTexts(file, text) : text.replaceAll(SOURCE_IMPORT, '$1.js"'),
  );
}

/** Not every bundler imports text; so it is written out. */
async function withTexts(file: string, text: string): Promise<string> {
  let result = text;
  for (const [statement, name, path] of text.matchAll(TEXT_IMPORT)) {
    const imported = await Bun.file(join("src", dirname(file), path ?? "")).text();
    result = result.replace(statement, () => `const ${name} = ${JSON.stringify(imported)};`);
  }
  return result;
}
