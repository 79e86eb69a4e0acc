import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Glob } from "bun";
import { dependencies, version } from "../package.json";
import { SETTINGS } from "../src/config.ts";
import { VERSION } from "../src/version.ts";
import { referencePage } from "../tools/reference.ts";
import { hostAppExample } from "./package/examples.ts";

const ROOT = join(import.meta.dir, "..");
const read = (path: string) => Bun.file(join(ROOT, path)).text();

/** The anchors of a page's headings, as GitHub builds them. */
async function anchorsOf(page: string): Promise<Set<string>> {
  const headings = (await read(page)).matchAll(/^#+ (.*)$/gm);
  return new Set([...headings].map(([, text = ""]) => `#${slug(text)}`));
}

function slug(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, "")
    .replaceAll(" ", "-");
}

/** Creates a folder that git and the checks ignore. */
async function made(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  return folder;
}

describe("README.md", () => {
  test("has every setting with its default and meaning, in order, and no other", async () => {
    const rows = [
      ...(await read("README.md")).matchAll(/^\| `(HOST|PORT|SEALPOST_\w+)` \| (.*?) ?\| (.*) \|$/gm),
    ];
    const expected = Object.values(SETTINGS).map(({ name, fallback, meaning }) => {
      return [name, fallback === "" ? "" : `\`${fallback}\``, meaning];
    });
    expect(rows.map(([, name, fallback, meaning]) => [name, fallback, meaning])).toEqual(expected);
  });

  test("has an example of a host app's test that passes", async () => {
    const text = await read("README.md");
    const [, example = ""] = /## Testing your app\n[\s\S]*?```ts\n([\s\S]*?)```/.exec(text) ?? [];
    const folder = await mkdtemp(join(await made(join(ROOT, "dist")), "readme-"));
    await Bun.write(join(folder, "example.test.ts"), example);
    const child = Bun.spawn([process.execPath, "test", join(folder, "example.test.ts")], { stderr: "pipe" });
    const said = await new Response(child.stderr).text();
    await rm(folder, { recursive: true });
    expect(said).toContain("1 pass");
    expect(said).toContain("0 fail");
  });

  test("shows the host app of docs/host-app.md", async () => {
    const example = await hostAppExample('from "sealpost/bun"');
    expect(await read("README.md")).toContain(`\`\`\`ts\n${example}\`\`\``);
  });

  test("links to pages that exist, as each page does", async () => {
    const pages = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "src/README.md"];
    const missing: string[] = [];
    for (const page of [...pages, ...new Glob("docs/**/*.md").scanSync(ROOT)]) {
      const links = (await read(page)).matchAll(/\]\((?!https?:)([^)#]*)(#[^)]*)?\)/g);
      for (const [, path = "", anchor = ""] of links) {
        const target = path === "" ? page : join(dirname(page), path);
        const exists =
          existsSync(join(ROOT, target)) && (anchor === "" || (await anchorsOf(target)).has(anchor));
        if (!exists) missing.push(`${page}: ${path}${anchor}`);
      }
    }
    expect(missing).toEqual([]);
  });

  test("says what each dependency is for", async () => {
    const text = await read("README.md");
    const table = text.slice(text.indexOf("## What each dependency is for"), text.indexOf("## Standards"));
    expect(Object.keys(dependencies).filter((name) => !table.includes(`\`${name}\``))).toEqual([]);
  });
});

test("docs/reference.md is what the tables of the code say; bun tools/reference.ts writes it", async () => {
  expect(await read("docs/reference.md")).toBe(referencePage());
});

test("src/README.md names files that are there", async () => {
  const files = [...(await read("src/README.md")).matchAll(/`([\w/-]+\.ts)`/g)].map(([, file]) => file ?? "");
  expect(files.length).toBeGreaterThan(10);
  const pathOf = (file: string) => join(ROOT, file.startsWith("plugins/") ? "" : "src", file);
  expect(files.filter((file) => !existsSync(pathOf(file)))).toEqual([]);
});

test("VERSION is the package's", () => {
  expect(VERSION).toBe(version);
});
