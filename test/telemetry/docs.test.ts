import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Glob, YAML } from "bun";
import { METRICS, type Metric } from "../../src/telemetry/metrics.ts";

const ROOT = join(import.meta.dir, "..", "..");
const PAGE = join(ROOT, "docs", "metrics.md");
const ALERTS = join(ROOT, "deploy", "alerts.yml");
/** From Debian's package `prometheus`, or wherever a developer has unpacked it. */
const PROMTOOL = [
  Bun.which("promtool") ?? "",
  join(tmpdir(), "sealpost-peers/promtool/usr/bin/promtool"),
].find((path) => path !== "" && existsSync(path));
if (PROMTOOL === undefined) console.warn("Skipped: deploy/alerts.yml by promtool, which is not installed");

const LOGS_HEAD = "| logger | level | message with its properties |\n|---|---|---|\n";

/** Every call of a logger that has its message in the same place. */
const LOG_CALL = /\blog\s*\.(debug|info|warning|error|fatal)\(\s*(["`])((?:\\.|(?!\2).)*)\2/g;

async function logRows(): Promise<string> {
  const rows = new Set<string>();
  for (const folder of ["src", "plugins"]) {
    for await (const path of new Glob("**/*.ts").scan(join(ROOT, folder))) {
      const text = (await Bun.file(join(ROOT, folder, path)).text()).replaceAll(/^\s*\*.*$/gm, "");
      const [, category = ""] = /getLogger\(\[([^\]]*)\]\)/.exec(text) ?? [];
      // Not an example in a docstring.
      if (folder === "src" && category === "") continue;
      const logger =
        folder === "plugins"
          ? `sealpost.plugin.${path.split("/")[0]}`
          : category.replaceAll(/["\s]/g, "").replaceAll(",", ".");
      for (const [, level = "", , message = ""] of text.matchAll(LOG_CALL))
        rows.add(`| \`${logger}\` | ${level} | ${message.replaceAll("|", "\\|")} |\n`);
    }
  }
  return [...rows].sort().join("");
}

/** Returns the page with these rows in place of those after the head. */
function withRows(page: string, head: string, rows: string): string {
  const start = page.indexOf(head) + head.length;
  const end = page.indexOf("\n\n", start - 1) + 1;
  return page.slice(0, start) + rows + page.slice(end);
}

describe("docs/metrics.md", () => {
  test("has every line of the log (UPDATE_FIXTURES=1 writes them)", async () => {
    const page = await Bun.file(PAGE).text();
    const current = withRows(page, LOGS_HEAD, await logRows());
    if (process.env.UPDATE_FIXTURES) await Bun.write(PAGE, current);
    expect(await Bun.file(PAGE).text()).toBe(current);
    expect(current).toContain("| `sealpost.http` | warning | Login from {client} rejected: {code} |");
  });
});

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string };
}

describe("deploy/alerts.yml", () => {
  test("names only metrics, labels and results that exist", async () => {
    const { groups } = YAML.parse(await Bun.file(ALERTS).text()) as { groups: { rules: Rule[] }[] };
    const rules = groups.flatMap((group) => group.rules);
    expect(rules.length).toBeGreaterThan(5);
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    const metrics: Readonly<Record<string, Metric>> = METRICS;
    for (const { expr, labels, annotations } of rules) {
      expect(["warning", "critical"]).toContain(labels.severity);
      expect(annotations.summary).not.toBe("");
      const named = [...expr.matchAll(/(sealpost_\w+?)(?:_count|_sum|_bucket)?(?:\{([^}]*)\}|(?!\w))/g)];
      expect(named.length).toBeGreaterThan(0);
      for (const [, name = "", matchers = ""] of named) {
        expect(Object.keys(metrics)).toContain(name);
        const used = [...matchers.matchAll(/(\w+)(?:=~|!=|=)"/g)].map(([, label]) => label);
        for (const label of used) expect(metrics[name]?.labels).toContain(label);
        if (/by \(server\)/.test(expr)) expect(metrics[name]?.labels).toContain("server");
      }
    }
  });

  test.skipIf(PROMTOOL === undefined)("passes promtool", () => {
    const { success, stdout, stderr } = Bun.spawnSync([PROMTOOL ?? "", "check", "rules", ALERTS]);
    expect(`${stdout}${stderr}`).toContain("SUCCESS");
    expect(success).toBe(true);
  });
});
