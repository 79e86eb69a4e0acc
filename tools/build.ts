import { rm } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { $, Glob } from "bun";
import { exports } from "../package.json";
import { makePackage } from "./package.ts";
import { NODE_22 } from "./published.ts";

// Builds JavaScript and declarations into dist/, one of each for a source file, and from them the package in dist/package/.

const ROOT = join(import.meta.dir, "..");
const DIST = join(ROOT, "dist");
const TEXT_IMPORT = /^import (\w+) from "(\.[^"]+)" with \{ type: "text" \};$/gm;
const SOURCE_IMPORT = /((?:from |import\()"\.[^"]*)\.ts"/g;

await rm(join(DIST, "module"), { recursive: true, force: true });
await rm(join(DIST, "plugins"), { recursive: true, force: true });
await compile("tsconfig.build.json");
// They import the package by its name, like the plugins of a host app.
await compile("tsconfig.plugins.json");
// The server and the command line, which import these plugins.
await compile("tsconfig.program.json");
await finish("src", "module");
await finish("plugins", "plugins");
await importFirst(NODE_22);
await makePackage();

/** Comments are kept in the declarations, where editors show them, and left out of the JavaScript, of which they are a quarter. */
async function compile(config: string): Promise<void> {
  const project = join(import.meta.dir, config);
  await $`tsc -p ${project} --emitDeclarationOnly`;
  await $`tsc -p ${project} --removeComments --declaration false`;
}

/** Completes the compiled files: texts and imports of declarations. */
async function finish(sources: string, folder: string): Promise<void> {
  const out = join(DIST, folder);
  for (const file of new Glob("**/*.{js,d.ts}").scanSync(out)) {
    const path = join(out, file);
    const text = await Bun.file(path).text();
    const isScript = file.endsWith(".js");
    await Bun.write(
      path,
      isScript ? await withTexts(sources, file, text) : text.replaceAll(SOURCE_IMPORT, '$1.js"'),
    );
  }
}

/** Inlines imported texts, because some bundlers cannot import them. */
async function withTexts(sources: string, file: string, text: string): Promise<string> {
  let result = text;
  for (const [statement, name, path] of text.matchAll(TEXT_IMPORT)) {
    const imported = await Bun.file(join(import.meta.dir, "..", sources, dirname(file), path ?? "")).text();
    result = result.replace(statement, () => `const ${name} = ${JSON.stringify(imported)};`);
  }
  return result;
}

/** Makes every door import a file first. The plugins need no import of their own, because they import a door. */
async function importFirst(source: string): Promise<void> {
  const file = join(DIST, "module", source.replace("src/", "").replace(/\.ts$/, ".js"));
  for (const { default: script } of Object.values(exports)) {
    if (script.startsWith("./dist/plugins/")) continue;
    const door = join(ROOT, script);
    const path = relative(dirname(door), file);
    const statement = `import "${path.startsWith(".") ? path : `./${path}`}";\n`;
    await Bun.write(door, statement + (await Bun.file(door).text()));
  }
}
