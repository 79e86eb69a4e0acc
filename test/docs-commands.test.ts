import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { Glob } from "bun";
import type { Command } from "commander";
import deno from "../deno.json";
import { scripts } from "../package.json";
import { adminCommand } from "../src/cli/admin.ts";
import { apiKeyCommand } from "../src/cli/apikey.ts";
import { backupCommand, restoreCommand } from "../src/cli/backup.ts";
import { doctorCommand } from "../src/cli/doctor.ts";
import { keysCommand } from "../src/cli/keys.ts";
import { mailCommand } from "../src/cli/mail.ts";
import { migrateCommand } from "../src/cli/migrate.ts";
import { queueCommand } from "../src/cli/queue.ts";
import { serverCommand } from "../src/cli/server.ts";
import { workerCommand } from "../src/cli/worker.ts";
import { isNotRun, NOT_RUN } from "./fixtures/process/not-run.ts";
import { shellBlocks } from "./fixtures/process/page.ts";

const ROOT = join(import.meta.dir, "..");
const read = (path: string) => Bun.file(join(ROOT, path)).text();
const FOLDERS = ["docs/**/*.md", "plugins/*/README.md", "src/**/*.md", "examples/**/*.md", "deploy/**/*.md"];
const PAGES = [
  ...["README.md", "CONTRIBUTING.md", "SECURITY.md"],
  ...FOLDERS.flatMap((pattern) => [...new Glob(pattern).scanSync(ROOT)]),
].sort();

const CURL = "test/flow/10-readme-curl.test.ts";
const FILES = "test/flow/21-pages.test.ts";
const PROVIDERS = "test/flow/18-provider-pages.test.ts";
const START = "test/deploy/start.test.ts";
const RUNTIMES = "test/deploy/runtimes.test.ts";

/** The tests that run the shell blocks of each page: one for all, or one for each block; `null` runs none of a block. */
const RUN_BY: Readonly<Record<string, string | readonly (string | null)[]>> = {
  "README.md": [START, CURL, CURL],
  "CONTRIBUTING.md": [null],
  "docs/after-a-theft.md": ["test/cli/keys.test.ts", "test/cli/keys.test.ts"],
  "docs/api-keys.md": "test/flow/19-api-keys.test.ts",
  "docs/api.md": FILES,
  "docs/check.md": FILES,
  "docs/cli.md": [
    ...["test/cli/page.test.ts", "test/cli/page.test.ts", "test/runtime/workers/operator.test.ts"],
    ...["test/cli/page.test.ts", "test/cli/page.test.ts"],
  ],
  "docs/deno.md": RUNTIMES,
  "docs/encryption.md": FILES,
  "docs/metrics.md": [FILES, RUNTIMES],
  "docs/migrate.md": "test/deploy/import-privacyidea.test.ts",
  "docs/node.md": [null, "test/package/node.test.ts"],
  "docs/oauth.md": PROVIDERS,
  "docs/operate.md": [
    ...[FILES, "test/cli/backup.test.ts", "test/cli/backup.test.ts"],
    ...["test/cli/moves.test.ts", "test/cli/moves.test.ts"],
  ],
  "docs/page.md": [START],
  "docs/providers.md": PROVIDERS,
  "docs/providers/gmail.md": PROVIDERS,
  "docs/providers/google-workspace.md": PROVIDERS,
  "docs/providers/microsoft365.md": PROVIDERS,
  "docs/providers/sendgrid.md": PROVIDERS,
  "docs/providers/ses.md": PROVIDERS,
  "docs/queue.md": FILES,
  "docs/scaling.md": [null],
  "docs/send.md": FILES,
  "docs/sign.md": FILES,
  "docs/start.md": START,
  "docs/workers.md": [RUNTIMES, null, RUNTIMES],
  "plugins/directory/README.md": Array.from({ length: 2 }, () => "test/plugins/directory/readme.test.ts"),
  "plugins/email-token/README.md": ["test/plugins/email-token/readme.test.ts"],
  "plugins/events/README.md": [
    ...["test/plugins/events/readme.test.ts", null, "test/plugins/events/readme.test.ts"],
  ],
  "plugins/recovery/README.md": ["test/plugins/recovery/readme.test.ts"],
  "plugins/registration/README.md": ["test/plugins/registration/readme.test.ts"],
  "plugins/sms-gateway/README.md": ["test/plugins/sms-gateway/readme.test.ts"],
};

/** Whether the text of a test names a page, its folder, or its plugin. */
function isNamed(page: string, text: string): boolean {
  const [, plugin] = /^plugins\/([\w-]+)\//.exec(page) ?? [];
  const names = plugin === undefined ? [page, `${dirname(page)}/*.md`] : [page, `"${plugin}"`];
  return names.some((name) => text.includes(name));
}

