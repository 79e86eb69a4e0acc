import { join } from "node:path";
import { $ } from "bun";
import { version } from "../package.json";

// Publishes dist/package to npm with its provenance, from a workflow that may ask for an identity token:
// npm run release [--dry-run]. Package.json has the version; the tag, the changelog and src/version.ts must agree.

const ROOT = join(import.meta.dir, "..");
const problems: string[] = [];

const changelog = await Bun.file(join(ROOT, "CHANGELOG.md")).text();
if (!new RegExp(`^## \\[?${version.replaceAll(".", "\\.")}\\]? - \\d{4}-\\d\\d-\\d\\d$`, "m").test(changelog))
  problems.push(`CHANGELOG.md has no section "## ${version} - <date>"`);
const tags = await $`git -C ${ROOT} tag --points-at HEAD`.nothrow().text();
if (!tags.split("\n").includes(`v${version}`)) problems.push(`the tag v${version} is not on this commit`);
if ((await $`git -C ${ROOT} status --porcelain`.nothrow().text()) !== "")
  problems.push("there are changes that are not committed");

for (const problem of problems) console.error(`Not released: ${problem}`);
if (problems.length > 0) process.exit(1);

await $`${process.execPath} tools/build.ts`.cwd(ROOT);
await $`npm publish ./dist/package --provenance --access public ${process.argv.slice(2)}`.cwd(ROOT);
