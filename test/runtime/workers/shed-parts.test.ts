import { expect, test } from "bun:test";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { UNUSED } from "../../../tools/workers/never-called.ts";
import { shedParts } from "../../../tools/workers/shed-parts.ts";
import type { UnusedCode } from "../../../tools/workers/unused-code.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";
import { composed } from "../fixtures/composed.ts";

const FILE = "ipaddr.js/lib/ipaddr.js";
const PACKAGE = join(import.meta.dir, "..", "..", "..", "node_modules", FILE);

/** Builds a script without parts of packages, into a file of the folder. */
async function build(folder: string, script: string, parts: UnusedCode): Promise<string> {
  await Bun.write(join(folder, "entry.ts"), script);
  const { outputs } = await Bun.build({
    entrypoints: [join(folder, "entry.ts")],
    outdir: join(folder, "out"),
    target: "node",
    plugins: [shedParts(parts)],
  });
  return outputs[0]?.path ?? "";
}

/** Returns the messages of a build that fails. */
async function problemsOf(built: Promise<string>): Promise<string> {
  const error = await built.catch((reason: unknown) => reason);
  return error instanceof AggregateError ? error.errors.join("\n") : String(error);
}

const textOf = async (path: string) => await Bun.file(path).text();

test("a build fails if a package no longer has a part that is left out", async () => {
  using folder = temporaryFolder();
  const built = build(folder.path, `import ${JSON.stringify(PACKAGE)};`, { [FILE]: ["ipaddr.renamed"] });
  expect(await problemsOf(built)).toContain("ipaddr.renamed (0 found, 1 expected)");
});

test("a build fails if a package no longer has a file that loses parts", async () => {
  using folder = temporaryFolder();
  const parts = { [FILE]: ["ipaddr.isValidCIDR"], "ipaddr.js/lib/renamed-CLddUTqr.js": ["a()"] };
  const built = build(folder.path, `import ${JSON.stringify(PACKAGE)};`, parts);
  expect(await problemsOf(built)).toContain(
    "No file to leave parts of out: ipaddr.js/lib/renamed-CLddUTqr.js",
  );
});

test("another version of a package, which a package brings, keeps its parts", async () => {
  using folder = temporaryFolder();
  const nested = join(folder.path, "node_modules", FILE);
  await mkdir(join(nested, ".."), { recursive: true });
  await Bun.write(nested, "export const ipaddr = {}; ipaddr.isValidCIDR = () => 'nested';");
  const script = `import own from ${JSON.stringify(PACKAGE)};
    import { ipaddr } from "./node_modules/${FILE}";
    console.log(own, ipaddr);`;
  const text = await textOf(await build(folder.path, script, { [FILE]: ["ipaddr.isValidCIDR"] }));
  expect(text.match(/ipaddr\.isValidCIDR = .*/g)).toEqual([`ipaddr.isValidCIDR = () => "nested";`]);
});

test("the composer of the default build composes the same bytes", async () => {
  using folder = temporaryFolder();
  const parts = Object.fromEntries(Object.entries(UNUSED).filter(([file]) => file.startsWith("nodemailer/")));
  const fixture = join(import.meta.dir, "..", "fixtures", "composed.ts");
  const path = await build(folder.path, `export { composed } from ${JSON.stringify(fixture)};`, parts);
  expect(await textOf(path)).toContain("Left out of the Worker");
  const lean: { readonly composed: typeof composed } = await import(path);
  expect(await lean.composed()).toBe(await composed());
});