describe("each command of a page", () => {
  test("is in a block that a test runs, or has a reason why none does", async () => {
    const problems: string[] = [];
    for (const page of PAGES) {
      const blocks = await shellBlocks(page);
      const entry = RUN_BY[page] ?? [];
      const runners = typeof entry === "string" ? blocks.map(() => entry) : entry;
      if (runners.length !== blocks.length)
        problems.push(`${page}: ${blocks.length} blocks, ${runners.length} in RUN_BY`);
      for (const [index, block] of blocks.entries()) {
        const file = runners[index] ?? null;
        const rest = block.split("\n").filter((line) => line !== "" && !isNotRun(page, line));
        if (file === null) problems.push(...rest.map((line) => `${page}: no test runs: ${line}`));
        else if (!isNamed(page, await read(file).catch(() => "")))
          problems.push(`${page}: ${file} does not name it`);
      }
    }
    expect(problems).toEqual([]);
    expect(Object.keys(RUN_BY).filter((page) => !PAGES.includes(page))).toEqual([]);
  });

  test("is in a block of sh, not of another name for it", async () => {
    const texts = await Promise.all(PAGES.map(async (page) => [page, await read(page)] as const));
    expect(
      texts.filter(([, text]) => /^ *```(?:bash|shell|console|zsh)$/m.test(text)).map(([page]) => page),
    ).toEqual([]);
  });

  test("that no test runs is still on a page", async () => {
    const lines = await Promise.all(
      PAGES.map(async (page) =>
        (await shellBlocks(page)).flatMap((block) => block.split("\n")).map((line) => ({ page, line })),
      ),
    );
    const unused = NOT_RUN.filter(
      (entry) => !lines.flat().some(({ page, line }) => entry.page.test(page) && entry.command.test(line)),
    );
    expect(unused).toEqual([]);
  });
});

/** Every command in blocks of shell and in code of the text, with the page. */
async function commandsOf(pattern: RegExp): Promise<readonly (readonly [page: string, command: string])[]> {
  const found: (readonly [string, string])[] = [];
  for (const page of PAGES) {
    const text = await read(page);
    const inline = [...text.replaceAll(/^ *```[\s\S]*?^ *```$/gm, "").matchAll(/`([^`\n]+)`/g)];
    const code = [...(await shellBlocks(page)), ...inline.map(([, command = ""]) => command)].join("\n");
    for (const [, command = ""] of code.matchAll(pattern)) found.push([page, command]);
  }
  return found;
}

test("each script of npm, task of Deno and file that a page names exists", async () => {
  const bun = (await commandsOf(/(?:^|[\s`])(?:npm|bun) run ((?!--)[\w:-]+)/gm)).filter(
    ([, script]) => !(script in scripts),
  );
  const tasks = (await commandsOf(/(?:^|\s)deno task ([\w:-]+)/gm)).filter(
    ([, task]) => !(task in deno.tasks),
  );
  const files = (await commandsOf(/(?:^|\s)bun (?:test )?((?:tools|test|src)\/[^`\n#]*)/gm)).flatMap(
    ([page, paths]) =>
      paths
        .split(" ")
        .filter((path) => /^(?:tools|test|src)\//.test(path) && !existsSync(join(ROOT, path)))
        .map((path) => [page, path]),
  );
  expect([...bun, ...tasks, ...files]).toEqual([]);
});

const COMMANDS: readonly Command[] = [
  ...[adminCommand(), apiKeyCommand(), backupCommand(), doctorCommand(), keysCommand(), mailCommand()],
  ...[migrateCommand(), queueCommand(), restoreCommand(), serverCommand(), workerCommand()],
];
const GLOBAL_OPTIONS = ["--json", "--url", "--key-stdin", "--help", "--version"];

/** Returns what a command of the command line names that does not exist. */
function unknownWords(command: string): readonly string[] {
  const [first = "", ...words] = command
    .replace(/(?:#|&&| \|| <(?!\w)).*$/, "")
    .trim()
    .split(/ +/);
  if (first === "" || GLOBAL_OPTIONS.includes(first)) return [];
  const group = COMMANDS.find((candidate) => candidate.name() === first);
  if (group === undefined) return [first];
  const names = group.commands.length === 0 ? [] : (words[0] ?? "").split("|").filter((name) => name !== "");
  const chosen = group.commands.filter((candidate) => names.includes(candidate.name()));
  const known = (chosen.length === 0 ? [group] : chosen).flatMap(({ options }) =>
    options.map(({ long }) => long ?? ""),
  );
  const options = [...command.matchAll(/(?<=[ [])--[\w-]+/g)].map(([option]) => option);
  return [
    ...names.filter((name) => !chosen.some((candidate) => candidate.name() === name)),
    ...options.filter((option) => ![...known, ...GLOBAL_OPTIONS].includes(option)),
  ];
}

describe("the command line", () => {
  test("has each command and option that a page names", async () => {
    const named = await commandsOf(/(?:bun run|npx sealpost|deno task) cli ([^`\n…]*)/gm);
    expect(named.length).toBeGreaterThan(40);
    const unknown = named.map(([page, command]) => [page, command, unknownWords(command)] as const);
    expect(unknown.filter(([, , words]) => words.length > 0)).toEqual([]);
    expect(unknownWords("queue resend")).toEqual(["resend"]);
    expect(unknownWords("server test main --upto auth")).toEqual(["--upto"]);
  });

  test("has no command that docs/cli.md does not name", async () => {
    const [synopsis = ""] = await shellBlocks("docs/cli.md");
    const named = synopsis.split("\n").flatMap((line) => {
      const [, , , group = "", words = ""] = line.split(" ");
      return words.split("|").map((word) => `${group} ${word}`);
    });
    const all = COMMANDS.flatMap((command) =>
      command.commands.map((child) => `${command.name()} ${child.name()}`),
    );
    expect(all.filter((name) => !named.includes(name))).toEqual([]);
    const alone = COMMANDS.filter(({ commands }) => commands.length === 0).map((command) => command.name());
    expect(alone.filter((name) => !named.some((words) => words.startsWith(`${name} `)))).toEqual([]);
  });
});
